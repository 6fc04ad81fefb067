import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DeviceLockReport, deviceLockResult, lockCoverage, lockOutcome } from './lock-coverage.js';

const test = suite('coverage of an evidence lock');
const span = { fromMs: 10_000, toMs: 20_000 };

test('a span that is held without a hole is applied, seams between segments or not', () => {
  const held = [
    { fromMs: 0, toMs: 15_000 },
    { fromMs: 15_040, toMs: 60_000 },
  ];
  assert.equal(lockCoverage(span, held), { outcome: 'APPLIED', heldMs: 9960, missing: [] });
});

test('what is not held is named, at the beginning, between and at the end', () => {
  const held = [
    { fromMs: 0, toMs: 5000 },
    { fromMs: 12_000, toMs: 13_000 },
    { fromMs: 12_500, toMs: 14_000 },
    { fromMs: 16_000, toMs: 19_000 },
    { fromMs: 25_000, toMs: 30_000 },
  ];
  assert.equal(lockCoverage(span, held), {
    ...{ outcome: 'PARTLY', heldMs: 5000 },
    missing: [
      { fromMs: 10_000, toMs: 12_000 },
      { fromMs: 14_000, toMs: 16_000 },
      { fromMs: 19_000, toMs: 20_000 },
    ],
  });
});

test('a span of which nothing is held is missing as a whole, however short it is', () => {
  const short = { fromMs: 100, toMs: 150 };
  assert.equal(lockCoverage(short, []), { outcome: 'NOTHING_HELD', heldMs: 0, missing: [short] });
});

const reported = (missing: readonly [number, number][], outcome: DeviceLockReport['outcome']) => ({
  ...{ ...span, judgedToMs: span.toMs, outcome, heldMs: 1000, byteLength: 100 },
  missing: missing.map(([fromMs, toMs]) => ({ fromMs, toMs })),
});

test('what moved hardware left on one server and recorded on another is one result', () => {
  const one = reported([[10_000, 15_000]], 'PARTLY');
  const other = reported([[14_000, 20_000]], 'PARTLY');
  assert.equal(deviceLockResult(span, [one, other]), {
    ...{ outcome: 'PARTLY', byteLength: 200, judgedToMs: 20_000 },
    missing: [{ fromMs: 14_000, toMs: 15_000 }],
  });
  const rest = reported([[15_000, 20_000]], 'PARTLY');
  assert.is(deviceLockResult(span, [one, rest]).outcome, 'APPLIED');
  const nothing = reported([[10_000, 20_000]], 'NOTHING_HELD');
  assert.is(deviceLockResult(span, [nothing, nothing]).outcome, 'NOTHING_HELD');
  assert.is(deviceLockResult(span, [one, nothing]).outcome, 'PARTLY');
  const earlier = { ...rest, judgedToMs: 16_000 };
  assert.is(deviceLockResult(span, [one, earlier]).judgedToMs, 16_000);
});

test('a lock is pending until every device was reported for its span as it is now', () => {
  assert.is(deviceLockResult(span, []).outcome, 'PENDING');
  const widened = { ...span, toMs: 30_000 };
  assert.is(deviceLockResult(widened, [reported([], 'APPLIED')]).outcome, 'PENDING');
  const begunEarlier = { ...span, fromMs: 5000 };
  assert.is(deviceLockResult(begunEarlier, [reported([], 'APPLIED')]).outcome, 'PENDING');
  assert.is(lockOutcome([]), 'PENDING');
  assert.is(lockOutcome([{ outcome: 'APPLIED' }, { outcome: 'PENDING' }]), 'PENDING');
  assert.is(lockOutcome([{ outcome: 'APPLIED' }, { outcome: 'NOTHING_HELD' }]), 'PARTLY');
  assert.is(lockOutcome([{ outcome: 'APPLIED' }, { outcome: 'APPLIED' }]), 'APPLIED');
});

test.run();
