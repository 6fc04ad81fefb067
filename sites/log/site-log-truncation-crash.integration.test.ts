import { setTimeout as delay } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ChangedLogs, newEvent } from './changed-logs.fixture.js';
import { openForReading } from './site-log-reader.js';

const test = suite('a site log that is killed while it is truncated');
const EVENTS = 6000;
const SIZE = EVENTS + 1;
const KEPT = 500;

test('is proved at every length that it was cut off at, and has all of it done when it was opened again', async () => {
  using logs = new ChangedLogs();
  const long = logs.file('long');
  await logs.append(long, EVENTS);
  await logs.changeAndKill(
    long,
    { lost: null, truncateTo: SIZE - KEPT },
    {
      whole: async () => {},
      killed: async file => {
        const { head, eventCount } = await logs.proved(file);
        // Killed before the event that says so, it was never begun.
        const isBegun = head?.size === SIZE + 1;
        assert.ok(isBegun || (head?.size === SIZE && eventCount === SIZE));
        await using log = await logs.open(file);
        while (isBegun && keptCount(file) > KEPT + 1) await delay(10);
        // Besides the first event of the log.
        const carried = isBegun ? (SIZE - KEPT - 1) / 10 + 1 : 0;
        const proved = await logs.proved(file);
        assert.equal([proved.carriedCount, proved.eventCount], [carried, isBegun ? KEPT + 1 : SIZE]);
        assert.ok((await log.append([{ stream: 'after', expected: 'none', events: [newEvent()] }])).appended);
      },
    },
  );
});

/** How many events are in the file, without a proof of any. */
function keptCount(file: string): number {
  const db = openForReading(file);
  try {
    return Number(db.prepare('SELECT count(*) AS count FROM event').get()!.count);
  } finally {
    db.close();
  }
}

test.run();
