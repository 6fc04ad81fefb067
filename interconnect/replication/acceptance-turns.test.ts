import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Timers } from '../transport/timers.js';
import { AcceptanceTurns } from './acceptance-turns.js';
import { FRAME_RAW_BYTES_TARGET } from './event-frame.js';

const test = suite('acceptance turns');

/** Timers that fire when they are told to. */
class HeldTimers implements Timers {
  readonly #tasks: (() => void)[] = [];

  after(_delayMs: number, task: () => void): () => void {
    this.#tasks.push(task);
    return () => undefined;
  }

  every(): () => void {
    throw new Error('no intervals are needed');
  }

  fire(): void {
    for (const task of this.#tasks.splice(0)) task();
  }
}

const settled = () => new Promise(resolve => setImmediate(resolve));

test('lets the first few through at once and the others in the order in which they came, so many each turn', async () => {
  const timers = new HeldTimers();
  const turns = new AcceptanceTurns(timers);
  const served: number[] = [];
  for (let caller = 0; caller < 40; caller += 1) void turns.take(0).then(() => served.push(caller));
  await settled();
  assert.is(served.length, 16);
  timers.fire();
  await settled();
  assert.is(served.length, 32);
  timers.fire();
  await settled();
  assert.equal(
    served,
    Array.from({ length: 40 }, (_, caller) => caller),
  );
});

test('lets one through at a time that brings a whole frame', async () => {
  const timers = new HeldTimers();
  const turns = new AcceptanceTurns(timers);
  let served = 0;
  for (let caller = 0; caller < 3; caller += 1)
    void turns.take(FRAME_RAW_BYTES_TARGET).then(() => {
      served += 1;
    });
  for (const expected of [1, 2, 3]) {
    await settled();
    assert.is(served, expected);
    timers.fire();
  }
});

test('is as open as before once everyone was served', async () => {
  const timers = new HeldTimers();
  const turns = new AcceptanceTurns(timers);
  await Promise.all(Array.from({ length: 16 }, () => turns.take(0)));
  timers.fire();
  await Promise.all(Array.from({ length: 16 }, () => turns.take(0)));
});

test.run();
