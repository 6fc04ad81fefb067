import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { holesOf, lastHoleOf, slopeOf } from './recorded-time.js';

const test = suite('recorded time of the soak');
const segment = (fromMs: number, toMs: number) => ({
  fromMs,
  toMs,
  endedBecause: 'RECORDING_CONTINUED' as const,
});

test('a hole has the cause of the gap that covers it, and none when no gap does', () => {
  const segments = [segment(5000, 6000), segment(0, 1000), segment(1100, 2000), segment(3000, 4000)];
  const gaps = [{ fromMs: 2000, toMs: 3000, cause: 'CAMERA_DISCONNECTED' as const }];
  assert.equal(holesOf({ segments, gaps }), [
    { fromMs: 2000, toMs: 3000, cause: 'CAMERA_DISCONNECTED' },
    { fromMs: 4000, toMs: 5000, cause: null },
  ]);
});

test('what overlaps is no hole', () => {
  assert.equal(
    holesOf({ segments: [segment(0, 9000), segment(1000, 2000), segment(9000, 9500)], gaps: [] }),
    [],
  );
  assert.equal(holesOf({ segments: [], gaps: [] }), []);
});

test('a camera that did not come back is a hole up to the end, for what it ended with or for nothing', () => {
  const gone = { ...segment(1000, 2000), endedBecause: 'CAMERA_DISCONNECTED' as const };
  const facts = { segments: [gone, segment(0, 1000)], gaps: [] };
  assert.equal(lastHoleOf(facts, 200_000), [{ fromMs: 2000, toMs: 200_000, cause: 'CAMERA_DISCONNECTED' }]);
  assert.equal(lastHoleOf(facts, 60_000), []);
  assert.equal(lastHoleOf({ segments: [segment(0, 1000)], gaps: [] }, 200_000), [
    { fromMs: 1000, toMs: 200_000, cause: null },
  ]);
});

test('the slope of a line is what it grows by', () => {
  assert.is(
    slopeOf([
      [0, 5],
      [1, 7],
      [2, 9],
    ]),
    2,
  );
  assert.is(slopeOf([[3, 4]]), 0);
});

test.run();
