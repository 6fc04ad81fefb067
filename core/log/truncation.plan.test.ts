import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LOG_START, type LogPlace } from './log-place.js';
import { planTruncation, type TruncationFacts } from './truncation.plan.js';

const test = suite('truncation plan');
const at = (position: number, epoch = 1): LogPlace => ({ epoch, position });
const policy = { acknowledgedBy: 'TOP', keepMs: 1000 } as const;

function plan(facts: Partial<TruncationFacts>): LogPlace | null {
  const known: TruncationFacts = {
    ...{ nowMs: 5000, keptAfter: LOG_START, acknowledged: at(90), folded: at(95), needed: [] },
    lastRecordedBefore: ms => (ms === 4000 ? at(80) : null),
    ...facts,
  };
  return planTruncation(policy, known)?.keptAfter ?? null;
}

test('removes what is older than it is to be kept', () => {
  assert.equal(plan({}), at(80));
  assert.equal(
    planTruncation(policy, {
      ...{ nowMs: 5000, keptAfter: LOG_START, acknowledged: at(90), folded: at(95), needed: [] },
      lastRecordedBefore: () => at(80),
    }),
    { keptAfter: at(80), acknowledgedBy: 'TOP', recordedBeforeMs: 4000 },
  );
});

test('removes nothing that the named level has not acknowledged', () => {
  assert.equal(plan({ acknowledged: at(70) }), at(70));
  assert.is(plan({ acknowledged: null }), null);
  assert.equal(plan({ acknowledged: at(500), lastRecordedBefore: () => at(3, 2) }), at(95));
});

test('removes nothing that a reader would still have to fold', () => {
  assert.equal(plan({ folded: at(40) }), at(40));
  assert.is(plan({ folded: null }), null);
});

test('removes nothing from the first event on of what has not ended', () => {
  assert.equal(plan({ needed: [at(60), at(31), at(77)] }), at(30));
  assert.is(plan({ needed: [at(1)] }), null);
});

test('removes nothing twice, and nothing while nothing is old', () => {
  assert.is(plan({ keptAfter: at(80) }), null);
  assert.is(plan({ keptAfter: at(85) }), null);
  assert.is(plan({ lastRecordedBefore: () => null }), null);
});

test.run();
