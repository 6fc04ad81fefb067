import { setTimeout as wait } from 'node:timers/promises';
import { CameraRefusedError } from '@holdfast/core';
import { PTZ_PRIORITY } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PtzSessions } from './ptz-session.js';

const test = suite('who turns a camera');

const ann = { askedBy: 'user:ann', priority: PTZ_PRIORITY.medium };
const bob = { askedBy: 'user:bob', priority: PTZ_PRIORITY.medium };
const chief = { askedBy: 'user:chief', priority: PTZ_PRIORITY.veryHigh };

function openSetting(sessionMs?: number) {
  const told: string[] = [];
  const sessions = new PtzSessions({
    name: 'Gate',
    onStarted: ({ heldBy, reserved }) => told.push(`${heldBy} ${reserved ? 'reserves' : 'starts'}`),
    onEnded: ({ heldBy }, because) => told.push(`${heldBy} ${because}`),
    now: Date.now,
    sessionMs,
  });
  return { sessions, told };
}

const refusalOf = (run: () => void): CameraRefusedError => {
  try {
    run();
  } catch (error) {
    if (error instanceof CameraRefusedError) return error;
  }
  throw new Error('it was not refused');
};

test('of equals the first keeps it, the higher takes over, and the lower is told why', () => {
  const { sessions, told } = openSetting();
  sessions.take(ann);
  sessions.take(ann);
  const refusal = refusalOf(() => sessions.take(bob));
  assert.is(refusal.code, 'PTZ_TAKEN');
  assert.match(refusal.message, /^somebody else turns Gate with priority 3000, until 2\d{3}-/);
  sessions.take(chief);
  assert.is(sessions.held?.heldBy, 'user:chief');
  assert.match(refusalOf(() => sessions.take(ann)).message, 'priority 5000');
  // Nor does who lost it stop the movement of who has it now.
  refusalOf(() => sessions.refuseOthers(ann));
  assert.equal(told, ['user:ann starts', 'user:ann TAKEN_OVER', 'user:chief starts']);
});

test('it is free again when nothing was asked for a while, and when it is given back', async () => {
  const { sessions, told } = openSetting(30);
  sessions.take(ann);
  for (let turn = 0; turn < 200 && sessions.held !== null; turn += 1) await wait(10);
  sessions.take(bob);
  sessions.release(ann);
  assert.is(sessions.held?.heldBy, 'user:bob');
  sessions.release(bob);
  assert.equal(told, ['user:ann starts', 'user:ann TIMED_OUT', 'user:bob starts', 'user:bob RELEASED']);
});

test('a reservation lasts its time, whatever is asked meanwhile; the higher takes it all the same', async () => {
  const { sessions, told } = openSetting(1);
  sessions.take(ann);
  sessions.reserve(ann, 60_000);
  sessions.take(ann);
  await wait(20);
  assert.ok(sessions.held!.reserved && sessions.held!.untilMs > Date.now() + 50_000);
  assert.match(refusalOf(() => sessions.reserve(bob, 1_000)).message, /^somebody else has reserved Gate/);
  sessions.reserve(chief, 60_000);
  assert.equal(told, [
    ...['user:ann starts', 'user:ann RELEASED', 'user:ann reserves'],
    ...['user:ann TAKEN_OVER', 'user:chief reserves'],
  ]);
});

test('who names no priority has the medium one', () => {
  const { sessions } = openSetting();
  sessions.take({ askedBy: 'user:ann' });
  refusalOf(() => sessions.take({ askedBy: 'user:dan', priority: PTZ_PRIORITY.medium }));
  sessions.take({ askedBy: 'user:dan', priority: PTZ_PRIORITY.medium + 1 });
});

test.run();
