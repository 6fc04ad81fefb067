import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { cp, mkdir, mkdtempDisposable, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  createMemorySiteLog,
  LOG_START,
  logStreamEvent,
  newEvent,
  signCheckpoint,
  takenOver,
} from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import {
  loadSiteKeys,
  noteSigner,
  openSqliteSiteLog,
  sha256,
  siteLogFileOf,
  siteLogKeyFileOf,
} from '@holdfast/sites';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPostgresReplicaIntake } from '../intake/postgres-replica-intake.js';
import { enrol, newNode, say, takeIn } from '../link/levels.fixture.js';
import { openDatabase } from '../postgres/database.js';
import type { Sql } from '../postgres/sql.js';
import type { HoldingsComparison } from '../verification/compare-holdings.js';
import type { SignedReplica } from '../verification/replica-signatures.js';

const test = suite('holdfast verify of a central');
const program = path.resolve(import.meta.dirname, '../../bin/holdfast.mjs');

function run(args: readonly string[], databaseUrl: string | undefined) {
  const { DATABASE_URL: _, ...env } = process.env;
  return spawnSync(process.execPath, [program, ...args], {
    encoding: 'utf8',
    env: databaseUrl === undefined ? env : { ...env, DATABASE_URL: databaseUrl },
  });
}

function verify(directory: string, databaseUrl: string | undefined) {
  const { status, stdout } = run(['verify', directory, '--json'], databaseUrl);
  return { status, report: JSON.parse(stdout) };
}

test('a database that was not seen is named, and the embedded one is proved whatever DATABASE_URL says', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-verify-'));
  const site = v7() as SiteId;
  const signingKey = loadSiteKeys(folder.path).logKey;
  const event = {
    type: 'ChildSiteEnrolled' as const,
    data: { siteId: v7() as SiteId, name: 'Bus 12', certificateSha256: 'ab'.repeat(32) },
  };
  {
    await using log = await openSqliteSiteLog({
      ...{ file: siteLogFileOf(folder.path), site, now: Date.now, signingKey },
    });
    const enrolled = newEvent(event, {
      ...{ id: v7() as EventId, actor: 'system', occurredAtMs: Date.now(), clockQuality: 'NTP' },
    });
    await log.append([{ stream: 'sites', expected: 'none', events: [enrolled] }]);
    await log.signedCheckpoint();
  }
  const unseen = verify(folder.path, undefined);
  assert.is(unseen.status, 3);
  assert.is(unseen.report.proven, false);
  assert.equal(
    unseen.report.sites[0].unreachable.map(({ code }: { code: string }) => code),
    ['DATABASE_NOT_SEEN'],
  );
  const directory = path.join(folder.path, 'postgres');
  await (await openDatabase({ directory, databaseUrl: null }))[Symbol.asyncDispose]();
  const both = verify(folder.path, 'postgres://holdfast@127.0.0.1:1/holdfast');
  assert.equal(
    both.report.replicas.map(({ database }: { database: string }) => database),
    ['DATABASE_URL', directory],
  );
  const [{ unreachable, damages }] = both.report.replicas;
  assert.is(unreachable[0].code, 'DATABASE_UNREACHABLE');
  assert.match(unreachable[0].detail, 'DATABASE_URL (127.0.0.1:1, holdfast)');
  assert.equal(damages, []);
  assert.is(both.status, 3);
  assert.is(verify(folder.path, undefined).status, 0);
});

/** A central in a folder: its log, and the database that it has taken others in. */
async function newCentral(folder: string) {
  const site = v7() as SiteId;
  const key = generateKeyPairSync('ed25519').privateKey;
  await mkdir(path.join(folder, 'keys'));
  await writeFile(siteLogKeyFileOf(folder), key.export({ type: 'pkcs8', format: 'pem' }).toString());
  const log = await openSqliteSiteLog({
    ...{ file: siteLogFileOf(folder), site, now: Date.now, signingKey: key },
  });
  const inDatabase = async (work: (sql: Sql) => Promise<unknown>) => {
    const directory = path.join(folder, 'postgres');
    await using database = await openDatabase({ directory, databaseUrl: null });
    await work(database.sql);
  };
  return { site, key, log, inDatabase };
}

test('what a salvage has taken over unsigned has a line of its own, of a log and of a replica', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-verify-'));
  const central = await newCentral(folder.path);
  const child = newNode();
  const salvage = async ({ site, log }: Pick<typeof child, 'site' | 'log'>) => {
    const data = {
      ...{ damage: 'a test', keptEpoch: 0, keptPosition: 0 },
      ...{ keptIn: 'log.damaged-2026-01-13T09-21-07.412Z', files: [] },
    };
    const salvaged = logStreamEvent({ type: 'LogSalvaged', data }, 'a test', { site, nowMs: 0, sha256 });
    const renamed = (name: string) =>
      newEvent(
        { type: 'SiteRenamed', data: { name } },
        { id: v7() as EventId, actor: 'system', occurredAtMs: 0, clockQuality: 'NTP' },
      );
    const events = [salvaged, takenOver(renamed('found'), salvaged.id), renamed('said since')];
    await log.append([{ stream: 'site', expected: 'any', events }]);
  };
  {
    await using log = central.log;
    await salvage({ ...central, log });
    await enrol(central, child);
    await salvage(child);
    await central.inDatabase(async sql => takeIn(createPostgresReplicaIntake(sql), child));
  }
  const { status, stdout } = run(['verify', folder.path], undefined);
  assert.is(status, 0, stdout);
  const at = '1 events, 1/3 to 1/3, found in a damaged file by the salvage of 2';
  const lines = stdout.split('\n').map(line => line.slice(0, line.indexOf(at)));
  assert.equal(
    lines.filter(line => line.includes('taken over')),
    ['  taken over unsigned: ', `  site ${child.site}: taken over unsigned: `],
    stdout,
  );
});

test('what is not signed is held against the log at hand, and else not called proven', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-verify-'));
  const central = await newCentral(folder.path);
  const { site, inDatabase } = central;
  await using log = central.log;
  const child = newNode();
  await say(child, 'site', { type: 'SiteRenamed', data: { name: 'Bus 12' } });
  await enrol(central, child);
  await inDatabase(async sql => {
    const intake = createPostgresReplicaIntake(sql);
    await takeIn(intake, child);
    // As far as one commit of a first catch-up: the checkpoint is not reached yet.
    const { fence, cursor: before } = await intake.openSession(site);
    const events = (await log.read({ after: before, limit: 10 })).slice(0, 2);
    const after = { epoch: 1, position: 2, treeEdge: [] };
    assert.is(await intake.commit({ site, fence, before, after, events }), 'COMMITTED');
  });
  const honest = verify(folder.path, undefined);
  assert.equal([honest.status, honest.report.proven], [0, true], JSON.stringify(honest.report));
  const [replica] = honest.report.replicas;
  const reach = new Map(replica.signed.map((one: SignedReplica) => [one.site, one.signedUpTo.position]));
  assert.equal([reach.get(child.site), reach.get(site)], [2, 0]);

  await inDatabase(async sql => {
    await sql`delete from replica_checkpoint`;
    await sql`
      update replica_event set data = '{}', leaf_hash = sha256('\\x00' || header || sha256('{}'))
      where site = ${site} and position = 2`;
  });
  const rewritten = verify(folder.path, undefined);
  assert.is(rewritten.status, 1);
  const { unproven, damages } = rewritten.report.replicas[0];
  assert.equal(damages, []);
  const unsigned = [...unproven].map(({ code, where }) => `${code} ${where}`).sort();
  assert.equal(unsigned, [`REPLICA_UNSIGNED ${child.site}`, `REPLICA_UNSIGNED ${site}`].sort());
  const { comparisons } = rewritten.report;
  assert.equal(
    comparisons.map((one: HoldingsComparison) => [one.site, one.size, one.difference !== null]),
    [[site, 2, true]],
  );
});

test('what is added behind the end of a log at hand is damage, though nothing is signed there', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-verify-'));
  const central = await newCentral(folder.path);
  const { site, key, inDatabase } = central;
  await using log = central.log;
  await say(central, 'site', { type: 'SiteRenamed', data: { name: 'Centre' } });
  await log.signedCheckpoint();
  await inDatabase(sql => takeIn(createPostgresReplicaIntake(sql), central));
  assert.is(verify(folder.path, undefined).status, 0);

  const copied = await log.read({ after: LOG_START, limit: 10 });
  const forging = createMemorySiteLog({ site, now: Date.now, sha256, copied });
  await say({ site, key, log: forging }, 'site', { type: 'SiteRenamed', data: { name: 'Forged' } });
  await inDatabase(async sql => {
    await takeIn(createPostgresReplicaIntake(sql), { site, key, log: forging });
    // Only the key that this database's owner has not would sign it.
    const head = log.head();
    const note = signCheckpoint(head, noteSigner(key), sha256);
    await sql`update replica_checkpoint set size = ${head.size}, root = ${head.root}, note = ${note}`;
  });
  const { status, report } = verify(folder.path, undefined);
  assert.equal([report.replicas[0].damages, report.replicas[0].unproven], [[], []]);
  const [comparison] = report.comparisons.filter((one: HoldingsComparison) => one.difference !== null);
  assert.match(comparison?.difference, `${folder.path} ends at 1/${copied.length}`);
  assert.is(status, 1);
});

test('a log that has lost an end which its site has signed is not called proven, but for a backup beside it', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-verify-'));
  const [place, backup] = [path.join(folder.path, 'centre'), path.join(folder.path, 'backup')];
  await mkdir(place);
  const central = await newCentral(place);
  const file = siteLogFileOf(place);
  {
    await using log = central.log;
    await say(central, 'site', { type: 'SiteRenamed', data: { name: 'Centre' } });
    await log.signedCheckpoint();
  }
  await cp(path.dirname(file), path.dirname(siteLogFileOf(backup)), { recursive: true });
  await cp(path.join(place, 'keys'), path.join(backup, 'keys'), { recursive: true });
  {
    await using log = await openSqliteSiteLog({
      ...{ file, site: central.site, now: Date.now, signingKey: central.key },
    });
    await say({ ...central, log }, 'site', { type: 'SiteRenamed', data: { name: 'Centre again' } });
    await log.signedCheckpoint();
    await central.inDatabase(sql => takeIn(createPostgresReplicaIntake(sql), { ...central, log }));
  }
  assert.is(verify(folder.path, undefined).status, 0);

  await rm(path.dirname(file), { recursive: true });
  await rename(path.dirname(siteLogFileOf(backup)), path.dirname(file));
  const { status, report } = verify(folder.path, undefined);
  assert.equal([status, report.proven], [1, false]);
  const [comparison] = report.comparisons.filter((one: HoldingsComparison) => one.difference !== null);
  assert.match(comparison?.difference, /ends at 1\/\d+ and has lost what follows: .* signed by the site/);
  const { stdout } = run(['verify', folder.path], undefined);
  assert.match(stdout, `  DAMAGED site ${central.site} HOLDINGS_DIFFER: ${comparison?.difference}`);
});

test('a database that does not start is damage by name, and the log beside it is proven nevertheless', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-verify-'));
  const central = await newCentral(folder.path);
  {
    await using log = central.log;
    await say({ ...central, log }, 'site', { type: 'SiteRenamed', data: { name: 'Centre' } });
    await log.signedCheckpoint();
    await central.inDatabase(sql => takeIn(createPostgresReplicaIntake(sql), { ...central, log }));
  }
  await truncate(path.join(folder.path, 'postgres', 'cluster', 'global', 'pg_control'));
  const { status, report } = verify(folder.path, undefined);
  assert.equal([status, report.proven], [1, false]);
  const [{ damages }] = report.replicas;
  assert.equal(
    damages.map(({ where, code }: { where: string; code: string }) => [where, code]),
    [['database', 'DATABASE_UNREADABLE']],
  );
  const [site] = report.sites;
  assert.equal([site.damages, site.signedEventCount, site.eventCount], [[], 2, 2]);
});

test('of a truncated log it says how many events were removed, and how many of those were carried over the cut', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-verify-'));
  {
    const file = siteLogFileOf(folder.path);
    const signingKey = loadSiteKeys(folder.path).logKey;
    await using log = await openSqliteSiteLog({ file, site: v7() as SiteId, now: Date.now, signingKey });
    const node = { log, site: v7() as SiteId, key: signingKey };
    for (let count = 0; count < 9; count += 1) {
      await say(node, 'site', { type: 'SiteRenamed', data: { name: `Depot ${count}` } });
    }
    const plan = { keptAfter: { epoch: 1, position: 6 }, acknowledgedBy: 'PARENT' } as const;
    await log.truncate({ ...plan, recordedBeforeMs: Date.now() }, AbortSignal.timeout(10_000));
  }
  const { status, stdout } = run(['verify', folder.path], undefined);
  assert.is(status, 0, stdout);
  assert.match(
    stdout,
    '5 events (5 signed) behind 6 that truncation has removed (6 of them carried over the cut)',
  );
});

test.run();
