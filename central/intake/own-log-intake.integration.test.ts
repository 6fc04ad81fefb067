import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createMemorySiteLog, endOf, type SiteLog, signCheckpoint } from '@holdfast/core';
import type { ReplicaCursor, ReplicaIntake } from '@holdfast/interconnect';
import type { EventId, SiteId } from '@holdfast/schema';
import { noteSigner, sha256 } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Database, openDatabase } from '../postgres/database.js';
import { OwnLogBehindReplicaError, runOwnLogIntake } from './own-log-intake.js';
import { createPostgresReplicaIntake, readReplicaCursor } from './postgres-replica-intake.js';
import { createPostgresReplicaReader } from './postgres-replica-reader.js';

const test = suite('own log intake');
let directory = '';
let database: Database;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-own-log-'));
  database = await openDatabase({ directory, databaseUrl: null });
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const signer = noteSigner(generateKeyPairSync('ed25519').privateKey);
const checkpointOf = (log: SiteLog) => async () => {
  const head = log.head();
  return { head, note: signCheckpoint(head, signer, sha256) };
};
const newLog = (site = randomUUID() as SiteId) => createMemorySiteLog({ site, now: Date.now, sha256 });

async function signIn(log: SiteLog, userName: string): Promise<void> {
  const outcome = await log.append([
    {
      stream: 'sign-ins',
      expected: 'any',
      events: [
        {
          ...{ id: randomUUID() as EventId, type: 'UserSignedIn', version: 1, actor: `user:${userName}` },
          data: Buffer.from(JSON.stringify({ userName, address: '127.0.0.1' })),
          ...{ occurredAtMs: Date.now(), clockQuality: 'UNKNOWN', causationId: null, correlationId: null },
        },
      ],
    },
  ]);
  assert.ok(outcome.appended);
}

/** Runs the intake until the replica has everything that is in the log now. */
async function catchUp(log: SiteLog, intake: ReplicaIntake, onRetry = (_error: unknown) => undefined) {
  const stopped = new AbortController();
  const running = runOwnLogIntake({
    ...{ log, intake, signal: stopped.signal, onRetry, random: () => 0 },
    checkpoint: checkpointOf(log),
  });
  const { site, epoch, size } = log.head();
  const isAt = (cursor: ReplicaCursor | null) => cursor?.epoch === epoch && cursor.position === size;
  try {
    while (!isAt(await readReplicaCursor(database.sql, site))) {
      await Promise.race([running, new Promise(resolve => setTimeout(resolve, 5))]);
    }
  } finally {
    stopped.abort();
    await running;
  }
}

test('takes in what is in the log, then goes on where it stopped', async () => {
  const log = newLog();
  const intake = createPostgresReplicaIntake(database.sql);
  for (let n = 0; n < 700; n++) await signIn(log, `first-${n}`);
  await catchUp(log, intake);
  await signIn(log, 'second');
  await catchUp(log, intake);
  const rows = await database.sql`
    select position, data from replica_event where site = ${log.head().site} order by position`;
  assert.is(rows.length, log.head().size);
  assert.match(rows.at(-1)!.data.toString(), 'second');
  const proved = await createPostgresReplicaReader(database.sql).checkpoint(log.head().site);
  assert.equal(proved?.head, log.head());
});

test('goes on in the next epoch of the log', async () => {
  const log = newLog();
  const intake = createPostgresReplicaIntake(database.sql);
  await signIn(log, 'before');
  const head = log.head();
  const history = { events: [], checkpoint: { head, note: '' }, reason: 'a test' };
  const { log: reopened } = await log.reopenAs({ ...history, common: endOf(head) });
  await signIn(reopened, 'after');
  await catchUp(reopened, intake);
  const rows = await database.sql`
    select epoch, position, stream from replica_event where site = ${head.site} order by epoch, position`;
  assert.equal(
    rows.map(row => `${row.epoch}/${row.position} ${row.stream}`),
    ['1/1 log', '1/2 sign-ins', '2/1 log', '2/2 log', '2/3 sign-ins'],
  );
});

test('what is taken in is signed, however fast the log grows meanwhile and however late it says so', async () => {
  const log = newLog();
  const real = createPostgresReplicaIntake(database.sql);
  const unsigned: string[] = [];
  let askedCount = 0;
  const watching: ReplicaIntake = {
    openSession: site => real.openSession(site),
    commit: async batch => {
      const { after, checkpoint } = batch;
      if (checkpoint?.head.size !== after.position) unsigned.push(`${after.epoch}/${after.position}`);
      const outcome = await real.commit(batch);
      if (askedCount < 5) await signIn(log, `after-commit-${askedCount}`);
      return outcome;
    },
  };
  for (let n = 0; n < 3; n++) await signIn(log, `before-${n}`);
  const late = log.head();
  const stopped = new AbortController();
  const running = runOwnLogIntake({
    ...{ log, intake: watching, signal: stopped.signal, random: () => 0 },
    onRetry: error => assert.unreachable(String(error)),
    checkpoint: async () => {
      askedCount += 1;
      if (askedCount <= 4) await signIn(log, `while-signing-${askedCount}`);
      const head = askedCount === 3 ? late : log.head();
      return { head, note: signCheckpoint(head, signer, sha256) };
    },
  });
  const { site } = late;
  const isTakenIn = async () =>
    askedCount >= 5 && (await readReplicaCursor(database.sql, site))?.position === log.head().size;
  while (!(await isTakenIn())) {
    await Promise.race([running, new Promise(resolve => setTimeout(resolve, 5))]);
  }
  stopped.abort();
  await running;
  assert.equal(unsigned, []);
  const proved = await createPostgresReplicaReader(database.sql).checkpoint(site);
  assert.equal(proved?.head, log.head());
});

test('a commit that fails is tried again, and nothing comes twice', async () => {
  const log = newLog();
  const real = createPostgresReplicaIntake(database.sql);
  let failuresLeft = 3;
  const flaky: ReplicaIntake = {
    openSession: site => real.openSession(site),
    commit: async batch => {
      const outcome = await real.commit(batch);
      // The answer is lost after the commit, as it is when the connection breaks.
      if (failuresLeft-- > 0) throw new Error('connection lost');
      return outcome;
    },
  };
  let retryCount = 0;
  for (let n = 0; n < 20; n++) await signIn(log, `user-${n}`);
  await catchUp(log, flaky, () => {
    retryCount += 1;
  });
  const [row] = await database.sql`select count(*) as n from replica_event where site = ${log.head().site}`;
  assert.is(row!.n, log.head().size);
  assert.ok(retryCount >= 1);
});

test('a log that ends before its replica is named, and nothing is taken from it', async () => {
  const log = newLog();
  for (let n = 0; n < 3; n++) await signIn(log, `user-${n}`);
  const intake = createPostgresReplicaIntake(database.sql);
  await catchUp(log, intake);
  const lost = newLog(log.head().site);
  const outcome = await runOwnLogIntake({
    checkpoint: checkpointOf(lost),
    ...{ log: lost, intake, signal: AbortSignal.timeout(5000), onRetry: () => undefined, random: () => 0 },
  }).catch((error: unknown) => error);
  assert.instance(outcome, OwnLogBehindReplicaError);
  assert.is((outcome as OwnLogBehindReplicaError).code, 'OWN_LOG_BEHIND_REPLICA');
  const [row] = await database.sql`select count(*) as n from replica_event where site = ${log.head().site}`;
  assert.is(row!.n, log.head().size);
});

test.run();
