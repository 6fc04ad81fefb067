import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { RecordedEvent, Sha256 } from '@holdfast/core';
import { describeReplicaIntake, type ReplicaCursor } from '@holdfast/interconnect';
import type { EventId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Database, openDatabase } from '../postgres/database.js';
import { FeedFixture } from './feed-fixture.js';
import { createPostgresReplicaIntake } from './postgres-replica-intake.js';
import { createPostgresReplicaReader, storeCheckpoints } from './postgres-replica-reader.js';
import { createReplicaMender } from './replica-mender.js';

const test = suite('Postgres replica intake');
let directory = '';
let database: Database;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-intake-'));
  database = await openDatabase({ directory, databaseUrl: null });
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const opened = (site: FeedFixture) =>
  site.event('site', {
    type: 'SiteEstablished',
    data: { siteId: site.site, name: 'North', sealingPublicKey: 'AAAA' },
  });
const after = (events: readonly RecordedEvent[], treeEdge: readonly Uint8Array[] = []): ReplicaCursor => ({
  epoch: events.at(-1)!.epoch,
  position: events.at(-1)!.position,
  treeEdge,
});

test('stores every byte and continues where the last session ended', async () => {
  const intake = createPostgresReplicaIntake(database.sql);
  const site = new FeedFixture();
  const events = [
    opened(site),
    site.raw('odd\\"{},', 'Odd\\Type', 3, { text: 'ü"\\{}, \u0000' }, { actor: 'a"b\\c' }),
  ];
  const { fence, cursor } = await intake.openSession(site.site);
  assert.equal(cursor, { epoch: 0, position: 0, treeEdge: [] });
  const treeEdge = [new Uint8Array(32).fill(7), new Uint8Array(32).fill(9)];
  const moved = after(events, treeEdge);
  assert.is(
    await intake.commit({ site: site.site, fence, before: cursor, after: moved, events }),
    'COMMITTED',
  );

  const rows =
    await database.sql`select stream, type, actor, header, data, leaf_hash, recorded_at::text as clock from replica_event where site = ${site.site} order by seq`;
  assert.is(rows.length, 2);
  for (const [index, event] of events.entries()) {
    const row = rows[index]!;
    assert.ok(Buffer.from(event.data).equals(row.data));
    assert.ok(Buffer.from(event.header).equals(row.header));
    assert.ok(Buffer.from(event.leafHash).equals(row.leafHash));
    assert.equal(
      [row.stream, row.type, row.actor, row.clock],
      [event.stream, event.type, event.actor, event.recordedAt.toString()],
    );
  }
  assert.equal((await intake.openSession(site.site)).cursor, moved);
});

const sha256: Sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

describeReplicaIntake(test, {
  sha256,
  open: async () => {
    const { sql } = database;
    const [head] = await sql<{ seq: number }[]>`select seq from feed_head`;
    return {
      intake: createPostgresReplicaIntake(sql),
      reader: createPostgresReplicaReader(sql),
      mender: createReplicaMender({ sql, ownSite: new FeedFixture().site }),
      stored: site => sql`
        select epoch, position, header, data, leaf_hash from replica_event where site = ${site} order by epoch, position`,
      feed: () => sql`select site, position from replica_event where seq > ${head!.seq} order by seq`,
    };
  },
});

test('feed positions are dense and in the order of commits while many sites write at once', async () => {
  const intake = createPostgresReplicaIntake(database.sql);
  const [start] = await database.sql`select seq from feed_head`;
  const sites = Array.from({ length: 8 }, () => new FeedFixture());
  let seen = start!.seq as number;
  const reader = (async () => {
    const target = seen + 8 * 5 * 20;
    while (seen < target) {
      const rows = await database.sql`select seq from replica_event where seq > ${seen} order by seq`;
      for (const row of rows) assert.is(row.seq, ++seen);
    }
  })();
  await Promise.all(
    sites.map(async site => {
      let { fence, cursor } = await intake.openSession(site.site);
      for (let round = 0; round < 5; round++) {
        const events = Array.from({ length: 20 }, () => opened(site));
        const next = after(events);
        const outcome = await intake.commit({ site: site.site, fence, before: cursor, after: next, events });
        assert.is(outcome, 'COMMITTED');
        cursor = next;
      }
    }),
  );
  await reader;
});

test('what the database refuses of one site keeps none of the others from being stored, and is said', async () => {
  const { sql } = database;
  const intake = createPostgresReplicaIntake(sql);
  const sites = Array.from({ length: 3 }, () => new FeedFixture());
  const sessions = await Promise.all(sites.map(site => intake.openSession(site.site)));
  const [first, ...rest] = sites;
  const events = [opened(first!)];
  const { fence, cursor } = sessions[0]!;
  const batch = { site: first!.site, fence, before: cursor, after: after(events), events };
  assert.is(await intake.commit(batch), 'COMMITTED');
  // As no software of ours does: the cursor says that its event is not there.
  await sql`update replica_cursor set epoch = 0, position = 0 where site = ${first!.site}`;
  const outcomes = await Promise.allSettled([
    intake.commit(batch),
    ...rest.map((site, index) => {
      const own = [opened(site)];
      const session = sessions[index + 1]!;
      return intake.commit({
        ...{ site: site.site, fence: session.fence, before: session.cursor, after: after(own), events: own },
      });
    }),
  ]);
  assert.equal(
    outcomes.map(({ status }) => status),
    ['rejected', 'fulfilled', 'fulfilled'],
  );
  const rows = await sql`select site from replica_event where site in ${sql(sites.map(({ site }) => site))}`;
  assert.is(rows.length, 3);
});

test('what cannot be encoded in the middle of a large commit leaves nothing behind, and the next one is stored whole', async () => {
  const intake = createPostgresReplicaIntake(database.sql);
  const site = new FeedFixture();
  const { fence, cursor } = await intake.openSession(site.site);
  const events = Array.from({ length: 600 }, (_, index) => site.raw(`s-${index}`, 'Sighted', 1, { index }));
  const damaged = events.with(400, { ...events[400]!, causationId: 'none' as EventId });
  const batch = { site: site.site, fence, before: cursor, after: after(events) };
  const failure = await intake.commit({ ...batch, events: damaged }).catch((error: unknown) => error);
  assert.match((failure as Error).message, 'no UUID');
  assert.is(await intake.commit({ ...batch, events }), 'COMMITTED');
  const rows = await database.sql<{ seq: number; position: number }[]>`
    select seq, position from replica_event where site = ${site.site} order by seq`;
  assert.equal(
    rows.map(({ seq, position }) => [seq - rows[0]!.seq, position]),
    events.map((_, index) => [index, index + 1]),
  );
});

test('a fenced session and one that is out of step learn so beside one that is stored', async () => {
  const intake = createPostgresReplicaIntake(database.sql);
  const sites = Array.from({ length: 3 }, () => new FeedFixture());
  const sessions = await Promise.all(sites.map(site => intake.openSession(site.site)));
  await intake.openSession(sites[0]!.site);
  const outcomes = await Promise.all(
    sites.map((site, index) => {
      const { fence } = sessions[index]!;
      const position = index === 1 ? 5 : 0;
      site.epoch = 1;
      site.position = position;
      const events = [opened(site)];
      const before = { epoch: position === 0 ? 0 : 1, position, treeEdge: [] };
      return intake.commit({ site: site.site, fence, before, after: after(events), events });
    }),
  );
  assert.equal(outcomes, ['FENCED', 'STALE_CURSOR', 'COMMITTED']);
});

test('a checkpoint that comes again stays as old as it is, so that a log that has fallen silent is seen to be', async () => {
  const { sql } = database;
  const { site } = new FeedFixture();
  const at = (size: number, note: string) => ({
    head: { site, epoch: 1, size, root: new Uint8Array(32).fill(size) },
    note,
  });
  const acceptedAt = async (size: number, note: string) => {
    await sql.begin(tx => storeCheckpoints(tx, [at(size, note)]));
    const [row] = await sql<{ note: string; at: string }[]>`
      select note, accepted_at::text as at from replica_checkpoint where site = ${site}`;
    return row!;
  };
  const first = await acceptedAt(3, 'signed');
  assert.equal(await acceptedAt(3, 'signed'), first);
  assert.equal(await acceptedAt(2, 'older'), first);
  const signedAgain = await acceptedAt(3, 'signed by another key');
  assert.is(signedAgain.note, 'signed by another key');
  assert.is(signedAgain.at, first.at);
  assert.is.not((await acceptedAt(4, 'signed')).at, signedAgain.at);
});

test.run();
