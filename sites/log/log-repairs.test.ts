import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type LogRepairAlarm, LogRepairs } from './log-repairs.js';

const test = suite('attempts to repair a log');
const logger = pino({ level: 'silent' });

/** What is told at once. */
async function told(repairs: LogRepairs, takes = true): Promise<readonly string[]> {
  const alarms: string[] = [];
  const stopped = new AbortController();
  const raiseAlarm = async ({ message }: LogRepairAlarm) => {
    if (!takes) throw new Error('database or disk is full');
    alarms.push(message);
  };
  const telling = repairs.tellFailures({ raiseAlarm, logger }, stopped.signal);
  stopped.abort();
  await telling;
  return alarms;
}

test('come less and less often, down to one an hour, and at once again behind one that succeeded', () => {
  let nowMs = 0;
  const repairs = new LogRepairs(() => nowMs);
  const minutesUntilDue = () => {
    repairs.failed(new Error('no room'));
    const failedMs = nowMs;
    while (!repairs.isDue()) nowMs += 60_000;
    return (nowMs - failedMs) / 60_000;
  };
  assert.ok(repairs.isDue());
  assert.equal(Array.from({ length: 9 }, minutesUntilDue), [1, 2, 4, 8, 16, 32, 60, 60, 60]);
  repairs.succeeded();
  assert.ok(repairs.isDue());
  assert.is(minutesUntilDue(), 1);
});

test('are waited for with one timer, to the moment at which they are due', async () => {
  let [nowMs, looks] = [0, 0];
  const repairs = new LogRepairs(() => {
    looks += 1;
    return nowMs;
  });
  repairs.failed(new Error('no room'));
  nowMs = 60_000 - 20;
  const began = performance.now();
  looks = 0;
  const waiting = repairs.untilDue(new AbortController().signal);
  nowMs = 60_000;
  await waiting;
  assert.is(looks, 3);
  const waitedMs = performance.now() - began;
  assert.ok(waitedMs >= 19 && waitedMs < 900, `${waitedMs} ms`);
});

test('that are due at no time are waited for until the process ends', async () => {
  const repairs = new LogRepairs(() => 0);
  repairs.refused('HISTORY_UNPROVEN: another root');
  const stopped = new AbortController();
  const waiting = repairs.untilDue(stopped.signal);
  stopped.abort();
  await waiting;
});

test('are not made again when what the parent holds was refused', async () => {
  const repairs = new LogRepairs(() => Number.MAX_VALUE);
  repairs.refused('HISTORY_UNPROVEN: another root');
  assert.not(repairs.isDue());
  assert.equal(await told(repairs), ['HISTORY_UNPROVEN: another root']);
});

test('that fail for one cause are one alarm, which waits until the log takes it', async () => {
  const repairs = new LogRepairs(() => 0);
  repairs.failed(new Error('no room'));
  assert.equal(await told(repairs, false), []);
  const [alarm] = await told(repairs);
  assert.match(alarm!, /^NOT_REPAIRED_NOW: no room;/);
  repairs.failed(new Error('no room'));
  assert.equal(await told(repairs), []);
  repairs.failed(new Error('disk I/O error'));
  assert.match((await told(repairs))[0]!, 'disk I/O error');
});

test('is told of what fails later as soon as it does', async () => {
  const repairs = new LogRepairs(() => 0);
  const stopped = new AbortController();
  const raised = Promise.withResolvers<LogRepairAlarm>();
  const raiseAlarm = async (alarm: LogRepairAlarm) => raised.resolve(alarm);
  const telling = repairs.tellFailures({ raiseAlarm, logger }, stopped.signal);
  await new Promise(resolve => setImmediate(resolve));
  repairs.foundDamage('all of it');
  assert.equal(await raised.promise, { name: 'The file of the log was damaged', message: 'all of it' });
  stopped.abort();
  await telling;
});

test.run();
