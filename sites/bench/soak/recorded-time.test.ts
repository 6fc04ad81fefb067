import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { holesOf, slopeOf } from './recorded-time.js';

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
