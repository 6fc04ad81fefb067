import type { LogElsewhere } from '@holdfast/core';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { watchLogAway } from './log-away-watch.js';

const test = suite('watching over a log that may be away');

/** Away since a time, and there as soon as somebody waits for it. */
class LogAway implements LogElsewhere {
  #away: { readonly sinceMs: number; readonly reason: string } | null;
  readonly #stop: AbortController;

  constructor(sinceMs: number, stop: AbortController) {
    this.#away = { sinceMs, reason: 'no answer: refused' };
    this.#stop = stop;
  }

  away() {
    if (this.#away === null) this.#stop.abort();
    return this.#away;
  }

  async whenThere(): Promise<void> {
    this.#away = null;
  }
}

async function alarmsAfter(awayMs: number): Promise<readonly { name: string; message: string }[]> {
  const stop = new AbortController();
  const alarms: { name: string; message: string }[] = [];
  await watchLogAway(
    {
      log: new LogAway(1_000_000, stop),
      raiseAlarm: async alarm => void alarms.push(alarm),
      now: () => 1_000_000 + awayMs,
      logger: pino({ level: 'silent' }),
    },
    stop.signal,
  );
  return alarms;
}

test('raises an alarm that says since when and why, when it is there again', async () => {
  const [alarm, ...others] = await alarmsAfter(90_000);
  assert.equal(others, []);
  assert.is(alarm?.name, 'The log was away');
  assert.match(alarm!.message, /^From 1970-01-01T00:16:40.000Z on, for 90 s, .*: no answer: refused\./);
});

test('says nothing to operators of a server that was restarted', async () => {
  assert.equal(await alarmsAfter(10_000), []);
});

test.run();
