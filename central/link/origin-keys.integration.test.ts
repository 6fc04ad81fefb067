import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { LOG_START } from '@holdfast/core';
import {
  Acknowledgements,
  createMemoryReplicaIntake,
  createReplicationService,
  processTimers,
  RelayedReplicas,
} from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { type ManagementServer, noteSigner, sha256, verifyNote } from '@holdfast/sites';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isEnrolledIn } from '../backbone/feed-enrolment.js';
import { createPostgresReplicaIntake } from '../intake/postgres-replica-intake.js';
import { createPostgresReplicaReader } from '../intake/postgres-replica-reader.js';
import { type Database, openDatabase } from '../postgres/database.js';
import { admit, enrol, type Node, newNode, report, say, takeIn } from './levels.fixture.js';
import { createFeedOriginKeys, createOriginKeys } from './origin-keys.js';

const test = suite('whose log is believed, by which key');
const lines: string[] = [];
const logger = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) });
let directory = '';
let database: Database;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-origins-'));
  database = await openDatabase({ directory, databaseUrl: null });
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** A centre that has enrolled these children, and everyone's sessions with it. */
async function openCentre(...children: readonly Node[]) {
  const central = openCentreOf(newNode());
  for (const child of children) await enrol(central.centre, child);
  await takeIn(central.intake, central.centre);
  return central;
}

/** One that has said nothing, and has taken nothing in of its own log. */
function openCentreOf(centre: Node) {
  const { sql } = database;
  const intake = createPostgresReplicaIntake(sql);
  const refusals: string[] = [];
  const details: string[] = [];
  const losses: string[] = [];
  const stopping = new AbortController();
  const running: Promise<void>[] = [];
  const keys = createFeedOriginKeys({ sql, ownSite: centre.site });
  const replication = createReplicationService({
    ...{ intake, log: centre.log, logger, sha256, keys, replicas: createPostgresReplicaReader(sql) },
    ...{ enrolled: child => isEnrolledIn(sql, { ownSite: centre.site, child }), verify: verifyNote },
    ...{ signer: noteSigner(centre.key), now: Date.now, timers: processTimers, software: 'test' },
    links: {
      ...{ established: () => undefined, measured: () => undefined },
      lost: (site, cause) => void losses.push(`${site} ${cause}`),
      refused: (site, { code, detail }) => {
        refusals.push(`${site} ${code}`);
        details.push(detail);
      },
    },
    heartbeatMs: 2_000,
  });
  return {
    ...{ centre, intake, refusals, details, losses },
    /** What its own log says, and what it relays. */
    reports: async (from: Node, ...relayedLogs: readonly Node[]) => {
      const replicas = createMemoryReplicaIntake();
      for (const log of relayedLogs) await takeIn(replicas, log);
      const relayed = new RelayedReplicas({ own: from.site, replicas });
      const acknowledgements = new Acknowledgements();
      const to = { to: centre.site, replication, acknowledgements, relayed, logger };
      running.push(report({ from, ...to }, stopping.signal));
    },
    [Symbol.asyncDispose]: async () => {
      stopping.abort();
      await Promise.all(running);
      await replication[Symbol.asyncDispose]();
    },
  };
}

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const beganMs = performance.now(); !(await isSo()); ) {
    if (performance.now() - beganMs > 10_000) assert.unreachable(what);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** All of the log, byte for byte, and nothing else. */
async function assertHeld({ site, log }: Node): Promise<void> {
  const rows = () => database.sql<{ header: Buffer }[]>`
    select header from replica_event where site = ${site} order by seq`;
  await until(async () => (await rows()).length >= log.head().size, `the log of ${site}`);
  const events = await log.read({ after: LOG_START, limit: 1000 });
  assert.equal(
    (await rows()).map(({ header }) => header.toString('hex')),
    events.map(({ header }) => Buffer.from(header).toString('hex')),
  );
}

const rename = (node: Node, name: string) => say(node, 'site', { type: 'SiteRenamed', data: { name } });

async function nodeWith(eventCount: number): Promise<Node> {
  const node = newNode();
  for (let count = 0; count < eventCount; count += 1) await rename(node, `Name ${count}`);
  return node;
}

/** A log that pretends to be that of another site, longer than the real one, under the key of the pretender. */
async function forgedBy({ key }: Node, { site }: Node): Promise<Node> {
  const forged = { ...newNode(site), key };
  for (let count = 0; count < 9; count += 1) await rename(forged, `Forged ${count}`);
  return forged;
}

test('a child that claims another child under its own key is refused that log alone, while the other goes on', async () => {
  const [hostile, child] = [await nodeWith(1), await nodeWith(3)];
  await using central = await openCentre(hostile, child);
  await central.reports(child);
  await assertHeld(child);
  const forged = await forgedBy(hostile, child);
  await enrol(hostile, forged);
  await takeIn(central.intake, hostile);
  await central.reports(hostile, forged);
  await until(() => central.refusals.length > 0, 'the refusal');
  await rename(child, 'Still here');
  await rename(hostile, 'Still here too');
  await assertHeld(child);
  await assertHeld(hostile);
  assert.equal([...new Set(central.refusals)], [`${child.site} BAD_SIGNATURE`]);
  assert.match(central.details[0]!, `brought by ${hostile.site}`);
  assert.equal(central.losses, []);
});

test('a site of another region, of which nothing is held, is not taken over before its log comes, nor afterwards', async () => {
  const [hostile, region, bus] = [await nodeWith(1), await nodeWith(1), await nodeWith(3)];
  await using central = await openCentre(hostile, region);
  await enrol(region, bus);
  await takeIn(central.intake, region);
  const forged = await forgedBy(hostile, bus);
  await enrol(hostile, forged);
  await takeIn(central.intake, hostile);
  await central.reports(hostile, forged);
  await until(() => central.refusals.length > 0, 'the refusal');
  await central.reports(region, bus);
  await assertHeld(bus);
  assert.equal([...new Set(central.refusals)], [`${bus.site} BAD_SIGNATURE`]);
  const keys = createFeedOriginKeys({ sql: database.sql, ownSite: central.centre.site });
  assert.equal(await keys.keyOf(bus.site, hostile.site), await keys.keyOf(bus.site, region.site));
});

test('what is held of a site decides between its keys, not who came first', async () => {
  const [hostile, region, bus] = [await nodeWith(1), await nodeWith(1), await nodeWith(3)];
  await using central = await openCentre(hostile, region);
  const forged = await forgedBy(hostile, bus);
  await enrol(hostile, forged);
  await takeIn(central.intake, hostile);
  await takeIn(central.intake, bus);
  await enrol(region, bus);
  await takeIn(central.intake, region);
  await central.reports(hostile, forged);
  await until(() => central.refusals.length > 0, 'the refusal');
  await rename(bus, 'On its way');
  await central.reports(region, bus);
  await assertHeld(bus);
  assert.equal([...new Set(central.refusals)], [`${bus.site} BAD_SIGNATURE`]);
});

test('a site that has moved to another region goes on through that one, by the same key', async () => {
  const [before, after, bus] = [await nodeWith(1), await nodeWith(1), await nodeWith(3)];
  await using central = await openCentre(before, after);
  await enrol(before, bus);
  await central.reports(before, bus);
  await assertHeld(bus);
  await rename(bus, 'In its new region');
  await enrol(after, bus);
  await takeIn(central.intake, after);
  await central.reports(after, bus);
  await assertHeld(bus);
});

test('no child brings the log of its parent, nor one that its parent has enrolled and never seen', async () => {
  const [hostile, child] = [await nodeWith(1), await nodeWith(1)];
  await using central = await openCentre(hostile);
  const { centre } = central;
  await admit(centre, child);
  await takeIn(central.intake, centre);
  const forged = [await forgedBy(hostile, centre), await forgedBy(hostile, child)];
  for (const each of forged) await enrol(hostile, each);
  await takeIn(central.intake, hostile);
  await central.reports(hostile, ...forged);
  await until(() => central.refusals.length >= 2, 'both refusals');
  assert.equal(
    new Set(central.refusals),
    new Set([`${centre.site} NOT_ENROLLED`, `${child.site} NOT_ENROLLED`]),
  );
  await assertHeld(centre);
  const [fence] = await database.sql`select fence from replica_cursor where site = ${centre.site}`;
  assert.is(fence?.fence, 2, 'no session but our own two');
});

test('with the own log at hand its word counts the same, also before it is in the feed', async () => {
  const [hostile, child, admitted] = [newNode(), newNode(), newNode()];
  const { sql } = database;
  for (const victim of [child, admitted]) await enrol(hostile, await forgedBy(hostile, victim));
  await takeIn(createPostgresReplicaIntake(sql), hostile);
  const site = {
    children: new Map([child, admitted].map(({ site }) => [site, {}])),
    logKeys: new Map([[child.site, 'A'.repeat(43).concat('=')]]),
  };
  // Only what its log says is asked of it.
  const management = { state: { site } } as unknown as ManagementServer;
  const keys = createOriginKeys({ sql, management, ownSite: newNode().site });
  assert.equal(await keys.keyOf(child.site, hostile.site), new Uint8Array(32));
  assert.is(await keys.keyOf(admitted.site, hostile.site), null);
});

/** Whether a line of the process log names it; what was said before is forgotten. */
const isNamed = (name: string) => lines.splice(0).some(line => line.includes(`${name}: `));

test('a child whose key nobody has pinned is told to come back, by name in the log, until it is; others go on', async () => {
  const [keyless, child] = [await nodeWith(2), await nodeWith(2)];
  await using central = await openCentre(child);
  await admit(central.centre, keyless);
  await takeIn(central.intake, central.centre);
  lines.length = 0;
  await central.reports(keyless);
  await until(() => isNamed('LOG_KEY_NOT_PINNED'), 'that it is named');
  await central.reports(child);
  await assertHeld(child);
  assert.equal(central.refusals, [], 'nobody is blamed for it');
  await enrol(central.centre, keyless);
  await takeIn(central.intake, central.centre);
  await assertHeld(keyless);
});

test('who reports before the own log is in the database is told to come back, by name in the log, until it is', async () => {
  const child = await nodeWith(2);
  await using central = openCentreOf(newNode());
  await enrol(central.centre, child);
  lines.length = 0;
  await central.reports(child);
  await until(() => isNamed('OWN_LOG_NOT_HELD'), 'that it is named');
  assert.equal(central.refusals, [], 'nobody is blamed for it');
  await takeIn(central.intake, central.centre);
  await assertHeld(child);
});

test('who may report is what the own log says, whatever other logs say of the same site', async () => {
  const [centre, region, child] = [newNode(), newNode(), newNode()];
  const { sql } = database;
  const intake = createPostgresReplicaIntake(sql);
  const isEnrolled = (site: SiteId) => isEnrolledIn(sql, { ownSite: centre.site, child: site });
  assert.is(await isEnrolled(child.site).catch(error => error.code), 'OWN_LOG_NOT_HELD');
  await enrol(centre, region);
  await enrol(centre, child);
  await takeIn(intake, centre);
  const other = newNode();
  for (const site of [child, other]) await enrol(region, site);
  await takeIn(intake, region);
  assert.is(await isEnrolled(child.site), true);
  assert.is(await isEnrolled(region.site), true);
  assert.is(await isEnrolled(other.site), false);
});

test.run();
