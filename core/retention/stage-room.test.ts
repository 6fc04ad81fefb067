import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type StageRoom, stageFullAtMs } from './stage-room.js';

const test = suite('room of a stage');

const dayMs = 24 * 3600_000;
const room: StageRoom = {
  ...{ nowMs: 1000, usageBytes: 200, limitBytes: 1000, lockedBytes: 0, bytesPerDay: 100 },
  keptMs: 7 * dayMs,
};

test('a stage from which as much leaves as comes is never full', () => {
  assert.is(stageFullAtMs(room), null);
  assert.is(stageFullAtMs({ ...room, keptMs: 10 * dayMs }), null);
});

test('one that keeps for longer than it has room is full when the room is used up', () => {
  assert.is(stageFullAtMs({ ...room, keptMs: 30 * dayMs }), 1000 + 8 * dayMs);
});

test('what is locked does not leave, and takes the room of what comes', () => {
  assert.is(stageFullAtMs({ ...room, usageBytes: 600, lockedBytes: 400 }), 1000 + 4 * dayMs);
});

test('one that is full is full now; one without an end, or without a pace, is not foretold', () => {
  assert.is(stageFullAtMs({ ...room, usageBytes: 1000, bytesPerDay: null }), 1000);
  assert.is(stageFullAtMs({ ...room, limitBytes: null }), null);
  assert.is(stageFullAtMs({ ...room, keptMs: 30 * dayMs, bytesPerDay: null }), null);
  assert.is(stageFullAtMs({ ...room, keptMs: 30 * dayMs, bytesPerDay: 0 }), null);
});

test.run();
