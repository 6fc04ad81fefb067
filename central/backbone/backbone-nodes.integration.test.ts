import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  createMemorySiteLog,
  decodeRecordedEvent,
  extendEdge,
  LOG_START,
  type RecordedEvent,
  type SiteLog,
} from '@holdfast/core';
import {
  type Backbone,
  type BackboneFrame,
  createMemoryBackbone,
  describeReplicaIntake,
  type LinkTrouble,
  type MemoryBackbone,
  type ReplicaCursor,
  type ReplicaIntake,
  unpackEvents,
} from '@holdfast/interconnect';
import { EventId, SiteId } from '@holdfast/schema';
import { sha256 } from '@holdfast/sites';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPostgresReplicaIntake, readReplicaCursor } from '../intake/postgres-replica-intake.js';
import { createPostgresReplicaReader } from '../intake/postgres-replica-reader.js';
import { type Database, openDatabase } from '../postgres/database.js';
import { FeedWriter } from './feed-writer.js';
import { createPublishingIntake } from './publishing-intake.js';
import { createSettledReplicas } from './settled-replicas.js';

const test = suite('intake nodes and projector nodes');
let directory = '';
let database: Database;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-backbone-'));
  database = await openDatabase({ directory, databaseUrl: null });
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** A log of a site with so many events. */
async function logOf(count: number): Promise<SiteLog> {
  const log = createMemorySiteLog({ site: SiteId.parse(v7()), now: Date.now, sha256 });
  for (let left = count - log.head().size; left > 0; left -= 100) {
    const events = Array.from({ length: Math.min(100, left) }, (_, index) => ({
      ...{ id: EventId.parse(v7()), type: 'SomethingHappened', version: 1, actor: 'server:test' },
      ...{ occurredAtMs: index, clockQuality: 'NTP' as const, causationId: null, correlationId: null },
      data: Buffer.from(JSON.stringify({ left, index })),
    }));
    await log.append([{ stream: 'things', expected: 'any', events }]);
  }
  return log;
}

/** Sends a log as a session does: from the intake's cursor on, so many events in each commit. */
class Session {
  readonly #intake: ReplicaIntake;
  readonly #log: SiteLog;
  fence = 0;
  cursor: ReplicaCursor = { epoch: 0, position: 0, treeEdge: [] };

  constructor(intake: ReplicaIntake, log: SiteLog) {
    this.#intake = intake;
    this.#log = log;
  }

  async open(): Promise<this> {
    ({ fence: this.fence, cursor: this.cursor } = await this.#intake.openSession(this.#log.head().site));
    return this;
  }

  async send(limit: number): Promise<'COMMITTED' | 'FENCED' | 'STALE_CURSOR'> {
    const { site } = this.#log.head();
    const events = await this.#log.read({ after: this.cursor, limit });
    if (events.length === 0) return 'COMMITTED';
    const position = this.cursor.epoch === 0 ? 0 : this.cursor.position;
    const leafHashes = events.map(event => event.leafHash);
    const after = {
      epoch: events[0]!.epoch,
      position: position + events.length,
      treeEdge: extendEdge(this.cursor.treeEdge, position, leafHashes, sha256),
    };
    const batch = { site, fence: this.fence, before: this.cursor, after, events };
    const outcome = await this.#intake.commit(batch);
    if (outcome === 'COMMITTED') this.cursor = after;
    return outcome;
  }

  async sendAll(limit: number): Promise<void> {
    while (this.cursor.position < this.#log.head().size) {
      assert.is(await this.send(limit), 'COMMITTED');
    }
  }
}

let topics = 0;
function openNodes(
  wrap: (backbone: MemoryBackbone) => Backbone = backbone => backbone,
  limits: { readonly publishMsMax?: number } = {},
) {
  const backbone = createMemoryBackbone();
  const { sql } = database;
  const topic = `topic-${topics++}`;
  const logger = pino({ level: 'silent' });
  const stopping = new AbortController();
  const running: Promise<void>[] = [];
  const unstorable: (readonly [SiteId, LinkTrouble])[] = [];
  return {
    ...{ backbone, unstorable },
    intake: createPublishingIntake({ sql, backbone: wrap(backbone), sha256, ...limits }),
    project: () => {
      const writer = new FeedWriter({
        ...{ sql, topic, sha256, logger },
        onUnstorable: (...of) => void unstorable.push(of),
      });
      running.push(backbone.consume(writer, stopping.signal));
    },
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

async function held(site: SiteId) {
  return database.sql<{ epoch: number; position: number; header: Buffer; data: Buffer }[]>`
    select epoch, position, header, data from replica_event where site = ${site} order by seq`;
}

const bytesOf = ({ header, data }: Pick<RecordedEvent, 'header' | 'data'>) =>
  `${Buffer.from(header).toString('hex')} ${Buffer.from(data).toString('hex')}`;

/** Every event of the log is stored once, in order, byte for byte. */
async function assertHeld(log: SiteLog): Promise<void> {
  const { site, epoch, size } = log.head();
  const deadline = Date.now() + 20_000;
  for (;;) {
    const cursor = await readReplicaCursor(database.sql, site);
    if (cursor?.epoch === epoch && cursor.position === size) break;
    if (Date.now() > deadline)
      assert.unreachable(`${cursor?.position} of ${size} events of ${site} are held`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  const events = await log.read({ after: LOG_START, limit: 5000 });
  assert.equal((await held(site)).map(bytesOf), events.map(bytesOf));
}

describeReplicaIntake(test, {
  sha256,
  open: async () => {
    const nodes = openNodes();
    // What an intake node has stored is what is on the backbone.
    const published = () =>
      nodes.backbone.records.flatMap(({ frame }) =>
        unpackEvents(frame).map(({ header, data }) => decodeRecordedEvent(header, data, sha256)),
      );
    return {
      intake: nodes.intake,
      stored: async site => published().filter(event => event.site === site),
      feed: async () => published(),
    };
  },
});

test('what two projector nodes read from one partition is stored once, in order, byte for byte', async () => {
  await using nodes = openNodes();
  nodes.project();
  nodes.project();
  const logs = await Promise.all([300, 1200, 40].map(logOf));
  await Promise.all(
    logs.map(async log => {
      const session = await new Session(nodes.intake, log).open();
      await session.sendAll(90);
    }),
  );
  for (const log of logs) await assertHeld(log);
});

test('a site is given no history of its own while some that it was told to be safe is not stored yet', async () => {
  await using nodes = openNodes();
  const log = await logOf(120);
  const { site } = log.head();
  await (await new Session(nodes.intake, log).open()).sendAll(50);
  const replicas = createSettledReplicas(database.sql);
  const early = await replicas.read({ site, after: LOG_START, limit: 10 }).catch((error: unknown) => error);
  assert.match(String(early), 'ReplicaNotSettledError: 1/120');
  assert.is((early as { readonly code?: string }).code, 'REPLICA_NOT_SETTLED');
  assert.match(String(await replicas.checkpoint(site).catch((error: unknown) => error)), 'nothing is stored');
  nodes.project();
  await assertHeld(log);
  assert.is((await replicas.read({ site, after: LOG_START, limit: 10 })).length, 10);
});

test('frames that were published though nobody heard of it are stored once', async () => {
  let failures = 3;
  await using nodes = openNodes(backbone => ({
    ...backbone,
    publish: async frames => {
      await backbone.publish(frames);
      if (failures-- > 0) throw new Error('no answer from the broker');
    },
  }));
  nodes.project();
  const log = await logOf(400);
  while (failures > 0) {
    const session = await new Session(nodes.intake, log).open();
    await session.send(100).catch(() => undefined);
  }
  await (await new Session(nodes.intake, log).open()).sendAll(130);
  await assertHeld(log);
  assert.ok(nodes.backbone.records.length > 4);
});

test('a backbone that is silent ends sessions by name, takes no connection, and may still have the frames later', async () => {
  const unanswered: (readonly BackboneFrame[])[] = [];
  let isSilent = true;
  const wrap = (backbone: MemoryBackbone): Backbone => ({
    ...backbone,
    publish: frames => {
      if (!isSilent) return backbone.publish(frames);
      unanswered.push(frames);
      return new Promise((_, reject) => void setTimeout(reject, 15_000, new Error('given up')).unref());
    },
  });
  await using nodes = openNodes(wrap, { publishMsMax: 1_000 });
  const { sql } = database;
  // More than the pool has connections.
  const logs = await Promise.all(Array.from({ length: 40 }, () => logOf(20)));
  const sessions = await Promise.all(logs.map(log => new Session(nodes.intake, log).open()));
  const sent = Promise.allSettled(sessions.map(session => session.send(20)));
  const deadline = Date.now() + 10_000;
  while (unanswered.length < logs.length) {
    assert.ok(Date.now() < deadline, `${unanswered.length} of ${logs.length} sessions publish`);
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  await sql`select 1`;
  for (const outcome of await sent) {
    assert.is(outcome.status === 'rejected' && outcome.reason.code, 'BACKBONE_SILENT');
  }
  isSilent = false;
  const again = await Promise.all(logs.map(log => new Session(nodes.intake, log).open()));
  assert.ok(again.every(({ cursor }) => cursor.position === 0));
  // Of each other site before the frames of its new session, of the rest behind them.
  for (const frames of unanswered.slice(0, 20)) await nodes.backbone.publish(frames);
  await Promise.all(again.map(session => session.sendAll(7)));
  for (const frames of unanswered.slice(20)) await nodes.backbone.publish(frames);
  nodes.project();
  for (const log of logs) await assertHeld(log);
  assert.is(await again[0]!.send(1), 'COMMITTED', 'nothing was rewound');
});

test('a session that begins while an older one publishes on the same node goes on behind it', async () => {
  const answers: (() => void)[] = [];
  await using nodes = openNodes(backbone => ({
    ...backbone,
    publish: async frames => {
      await new Promise<void>(resolve => void answers.push(resolve));
      await backbone.publish(frames);
    },
  }));
  const log = await logOf(50);
  const older = await new Session(nodes.intake, log).open();
  const sent = older.send(50);
  while (answers.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
  const opened = new Session(nodes.intake, log).open();
  answers[0]!();
  assert.is(await sent, 'COMMITTED');
  assert.is((await opened).cursor.position, 50);
});

test('that the end of a log is signed is kept without a new event, where its events are stored', async () => {
  await using nodes = openNodes();
  const log = await logOf(30);
  const { site, epoch, size } = log.head();
  const session = await new Session(nodes.intake, log).open();
  await session.sendAll(30);
  const checkpoint = { head: log.head(), note: `checkpoint of ${epoch}/${size}\n` };
  const sign = ({ fence, cursor }: Session) =>
    nodes.intake.commit({ site, fence, before: cursor, after: cursor, events: [], checkpoint });
  const kept = async () => (await createPostgresReplicaReader(database.sql).checkpoint(site))?.note;
  assert.is(await sign(session), 'COMMITTED');
  assert.is(await kept(), undefined, 'nothing is stored yet that it could be of');
  nodes.project();
  await assertHeld(log);
  const next = await new Session(nodes.intake, log).open();
  assert.is(await sign(session), 'FENCED');
  assert.is(await kept(), undefined);
  assert.is(await sign(next), 'COMMITTED');
  assert.is(await kept(), checkpoint.note);
});

test('what a backbone lost is asked for again from the site, once, and the session beyond it is fenced', async () => {
  await using nodes = openNodes();
  const log = await logOf(1000);
  const before = await new Session(nodes.intake, log).open();
  for (let commits = 0; commits < 6; commits += 1) await before.send(100);
  // Retention is faster than the projector nodes: the first two hundred events are gone.
  nodes.backbone.forgetBefore(2);
  nodes.project();
  const deadline = Date.now() + 10_000;
  while ((await before.send(1)) !== 'FENCED') assert.ok(Date.now() < deadline, 'the session goes on');
  const again = await new Session(nodes.intake, log).open();
  assert.is(again.cursor.position, 0);
  await again.sendAll(100);
  await assertHeld(log);
  assert.is(again.fence, before.fence + 2, 'one rewind, though every frame behind the gap was a misfit');
});

test('damaged frames are not stored and are asked for again', async () => {
  let isDamaging = true;
  const damaged = (frame: BackboneFrame): BackboneFrame => ({
    ...frame,
    frame: { ...frame.frame, root: new Uint8Array(32).fill(9) },
  });
  await using nodes = openNodes(backbone => ({
    ...backbone,
    publish: frames => backbone.publish(isDamaging ? frames.map(damaged) : frames),
  }));
  const log = await logOf(200);
  const before = await new Session(nodes.intake, log).open();
  assert.is(await before.send(100), 'COMMITTED');
  nodes.project();
  isDamaging = false;
  const deadline = Date.now() + 10_000;
  while ((await before.send(1)) !== 'FENCED') assert.ok(Date.now() < deadline, 'the session goes on');
  await (await new Session(nodes.intake, log).open()).sendAll(100);
  await assertHeld(log);
});

test('a central that gets a backbone goes on where it stood, and one that gives it up does too', async () => {
  await using nodes = openNodes();
  const log = await logOf(300);
  const direct = createPostgresReplicaIntake(database.sql);
  await (await new Session(direct, log).open()).send(100);
  const published = await new Session(nodes.intake, log).open();
  assert.is(published.cursor.position, 100);
  await published.send(100);
  // Nothing projects: what is only on the backbone is taken in again, straight from the site.
  const back = await new Session(direct, log).open();
  assert.is(back.cursor.position, 100);
  await back.sendAll(100);
  await assertHeld(log);
  nodes.project();
  await (await new Session(nodes.intake, log).open()).sendAll(100);
  await assertHeld(log);
});

test('a value that the database refuses holds up its own site alone, whose frames before it are stored', async () => {
  await using nodes = openNodes();
  const { sql } = database;
  const [bad, good] = [await logOf(60), await logOf(60)];
  const { site } = bad.head();
  await sql.unsafe(
    `alter table replica_cursor add constraint refused check (site <> '${site}' or position < 60) not valid`,
  );
  const session = await new Session(nodes.intake, bad).open();
  for (let commits = 0; commits < 3; commits += 1) await session.send(20);
  await (await new Session(nodes.intake, good).open()).sendAll(20);
  // All of it is one delivery.
  nodes.project();
  await assertHeld(good);
  assert.is((await held(site)).length, 40);
  assert.is((await readReplicaCursor(sql, site))?.position, 40);
  assert.equal(
    nodes.unstorable.map(([of, { code, detail }]) => [of, code, detail.slice(0, 27)]),
    [[site, 'UNSTORABLE', '1/41..60 cannot be stored: ']],
  );
  await sql`alter table replica_cursor drop constraint refused`;
  const again = await new Session(nodes.intake, bad).open();
  assert.is(again.cursor.position, 40, 'asked for again');
  await again.sendAll(20);
  await assertHeld(bad);
});

test.run();
