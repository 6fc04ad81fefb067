import { generateKeyPairSync } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { comparePlaces, endOf, LOG_START, type RecordedEvent, type TruncatableLog } from '@holdfast/core';
import {
  Acknowledgements,
  createMemoryReplicaIntake,
  createReplicationService,
  type MemoryReplicaIntake,
  type OriginKeys,
  processTimers,
  RelayedReplicas,
  type ReplicaIntake,
  type ReplicaMender,
  type ReplicaReader,
} from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { LogRepairs, noteSigner, openSqliteSiteLog, rawPublicKey, sha256, verifyNote } from '@holdfast/sites';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPostgresReplicaIntake } from '../intake/postgres-replica-intake.js';
import { createPostgresReplicaReader } from '../intake/postgres-replica-reader.js';
import { createReplicaMender } from '../intake/replica-mender.js';
import { openDatabase } from '../postgres/database.js';
import { type Node, newNode, report, say, takeIn } from './levels.fixture.js';
import { takeBackReplicas } from './replica-recovery.js';

const test = suite('a log of which all is lost in the middle, and whose site no longer has its beginning');
const logger = pino({ level: 'silent' });

interface Replicas {
  readonly intake: ReplicaIntake;
  readonly replicas: ReplicaReader;
  readonly mender: ReplicaMender;
}

const inMemory = (intake: MemoryReplicaIntake = createMemoryReplicaIntake()): Replicas => ({
  ...{ intake, replicas: intake, mender: intake },
});

/** Nothing is replaced, so that no site has to be there. */
const notAsked = (): never => {
  throw new Error('asked whether a site is there');
};

/** Sites one above the other, the topmost first, each with what it holds of those below. */
class Levels implements AsyncDisposable {
  readonly folder: string;
  readonly stopping = new AbortController();
  readonly running: Promise<void>[] = [];
  readonly keys = new Map<SiteId, Uint8Array>();
  /** By whom which log was refused. */
  readonly refusals: string[] = [];

  constructor(folder: string) {
    this.folder = folder;
  }

  /** Takes in what is reported to it, and reports to the level above. */
  open(node: Node, held: Replicas, above: Level | null): Level {
    const { site, log, key } = node;
    this.keys.set(site, rawPublicKey(key));
    const keys: OriginKeys = { keyOf: async of => this.keys.get(of) ?? null, pin: async () => undefined };
    const relayed = new RelayedReplicas({ own: site, replicas: held.replicas });
    const acknowledgements = new Acknowledgements();
    const replication = createReplicationService({
      ...{ intake: relayed.watch(held.intake), replicas: held.replicas, log, keys, verify: verifyNote },
      ...{ signer: noteSigner(key), enrolled: () => true, logger, sha256, now: Date.now },
      ...(above === null ? {} : { above: acknowledgements, onLogLost: signed => relayed.lost(signed) }),
      links: {
        ...{ established: () => undefined, lost: () => undefined, measured: () => undefined },
        refused: (origin, { code }) => void this.refusals.push(`${site} ${origin} ${code}`),
      },
      ...{ timers: processTimers, software: 'test', heartbeatMs: 2_000 },
    });
    const takeBack = takeBackReplicas({
      ...{ replicas: held.replicas, mender: held.mender, relayed, keys, logger },
      links: { view: notAsked, relayedHead: notAsked },
      ...{ children: () => [site], file: path.join(this.folder, `${site}.pulled`) },
      repairs: new LogRepairs(() => performance.now()),
      onMoved: origin => replication.moved(origin),
    });
    const level = { site, replication };
    if (above !== null) {
      const relay = { follow: (signal: AbortSignal) => relayed.follow(signal), takeBack };
      const to = { to: above.site, replication: above.replication, acknowledgements, relayed: relay, logger };
      this.running.push(report({ from: node, ...to }, this.stopping.signal));
    }
    return level;
  }

  /** A site below which there is nobody. */
  report(from: Node, { site: to, replication }: Level): void {
    this.keys.set(from.site, rawPublicKey(from.key));
    const acknowledgements = new Acknowledgements();
    this.running.push(report({ from, to, replication, acknowledgements, logger }, this.stopping.signal));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.running);
  }
}

type Level = Pick<Parameters<typeof report>[0], 'replication'> & { readonly site: SiteId };

/** A site with a log in a file, of which everything up to `keptAfter` is removed once `held` holds it. */
async function truncatedSite(folder: string, held: ReplicaIntake) {
  const site = v7() as SiteId;
  const key = generateKeyPairSync('ed25519').privateKey;
  const file = path.join(folder, `${site}.sqlite`);
  const log = await openSqliteSiteLog({ file, site, now: Date.now, signingKey: key });
  const node: Node = { site, key, log };
  await rename(node, 400);
  const events = await eventsOf(node);
  await takeIn(held, node);
  const plan = { acknowledgedBy: 'TOP', recordedBeforeMs: Date.now() } as const;
  const cut: TruncatableLog = log;
  await cut.truncate({ ...plan, keptAfter: endOf(log.head()) }, AbortSignal.timeout(20_000));
  assert.ok(comparePlaces(cut.keptAfter(), LOG_START) > 0);
  return { node, events, [Symbol.asyncDispose]: () => log[Symbol.asyncDispose]() };
}

async function rename(node: Node, count: number): Promise<void> {
  const named = (name: string) => ({ type: 'SiteRenamed', data: { name } }) as const;
  await say(node, 'site', ...Array.from({ length: count }, (_, at) => named(`Name ${at}`)));
}

const eventsOf = ({ log }: Node) => log.read({ after: LOG_START, limit: 5_000 });
const hashesOf = (events: readonly RecordedEvent[]) =>
  events.map(({ leafHash }) => Buffer.from(leafHash).toString('hex'));

async function until(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const beganMs = performance.now(); !(await isSo()); ) {
    if (performance.now() - beganMs > 60_000) assert.unreachable(what);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** All of the log, byte for byte: what its site had before it was truncated, and what it has said since. */
async function holdsAll(
  held: ReplicaReader,
  { node, events }: { readonly node: Node; readonly events: readonly RecordedEvent[] },
): Promise<void> {
  const { site, log } = node;
  const since = await log.read({ after: events.at(-1)!, limit: 5_000 });
  const read = () => held.read({ site, after: LOG_START, limit: 5_000 });
  const count = events.length + since.length;
  await until(async () => (await read()).length >= count, `${count} events of ${site}`);
  assert.equal(hashesOf(await read()), hashesOf([...events, ...since]));
}

test('is taken from above by a region whose database was restored to what it was before it held anything of it', async () => {
  await using folder = await mkdtempDisposable(path.join(os.tmpdir(), 'holdfast-lost-replica-'));
  await using database = await openDatabase({ directory: folder.path, databaseUrl: null });
  const { sql } = database;
  const atCentre = inMemory();
  const node = newNode();
  const atRegion = {
    ...{ intake: createPostgresReplicaIntake(sql), replicas: createPostgresReplicaReader(sql) },
    mender: createReplicaMender({ sql, ownSite: node.site }),
  };
  await using site = await truncatedSite(folder.path, atCentre.intake);
  await using levels = new Levels(folder.path);
  const centre = levels.open(newNode(), atCentre, null);
  const region = levels.open(node, atRegion, centre);
  levels.report(site.node, region);
  await until(() => levels.refusals.includes(`${region.site} ${site.node.site} TRUNCATED`), 'the refusal');
  await holdsAll(atRegion.replicas, site);
  await rename(site.node, 5);
  await holdsAll(atRegion.replicas, site);
  await holdsAll(atCentre.replicas, site);
});

test('is taken from above over two levels that hold nothing of it', async () => {
  await using folder = await mkdtempDisposable(path.join(os.tmpdir(), 'holdfast-lost-replica-'));
  const [atCentre, atCountry, atRegion] = [inMemory(), inMemory(), inMemory()];
  await using site = await truncatedSite(folder.path, atCentre.intake);
  await using levels = new Levels(folder.path);
  const centre = levels.open(newNode(), atCentre, null);
  const country = levels.open(newNode(), atCountry, centre);
  levels.report(site.node, levels.open(newNode(), atRegion, country));
  await holdsAll(atRegion.replicas, site);
  await rename(site.node, 5);
  for (const { replicas } of [atRegion, atCountry, atCentre]) await holdsAll(replicas, site);
});

test('stays refused by name where nobody above holds it, while the other logs go on', async () => {
  await using folder = await mkdtempDisposable(path.join(os.tmpdir(), 'holdfast-lost-replica-'));
  const [atCentre, atRegion] = [inMemory(), inMemory()];
  await using site = await truncatedSite(folder.path, createMemoryReplicaIntake());
  await using levels = new Levels(folder.path);
  const centre = levels.open(newNode(), atCentre, null);
  const region = levels.open(newNode(), atRegion, centre);
  levels.report(site.node, region);
  const refusedBy = ({ site: parent }: Level) =>
    levels.refusals.filter(refusal => refusal === `${parent} ${site.node.site} TRUNCATED`).length;
  await until(() => refusedBy(region) > 1 && refusedBy(centre) > 1, 'refused at both, and again');
  const other = newNode();
  await rename(other, 20);
  levels.report(other, region);
  await holdsAll(atCentre.replicas, { node: other, events: await eventsOf(other) });
  assert.equal(await atRegion.replicas.read({ site: site.node.site, after: LOG_START, limit: 1 }), []);
  assert.equal(new Set(levels.refusals.map(refusal => refusal.split(' ')[2])), new Set(['TRUNCATED']));
});

test.run();
