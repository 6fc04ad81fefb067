import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { RecordedEvent } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FeedFixture, takeIn as takeInto } from '../intake/feed-fixture.js';
import { type Database, openDatabase, openSharedDatabase } from '../postgres/database.js';
import { type FeedSpan, readFeed, readFeedItems } from './feed-reader.js';

const test = suite('feed reader');
const EVENT_BYTES_MAX = 256 * 1024;
let directory = '';
let database: Database;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-feed-'));
  database = await openDatabase({ directory, databaseUrl: null });
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});
test.before.each(async () => {
  await database.sql`truncate replica_event, replica_cursor`;
  await database.sql`update feed_head set seq = 0`;
});

const takeIn = (events: readonly RecordedEvent[]) => takeInto(database.sql, events);

/** Everything, batch by batch, and how many events each had. */
async function readAll(span: Omit<FeedSpan, 'afterSeq'>) {
  const seqs: number[] = [];
  const sizes: number[] = [];
  for (let afterSeq = 0; ; ) {
    const batch = await readFeed(database.sql, { ...span, afterSeq });
    seqs.push(...batch.items.map(({ seq }) => seq));
    sizes.push(batch.items.length);
    afterSeq = batch.lastSeq;
    if (!batch.isCut) return { seqs, sizes, lastSeq: afterSeq };
  }
}

const everything = { upToSeq: null, types: null, site: null };
const count = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

test('batches end at their number of events, and miss and repeat none', async () => {
  const site = new FeedFixture();
  await takeIn(count(1, 3000).map(number => site.raw('x', number % 3 ? 'SeenTwice' : 'SeenOnce', 1, number)));
  for (const limit of [7, 255, 256, 257, 1280, 1281, 2999, 3000, 3001]) {
    const { seqs, sizes } = await readAll({ ...everything, limit });
    assert.equal(seqs, count(1, 3000), `in batches of ${limit}`);
    assert.ok(sizes.slice(0, -1).every(size => size === limit));
  }
  const some = await readAll({ types: ['SeenOnce'], site: site.site, upToSeq: 2000, limit: 300 });
  assert.equal(
    some.seqs,
    count(1, 666).map(number => number * 3),
  );
  assert.is(some.lastSeq, 2000);
});

test('a batch of large events ends before it fills the memory, also where the feed ends, and none is missed', async () => {
  const site = new FeedFixture();
  const large = { text: 'x'.repeat(EVENT_BYTES_MAX - 100) };
  await takeIn(count(1, 300).map(() => site.raw('x', 'Small', 1, {})));
  await takeIn(count(1, 70).map(() => site.raw('x', 'Large', 1, large)));
  for (const upToSeq of [null, 370]) {
    const { seqs, sizes } = await readAll({ ...everything, upToSeq, limit: 15_000 });
    assert.equal(seqs, count(1, 370));
    assert.equal(sizes, [332, 32, 6]);
  }
});

test('what is beyond the limit of bytes is not sent', async () => {
  const site = new FeedFixture();
  const large = { text: 'x'.repeat(EVENT_BYTES_MAX - 100) };
  await takeIn(count(1, 100).map(() => site.raw('x', 'Large', 1, large)));
  const { items, sentBytes } = await database.sql.begin(async tx => {
    let sentBytes = 0;
    const counted = {
      unsafe: (query: string) => ({
        readable: async () => {
          const stream = await tx.unsafe(query).readable();
          const emit = stream.emit.bind(stream);
          stream.emit = (name: string, ...what: unknown[]) => {
            if (name === 'data') sentBytes += (what[0] as Buffer).length;
            return emit(name, ...what);
          };
          return stream;
        },
      }),
    } as unknown as typeof tx;
    const { items } = await readFeed(counted, { ...everything, afterSeq: 0, limit: 15_000 });
    return { items, sentBytes };
  });
  assert.is(items.length, 32);
  assert.ok(sentBytes < 34 * EVENT_BYTES_MAX, `${sentBytes} bytes were sent`);
});

test('what others ask of a connection over which the feed comes is answered', async () => {
  const site = new FeedFixture();
  await takeIn(count(1, 6000).map(number => site.raw('x', 'Seen', 1, { number, text: 'x'.repeat(500) })));
  const pool = openSharedDatabase(database.target, 1);
  await pool`select 1`;
  let isRead = false;
  const reading = readFeed(pool, { ...everything, afterSeq: 0, limit: 6000 }).finally(() => {
    isRead = true;
  });
  const asked: Promise<unknown>[] = [];
  while (!isRead) {
    asked.push(pool`select 1`.execute());
    await new Promise(resolve => setTimeout(resolve, 1));
  }
  const refused = (await Promise.allSettled(asked)).filter(({ status }) => status === 'rejected');
  await pool.end({ timeout: 5 });
  assert.equal(refused, []);
  assert.is((await reading).items.length, 6000);
});

test('bytes that are no text are read as what can be made of them, and hold up nothing', async () => {
  const site = new FeedFixture();
  const data = Buffer.from([0x7b, 0xff, 0x00, 0x5c, 0x7d]);
  await takeIn([site.raw('x', 'AlarmRaised', 1, {}, { data }), site.raw('Größe', 'Unknown', 1, {})]);
  const { items, progress } = await readFeed(database.sql, { ...everything, afterSeq: 0, limit: 10 });
  assert.equal(
    items.map(item => ('reason' in item ? [item.stream, item.status, item.epoch, item.position] : 'read')),
    [
      ['x', 'POISON', 1, 1],
      ['Größe', 'UNTIL_UPGRADE', 1, 2],
    ],
  );
  assert.equal(
    progress.map(({ siteId, position }) => [siteId, position]),
    [[site.site, 2]],
  );
  const again = await database.sql.begin(tx => readFeedItems(tx, [2, 1, 9]));
  assert.equal(
    again.map(({ seq }) => seq),
    [1, 2],
  );
  assert.equal(await database.sql.begin(tx => readFeedItems(tx, [])), []);
});

test.run();
