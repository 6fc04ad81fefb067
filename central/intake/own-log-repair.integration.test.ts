import { randomBytes, randomUUID } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { LOG_START, newEvent, type PulledHistory, type RecordedEvent } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import {
  type DurableSiteLog,
  LogRepairs,
  openLogOf,
  runOverResets,
  SiteLogFileError,
  siteLogFileOf,
} from '@holdfast/sites';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Database, openDatabase } from '../postgres/database.js';
import { Projections } from '../read-models/projections.js';
import { readModels } from '../read-models/read-models.js';
import { Wakeup } from '../read-models/wakeup.js';
import { OwnLogBehindReplicaError, OwnLogTruncatedError } from './own-log-intake.js';
import { repairOwnLog, repairOwnLogIfPossible } from './own-log-repair.js';
import { takeInOwnLog } from './own-log-taken-in.fixture.js';
import { OwnLogTrouble } from './own-log-trouble.js';
import { createPostgresReplicaReader } from './postgres-replica-reader.js';

const test = suite("a central's own log and what its database holds of it");
const logger = pino({ level: 'silent' });
let directory = '';
let database: Database;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-own-repair-'));
  database = await openDatabase({ directory: path.join(directory, 'postgres'), databaseUrl: null });
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** The data directory of a central, without the central. */
class Central {
  readonly site = randomUUID() as SiteId;
  readonly dataDirectory = path.join(directory, this.site);
  readonly configuration = { site: { id: this.site, name: 'North' } };
  readonly #logDirectory = path.join(this.dataDirectory, 'log');
  readonly #copy = path.join(this.dataDirectory, 'old-copy');

  async work<Result>(task: (log: DurableSiteLog) => Promise<Result>): Promise<Result> {
    await using log = await openLogOf({ ...this, logger });
    return await task(log);
  }

  /** Appends facts and takes them in, as a central does that runs. */
  record(...names: readonly string[]): Promise<void> {
    return this.work(async log => {
      await append(log, names);
      await takeInOwnLog(log, database.sql);
    });
  }

  keepCopy(): Promise<void> {
    return cp(this.#logDirectory, this.#copy, { recursive: true });
  }

  async restoreCopy(): Promise<void> {
    await rm(this.#logDirectory, { recursive: true });
    await cp(this.#copy, this.#logDirectory, { recursive: true });
  }

  /** As from a parent. */
  pullBack(history: Omit<PulledHistory, 'reason'>): Promise<void> {
    return this.work(async log => {
      const outcome = await log.reopenAs({ ...history, reason: 'a test' });
      assert.ok(outcome.reopened);
      await outcome.log[Symbol.asyncDispose]();
    });
  }

  repair(): Promise<void> {
    return repairOwnLog({ ...this, sql: database.sql, logger });
  }

  events(): Promise<readonly RecordedEvent[]> {
    return this.work(log => log.read({ after: LOG_START, limit: 5000 }));
  }

  signedAtDatabase() {
    return createPostgresReplicaReader(database.sql).checkpoint(this.site);
  }

  async held(): Promise<readonly { readonly seq: number; readonly leafHash: Buffer }[]> {
    return database.sql`
      select seq, leaf_hash from replica_event where site = ${this.site} order by epoch, position`;
  }
}

async function append(log: DurableSiteLog, names: readonly string[]): Promise<void> {
  for (const name of names) {
    const fact = { type: 'SiteRenamed', data: { name } } as const;
    const event = newEvent(fact, {
      ...{ id: randomUUID() as EventId, actor: 'user:admin', occurredAtMs: Date.now() },
      clockQuality: 'NTP',
    });
    assert.ok((await log.append([{ stream: 'site', expected: 'any', events: [event] }])).appended);
  }
}

const hex = (events: readonly { readonly leafHash: Uint8Array }[]) =>
  events.map(({ leafHash }) => Buffer.from(leafHash).toString('hex'));
const namesIn = (events: readonly RecordedEvent[]) =>
  events
    .filter(({ type }) => type === 'SiteRenamed')
    .map(({ epoch, data }) => `${epoch} ${JSON.parse(Buffer.from(data).toString()).name}`);

async function assertDenseFeed(): Promise<void> {
  const [feed] = await database.sql`
    select count(*) as count, coalesce(max(seq), 0) as last, (select seq from feed_head) as head from replica_event`;
  assert.equal([feed!.count, feed!.last], [feed!.head, feed!.head]);
}

test('a log that was restored from an old copy takes its history back out of the own database', async () => {
  const central = new Central();
  await central.record('one', 'two');
  await central.keepCopy();
  await central.record('three', 'four');
  const before = await central.events();
  await central.repair();
  assert.equal(hex(await central.events()), hex(before), 'nothing is wrong: nothing is done');
  await central.restoreCopy();
  await central.repair();
  const events = await central.events();
  assert.equal(hex(events.slice(0, before.length)), hex(before), 'byte for byte');
  assert.equal(
    events.slice(before.length).map(({ epoch, type }) => `${epoch} ${type}`),
    ['2 LogEpochOpened', '2 LogHistoryRecovered'],
  );
  await central.record('five');
  assert.equal(hex(await central.held()), hex(await central.events()));
  await assertDenseFeed();
});

test('a log whose file is gone altogether comes back whole', async () => {
  const central = new Central();
  await central.work(async () => undefined);
  await central.keepCopy();
  await central.record('one', 'two', 'three');
  await central.repair();
  await rm(path.join(central.dataDirectory, 'log'), { recursive: true });
  await central.repair();
  await central.record('four');
  assert.equal(namesIn(await central.events()), ['1 one', '1 two', '1 three', '2 four']);
  assert.equal(hex(await central.held()), hex(await central.events()));
});

test('a log whose file was damaged is salvaged, and takes what could not be read back out of the own database', async () => {
  const central = new Central();
  await central.record('one', 'two', 'three');
  const before = await central.events();
  // What the database does not have.
  await central.work(log => append(log, ['late']));
  const file = siteLogFileOf(central.dataDirectory);
  const bytes = await readFile(file);
  bytes[bytes.indexOf('"two"') + 1]! ^= 1;
  await writeFile(file, bytes);
  let lives = 0;
  const live = async () => {
    lives += 1;
    await central.repair();
  };
  await runOverResets({ ...central, logger }, live, new AbortController().signal);
  assert.is(lives, 2);
  const events = await central.events();
  assert.equal(hex(events.slice(0, before.length)), hex(before), 'byte for byte');
  assert.equal(namesIn(events), ['1 one', '1 two', '1 three', '2 late']);
  await central.record('four');
  assert.equal(hex(await central.held()), hex(await central.events()));
  await assertDenseFeed();
});

test('what the database took in before the parent gave the history back is replaced by what became of it', async () => {
  const central = new Central();
  await central.record('one');
  await central.keepCopy();
  await central.record('two', 'three');
  // The whole machine is restored: log and database. What the parent holds is what they were.
  const parents = await central.events();
  const checkpoint = await central.work(log => log.signedCheckpoint());
  const common = { epoch: 1, position: parents.length - 2 };
  await database.sql.begin(async tx => {
    await tx`delete from replica_event where site = ${central.site} and position > ${common.position}`;
    await tx`update feed_head set seq = seq - 2`;
    await tx`update replica_cursor set position = ${common.position} where site = ${central.site}`;
    await tx`delete from replica_checkpoint where site = ${central.site}`;
  });
  await central.restoreCopy();
  await central.record('alone 1', 'alone 2', 'alone 3', 'alone 4');
  const before = await central.held();
  const projections = projectionsOf(central.site);
  await projections.settle();
  await projections.projector.catchUp();
  await central.pullBack({ common, checkpoint, events: [parents.slice(common.position)] });
  await central.repair();
  const replaced = await central.held();
  const seqsBefore = before.map(({ seq }) => seq);
  assert.equal(hex(replaced), hex(await central.events()), 'all of it, before anything works on it');
  assert.equal(
    replaced.slice(0, seqsBefore.length).map(({ seq }) => seq),
    seqsBefore,
  );
  await assertDenseFeed();
  assert.equal(await central.signedAtDatabase(), await central.work(log => log.signedCheckpoint()));
  await central.repair();
  await central.record('five');
  const events = await central.events();
  assert.equal(hex(await central.held()), hex(events));
  assert.equal(namesIn(events), [
    '1 one',
    '1 two',
    '1 three',
    '2 alone 1',
    '2 alone 2',
    '2 alone 3',
    '2 alone 4',
    '2 five',
  ]);
  await assertDenseFeed();
  const builds = await database.sql`select unnest(projections) as projection, seq from projection_build`;
  assert.equal(builds.map(({ projection }) => projection).sort(), readModels.map(({ name }) => name).sort());
  assert.ok(
    builds.every(({ seq }) => seq === 0),
    'all are built anew',
  );
});

test('what the database had of the lost history comes from it, then what the parent had from there', async () => {
  const central = new Central();
  await central.record('one');
  await central.keepCopy();
  await central.record('two');
  // The parent has heard it all; the database was behind when the central ended.
  const held = await central.held();
  const [parents, checkpoint] = await central.work(async log => {
    await append(log, ['three', 'four']);
    return [await log.read({ after: LOG_START, limit: 5000 }), await log.signedCheckpoint()] as const;
  });
  await central.restoreCopy();
  await central.repair();
  await central.record('alone');
  const common = { epoch: 1, position: held.length };
  await central.pullBack({ common, checkpoint, events: [parents.slice(common.position)] });
  await central.repair();
  await central.record('five');
  const events = await central.events();
  assert.equal(hex(await central.held()), hex(events));
  assert.equal(namesIn(events), ['1 one', '1 two', '1 three', '1 four', '2 alone', '2 five']);
  assert.equal(
    events.filter(({ epoch }) => epoch === 2).map(({ type }) => type),
    ['LogEpochOpened', 'LogHistoryRecovered', 'SiteRenamed', 'LogHistoryRecovered', 'SiteRenamed'],
  );
  await assertDenseFeed();
});

test('what the site has not signed is not taken back, and is named', async () => {
  const central = new Central();
  await central.record('one');
  await central.keepCopy();
  await central.record('two', 'three');
  await database.sql`delete from replica_checkpoint where site = ${central.site}`;
  await central.restoreCopy();
  const before = await central.events();
  const refused = await central.repair().catch((error: unknown) => error);
  assert.instance(refused, OwnLogBehindReplicaError);
  assert.equal(hex(await central.events()), hex(before));
});

test('a damaged file of the log is for who salvages it, not one more reason to wait', async () => {
  const central = new Central();
  await central.record('one');
  await writeFile(siteLogFileOf(central.dataDirectory), randomBytes(50_000));
  const repairs = new LogRepairs(() => 0);
  const failure = await repairOwnLogIfPossible({ ...central, sql: database.sql, logger }, repairs).catch(
    (error: unknown) => error,
  );
  assert.instance(failure, SiteLogFileError);
  assert.ok(repairs.isDue());
});

test('a database from before the cut of the log is named, with what to restore, until one is there that reaches it', async () => {
  const central = new Central();
  const { sql } = database;
  await central.record('one');
  const dumped = (await central.held()).length;
  await central.record('two', 'three');
  const newer = (await central.held()).length;
  await sql`create table newer as select * from replica_event where site = ${central.site}`;
  const restore = (position: number) =>
    sql.begin(async tx => {
      await tx`delete from replica_event where site = ${central.site}`;
      await tx`insert into replica_event select * from newer where position <= ${position}`;
      await tx`update feed_head set seq = (select max(seq) from replica_event)`;
      await tx`update replica_cursor set position = ${position} where site = ${central.site}`;
      await tx`delete from replica_checkpoint where site = ${central.site} and size > ${position}`;
    });
  const keptAfter = { epoch: 1, position: newer - 1 };
  const plan = { keptAfter, acknowledgedBy: 'PARENT', recordedBeforeMs: Date.now() } as const;
  await central.work(log => log.truncate!(plan, new AbortController().signal));
  const takenIn = () => central.work(log => takeInOwnLog(log, sql)).catch((error: unknown) => error);

  await restore(dumped);
  await central.repair();
  const alarms: string[] = [];
  const retried: unknown[] = [];
  const trouble = new OwnLogTrouble({
    ...{ unrepaired: null, raiseAlarm: ({ message }) => void alarms.push(message), logger },
    onRetry: error => void retried.push(error),
  });
  for (let times = 0; times < 2; times++) trouble.met(await takenIn());
  assert.equal([alarms, retried], [[trouble.because], []], 'once, and nobody blames the database');
  const lacking = `holds this site's log up to 1/${dumped}, the log itself has removed what is up to 1/${newer - 1}.`;
  assert.ok(trouble.because?.startsWith(`OWN_LOG_TRUNCATED: the database ${lacking}`), trouble.because!);

  // One that ends exactly at the cut has it all.
  await restore(newer - 1);
  await central.repair();
  await central.record('four');
  const held = await central.held();
  assert.equal(
    hex(held.slice(newer - 1)),
    hex(await central.work(log => log.read({ after: keptAfter, limit: 100 }))),
  );
  await assertDenseFeed();

  // A new one.
  await sql`delete from replica_event where site = ${central.site}`;
  await sql`update feed_head set seq = (select max(seq) from replica_event)`;
  await sql`delete from replica_cursor where site = ${central.site}`;
  await central.repair();
  assert.instance(await takenIn(), OwnLogTruncatedError);
});

function projectionsOf(ownSite: SiteId): Projections {
  const fails = (error: unknown) => {
    throw error;
  };
  return new Projections({
    ...{ sql: database.sql, ownSite, models: readModels, feedGrown: new Wakeup() },
    ...{ now: Date.now, random: Math.random },
    reports: {
      ...{ onHalted: fails, onGivenUp: fails, onRetry: fails, onDifference: fails, onQuarantined: fails },
      onReleased: () => undefined,
    },
  });
}

test.run();
