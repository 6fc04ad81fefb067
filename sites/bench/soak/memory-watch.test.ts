import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type MemorySample, memoryReport } from './memory-watch.js';

const test = suite('memory of the soak');

const MB = 2 ** 20;
const samples = (bytesAt: (index: number) => Partial<MemorySample>): MemorySample[] =>
  Array.from({ length: 80 }, (_, index) => ({
    ...{ atMs: index * 60_000, rssBytes: 300 * MB, heapBytes: 60 * MB, externalBytes: 20 * MB },
    ...bytesAt(index),
  }));

test('memory that swings is flat, also when it grew in the beginning', () => {
  const report = memoryReport(
    samples(index => ({
      rssBytes: (index < 30 ? 200 + 3 * index : 290 + (index % 5)) * MB,
      heapBytes: (60 + (index % 7) * 10) * MB,
    })),
  );
  assert.ok(report.isFlat);
  assert.is(report.quarters.length, 4);
  assert.is(report.quarters[3]!.heapMb, 60);
  assert.is(report.minutes, 79);
});

test('memory that grows on is not, whether it is resident or of the heap', () => {
  const resident = memoryReport(samples(index => ({ rssBytes: (300 + 2 * index) * MB })));
  assert.not(resident.isFlat);
  assert.is(resident.rssMbPerHour, 120);
  const heap = memoryReport(samples(index => ({ heapBytes: (60 + index) * MB })));
  assert.not(heap.isFlat);
  assert.is(heap.heapGrowthMb, 40);
});

test('too few samples prove nothing', () => {
  assert.not(memoryReport(samples(() => ({})).slice(0, 8)).isFlat);
  assert.not(memoryReport([]).isFlat);
});

test.run();
