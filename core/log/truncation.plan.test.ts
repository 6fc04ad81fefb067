import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LOG_START, type LogPlace } from './log-place.js';
import { CAMERA_CLOCK_AHEAD_MS, planTruncation, type TruncationFacts } from './truncation.plan.js';

const test = suite('truncation plan');
const DAY_MS = CAMERA_CLOCK_AHEAD_MS;
const at = (position: number, epoch = 1): LogPlace => ({ epoch, position });
const policy = { acknowledgedBy: 'TOP', keepMs: 10 * DAY_MS } as const;
const known: TruncationFacts = {
  ...{
    nowMs: 90 * DAY_MS,
    keptAfter: LOG_START,
    acknowledged: at(95),
    readThrough: [],
    recordingsSinceMs: [],
  },
  // One event a day.
  lastRecordedBefore: ms => (ms < DAY_MS ? null : at(Math.floor(ms / DAY_MS))),
};
const plan = (facts: Partial<TruncationFacts>): LogPlace | null =>
  planTruncation(policy, { ...known, ...facts })?.keptAfter ?? null;

test('removes what is older than it is to be kept', () => {
  const recordedBeforeMs = 80 * DAY_MS;
  assert.equal(planTruncation(policy, known), { keptAfter: at(80), acknowledgedBy: 'TOP', recordedBeforeMs });
});

test('removes nothing that the named level has not acknowledged', () => {
  assert.equal(plan({ acknowledged: at(70) }), at(70));
  assert.is(plan({ acknowledged: null }), null);
  assert.equal(plan({ acknowledged: at(500), lastRecordedBefore: () => at(3, 2) }), at(500));
});

test('removes nothing that a reader has yet to read', () => {
  assert.equal(plan({ readThrough: [at(60), at(31), at(77)] }), at(31));
  assert.is(plan({ readThrough: [at(60), LOG_START] }), null);
});

test('removes nothing that was said since a recording began that is kept or locked, were its camera a day ahead', () => {
  assert.equal(plan({ recordingsSinceMs: [85 * DAY_MS, 21 * DAY_MS, 40 * DAY_MS] }), at(20));
  assert.equal(plan({ recordingsSinceMs: [85 * DAY_MS] }), at(80));
  assert.is(plan({ recordingsSinceMs: [85 * DAY_MS, 0] }), null);
});

test('removes nothing twice, and nothing while nothing is old', () => {
  assert.is(plan({ keptAfter: at(80) }), null);
  assert.is(plan({ keptAfter: at(85) }), null);
  assert.is(plan({ lastRecordedBefore: () => null }), null);
});

test.run();
