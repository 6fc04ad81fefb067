import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type StageRoom, stageFullAtMs, volumeFullAtMs } from './stage-room.js';

const test = suite('room of a stage');

const dayMs = 24 * 3600_000;
const nowMs = 1000;
const room: StageRoom = {
  ...{ usageBytes: 200, limitBytes: 1000, lockedBytes: 0, bytesPerDay: 100 },
  keptMs: 7 * dayMs,
};

const fullAt = (changes: Partial<StageRoom> = {}) => stageFullAtMs({ ...room, ...changes }, nowMs);

test('a stage from which as much leaves as comes is never full', () => {
  assert.is(fullAt(), null);
  assert.is(fullAt({ keptMs: 10 * dayMs }), null);
});

test('one that keeps for longer than it has room is full when the room is used up', () => {
  assert.is(fullAt({ keptMs: 30 * dayMs }), 1000 + 8 * dayMs);
});

test('what is locked does not leave, and takes the room of what comes', () => {
  assert.is(fullAt({ usageBytes: 600, lockedBytes: 400 }), 1000 + 4 * dayMs);
});

test('one that is full is full now; one without an end, or without a pace, is not foretold', () => {
  assert.is(fullAt({ usageBytes: 1000, bytesPerDay: null }), 1000);
  assert.is(fullAt({ limitBytes: null }), null);
  assert.is(fullAt({ keptMs: 30 * dayMs, bytesPerDay: null }), null);
  assert.is(fullAt({ keptMs: 30 * dayMs, bytesPerDay: 0 }), null);
});

test('stages on one volume fill it together, each until as much leaves it as comes, or its own limit holds it', () => {
  const volume = (leftBytes: number, ...stages: Partial<StageRoom>[]) =>
    volumeFullAtMs(
      stages.map(changes => ({ ...room, limitBytes: null, keptMs: 30 * dayMs, ...changes })),
      { leftBytes, nowMs },
    );
  assert.is(volume(800, {}), 1000 + 8 * dayMs);
  assert.is(volume(800, {}, {}), 1000 + 4 * dayMs);
  assert.is(volume(800, {}, { bytesPerDay: null }), 1000 + 8 * dayMs);
  // After two days the second is at its limit, and the rest is the first one's.
  assert.is(volume(800, {}, { limitBytes: 400 }), 1000 + 6 * dayMs);
  // After five the second gives as much as it takes.
  assert.is(volume(1_200, {}, { keptMs: 7 * dayMs }), 1000 + 7 * dayMs);
  assert.is(volume(5_600, {}, {}), null);
  assert.is(volume(5_599, {}, {}), 1000 + Math.round(27.995 * dayMs));
  assert.is(volume(0, {}), 1000);
  // The second holds more than it will in the end: it takes no room, and what it gives back is not counted on.
  assert.is(volume(800, {}, { keptMs: dayMs }), 1000 + 8 * dayMs);
  // In a thousand thousand years is never.
  assert.is(volume(800, { bytesPerDay: 1e-7, keptMs: 1e12 * dayMs }), null);
});

test.run();
