import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Timers } from '../transport/timers.js';
import { CosigningTurns } from './cosigning-turns.js';

const test = suite('cosigning turns');

class HeldTimers implements Timers {
  task: (() => void) | null = null;

  after(_delayMs: number, task: () => void): () => void {
    this.task = task;
    return () => undefined;
  }

  every(): () => void {
    throw new Error('not asked for');
  }

  run(): void {
    const { task } = this;
    this.task = null;
    task!();
  }
}

test('lets everybody sign at once as long as there are few', () => {
  const timers = new HeldTimers();
  const turns = new CosigningTurns(timers);
  for (let period = 0; period < 3; period += 1) {
    for (let count = 0; count < 20; count += 1) assert.ok(turns.take(() => assert.unreachable()));
    timers.run();
  }
  assert.is(timers.task, null);
});

test('lets many take turns, each once, in the order in which they came', () => {
  const timers = new HeldTimers();
  const turns = new CosigningTurns(timers);
  for (let count = 0; count < 20; count += 1) turns.take(() => assert.unreachable());
  const served: number[] = [];
  const tasks = Array.from({ length: 50 }, (_, index) => () => void served.push(index));
  for (const task of [...tasks, ...tasks]) assert.not.ok(turns.take(task));
  turns.cancel(tasks[3]!);
  timers.run();
  assert.is(served.length, 20);
  timers.run();
  timers.run();
  assert.equal(
    served,
    Array.from({ length: 50 }, (_, index) => index).filter(index => index !== 3),
  );
  assert.is(timers.task, null);
  assert.ok(turns.take(() => assert.unreachable()));
});

test.run();
