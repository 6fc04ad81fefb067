import type { RecordingPolicy } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RECORDING_POLICY } from './recording-policy.js';
import {
  endCauseOf,
  NO_TRIGGERS,
  TRIGGERS_MAX,
  type TriggerChange,
  triggerOf,
  withoutPast,
  withTrigger,
} from './recording-triggers.js';

const test = suite('recording triggers');

const onMotion: RecordingPolicy = { ...RECORDING_POLICY, mode: 'MOTION', preBufferMs: 5_000, postMs: 4_000 };
const motionBegan: TriggerChange = {
  change: 'BEGAN',
  key: 'motion',
  kind: 'MOTION',
  atMs: 100_000,
  untilMs: null,
};
const motionEnded: TriggerChange = { change: 'ENDED', key: 'motion', atMs: 110_000 };
const manual: TriggerChange = {
  change: 'BEGAN',
  key: 'manual',
  kind: 'MANUAL',
  atMs: 112_000,
  untilMs: 140_000,
};

function after(policy: RecordingPolicy, ...changes: readonly TriggerChange[]) {
  return changes.reduce((triggers, change) => withTrigger(triggers, change, policy), NO_TRIGGERS);
}

const kindAt = (triggers: ReturnType<typeof after>, fromMs: number, toMs = fromMs + 1) =>
  triggerOf(triggers, { fromMs, toMs })?.kind ?? null;

test('a trigger records from before it until after it, and not a moment more', () => {
  const triggers = after(onMotion, motionBegan, motionEnded);
  assert.is(kindAt(triggers, 94_999), null);
  assert.is(kindAt(triggers, 95_000), 'MOTION');
  assert.is(kindAt(triggers, 113_999), 'MOTION');
  assert.is(kindAt(triggers, 114_000), null);
});

test('a group of pictures that touches a trigger is recorded whole', () => {
  const triggers = after(onMotion, motionBegan, motionEnded);
  assert.is(kindAt(triggers, 90_000, 95_001), 'MOTION');
  assert.is(kindAt(triggers, 90_000, 95_000), null);
  assert.is(kindAt(triggers, 113_000, 120_000), 'MOTION');
});

test('recording goes on as long as one trigger keeps it on, and ends because of the last one', () => {
  const triggers = after(onMotion, motionBegan, motionEnded, manual);
  assert.is(kindAt(triggers, 113_000), 'MANUAL');
  assert.is(kindAt(triggers, 139_999), 'MANUAL');
  assert.is(kindAt(triggers, 140_000), null);
  assert.is(endCauseOf('MANUAL'), 'MANUAL_STOPPED');
});

test('a trigger that has not ended lasts', () => {
  assert.is(kindAt(after(onMotion, motionBegan), 1e12), 'MOTION');
});

test('a trigger that begins again before it is over goes on from its first beginning', () => {
  const again = after(onMotion, motionBegan, motionEnded, { ...motionBegan, atMs: 112_000 });
  assert.is(again.length, 1);
  assert.is(kindAt(again, 95_000), 'MOTION');
  assert.is(kindAt(again, 1e12), 'MOTION');
});

test('what would end by itself can be ended before, and not be prolonged by its end', () => {
  const stopped: TriggerChange = { change: 'ENDED', key: 'manual', atMs: 113_000 };
  assert.is(kindAt(after(onMotion, manual, stopped), 112_999), 'MANUAL');
  assert.is(kindAt(after(onMotion, manual, stopped), 113_000), null);
  assert.is(kindAt(after(onMotion, manual, { ...stopped, atMs: 150_000 }), 140_000), null);
  assert.equal(after(onMotion, motionEnded), []);
});

test('a mode heeds its own triggers and what people do; continuous recording needs none', () => {
  const event: TriggerChange = { ...motionBegan, key: 'alarm', kind: 'EVENT' };
  const kinds = (mode: RecordingPolicy['mode']) =>
    after({ ...onMotion, mode }, motionBegan, event, manual).map(trigger => trigger.kind);
  assert.equal(kinds('MOTION').sort(), ['MANUAL', 'MOTION']);
  assert.equal(kinds('EVENT').sort(), ['EVENT', 'MANUAL']);
  assert.equal(kinds('MANUAL_ONLY'), ['MANUAL']);
  assert.equal(kinds('CONTINUOUS'), []);
});

test('a bookmark has its own time before and after', () => {
  const triggers = after(
    { ...onMotion, mode: 'MANUAL_ONLY', preBufferMs: 0, postMs: 0 },
    { change: 'BEGAN', key: 'bookmark 1', kind: 'BOOKMARK', atMs: 100_000, untilMs: 100_000 },
  );
  assert.is(kindAt(triggers, 97_000), 'BOOKMARK');
  assert.is(kindAt(triggers, 129_999), 'BOOKMARK');
  assert.is(kindAt(triggers, 130_000), null);
});

test('triggers that are over are forgotten, and there are never more than so many', () => {
  assert.equal(withoutPast(after(onMotion, motionBegan, motionEnded), 114_000), []);
  const many = Array.from({ length: TRIGGERS_MAX + 10 }, (_, index) => ({
    ...manual,
    key: `manual ${index}`,
    untilMs: 140_000 + index,
  }));
  const kept = after(onMotion, ...many);
  assert.is(kept.length, TRIGGERS_MAX);
  assert.is(Math.max(...kept.map(trigger => trigger.untilMs)), 140_000 + TRIGGERS_MAX + 9);
});

test.run();
