import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  decodeRecordedEvent,
  encodeBase64,
  encodeHeader,
  equalBytes,
  extendEdge,
  LOG_START,
  type LogHead,
  type RecordedEvent,
  rootOf,
  signCheckpoint,
  type TreeEdge,
} from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { noteSigner, sha256 } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPostgresReplicaIntake } from '../intake/postgres-replica-intake.js';
import { createReplicaMender } from '../intake/replica-mender.js';
import { type Database, openDatabase, openDatabaseAsItIs } from '../postgres/database.js';
import { compareHoldings } from './compare-holdings.js';
import type { ReplicaTrust } from './replica-signatures.js';
import { replicaRootAt, verifyReplicas } from './verify-replicas.js';

const test = suite('verify replicas');
const signal = new AbortController().signal;
const north = '0198f3a2-7c1d-7e2a-9b3c-00000000000a' as SiteId;
const south = '0198f3a2-7c1d-7e2a-9b3c-00000000000b' as SiteId;
const east = '0198f3a2-7c1d-7e2a-9b3c-00000000000c' as SiteId;
let directory = '';
let database: Database;

/** A log as a site would write it: real headers, dense in every way, over as many epochs as are opened. */
class SiteHistory {
  epoch = 1;
  size = 0;
  edge: TreeEdge = [];
  recordedAt = 1_790_000_000_000n << 16n;
  readonly #revisions = new Map<string, number>();

  constructor(readonly site: SiteId) {}

  event(stream: string, type = 'AlarmRaised', data: unknown = { text: 'ü' }): RecordedEvent {
    const revision = (this.#revisions.get(stream) ?? -1) + 1;
    this.#revisions.set(stream, revision);
    this.recordedAt += 65_536n;
    this.size += 1;
    const header = encodeHeader({
      ...{ site: this.site, epoch: this.epoch, position: this.size, stream, revision, type, version: 1 },
      ...{ id: randomUUID() as EventId, recordedAt: this.recordedAt, occurredAtMs: 5, clockQuality: 'GPS' },
      ...{ actor: 'user:anna', causationId: null, correlationId: randomUUID() as EventId },
    });
    const event = decodeRecordedEvent(header, Buffer.from(JSON.stringify(data)), sha256);
    this.edge = extendEdge(this.edge, this.size - 1, [event.leafHash], sha256);
    return event;
  }

  openEpoch(): RecordedEvent {
    const previousRoot = Buffer.from(rootOf(this.edge, this.size, sha256)).toString('hex');
    const sealed = {
      epoch: this.epoch + 1,
      previousEpoch: this.epoch,
      previousSize: this.size,
      previousRoot,
      reason: 'test',
    };
    [this.epoch, this.size, this.edge] = [this.epoch + 1, 0, []];
    return this.event('log', 'LogEpochOpened', sealed);
  }
}

async function takeIn(history: SiteHistory, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, index) => history.event(`alarm-${index % 3}`));
  await takeInSigned(history, events, 'own');
}

async function takeInSigned(
  history: SiteHistory,
  events: readonly RecordedEvent[],
  by: keyof typeof signers,
): Promise<void> {
  const intake = createPostgresReplicaIntake(database.sql);
  const { fence, cursor } = await intake.openSession(history.site);
  if (cursor.epoch === history.epoch - 1 && cursor.epoch > 0) throw new Error('open the epoch by itself');
  const after = { epoch: history.epoch, position: history.size, treeEdge: history.edge };
  const { site, epoch, size, edge } = history;
  const head = { site, epoch, size, root: rootOf(edge, size, sha256) };
  const checkpoint = { head, note: signCheckpoint(head, signers[by], sha256) };
  const outcome = await intake.commit({ site, fence, before: cursor, after, events, checkpoint });
  assert.is(outcome, 'COMMITTED');
}

async function takeInEpoch(history: SiteHistory): Promise<void> {
  const intake = createPostgresReplicaIntake(database.sql);
  const { fence, cursor } = await intake.openSession(history.site);
  const events = [history.openEpoch()];
  const after = { epoch: history.epoch, position: history.size, treeEdge: history.edge };
  await intake.commit({ site: history.site, fence, before: cursor, after, events });
}

/** The south believes the north by this key. */
async function takeInPinnedKey(history: SiteHistory, siteId: SiteId): Promise<void> {
  const intake = createPostgresReplicaIntake(database.sql);
  const { fence, cursor } = await intake.openSession(history.site);
  const pinned = { siteId, publicKey: encodeBase64(signers.own.publicKey), because: 'CONFIGURED' };
  const events = [history.event(`log-key-${siteId}`, 'LogKeyPinned', pinned)];
  const after = { epoch: history.epoch, position: history.size, treeEdge: history.edge };
  await intake.commit({ site: history.site, fence, before: cursor, after, events });
}

const tables = ['replica_event', 'replica_cursor', 'replica_checkpoint', 'feed_head', 'feed_gap'];
const signers = {
  own: noteSigner(generateKeyPairSync('ed25519').privateKey),
  other: noteSigner(generateKeyPairSync('ed25519').privateKey),
};
/** The south owns the database, and its log is at hand. */
const trust = (): ReplicaTrust => ({
  owner: south,
  sites: [
    {
      ...{ site: south, publicKey: signers.own.publicKey, children: new Set([north]) },
      logKeys: new Map([[north, [signers.own.publicKey]]]),
    },
  ],
});
test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-verify-replicas-'));
  database = await openDatabase({ directory, databaseUrl: null });
  const histories = [new SiteHistory(north), new SiteHistory(south)];
  for (const history of histories) {
    if (history.site === south) await takeInPinnedKey(history, north);
    await takeIn(history, history.site === south ? 1199 : 1200);
    await takeInEpoch(history);
    await takeIn(history, 30);
  }
  for (const table of tables) await database.sql.unsafe(`create table genuine_${table} as table ${table}`);
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});
test.after.each(restore);

async function damagesAfter(statement: string): Promise<readonly string[]> {
  await database.sql.unsafe(statement);
  const { damages } = await verifyReplicas(database.sql, { trust, signal });
  return damages.map(({ code, where, detail }) => `${where} ${code} ${detail}`);
}

const at = (position: number, epoch = 1) =>
  `where site = '${north}' and epoch = ${epoch} and position = ${position}`;

test('proves what was taken in, over all epochs, and tells how far it is', async () => {
  const progress: number[] = [];
  const onProgress = (done: number, total: number) => progress.push(done / total);
  const { eventCount, heads, damages } = await verifyReplicas(database.sql, { trust, signal, onProgress });
  assert.equal(damages, []);
  assert.is(eventCount, 2 * 1231);
  assert.equal(
    heads.map(({ site, epoch, size }) => [site, epoch, size]),
    [
      [north, 1, 1200],
      [north, 2, 31],
      [south, 1, 1200],
      [south, 2, 31],
    ],
  );
  assert.is(progress.at(-1), 1);
});

test('names the event whose clock ran back, though its site has signed it', async () => {
  const history = new SiteHistory(east);
  await takeIn(history, 2);
  // The next event is given the time of the last one.
  history.recordedAt -= 65_536n;
  await takeIn(history, 1);
  const ranBack = (await damagesAfter('select')).filter(damage => damage.includes('CLOCK_RAN_BACK'));
  assert.is(ranBack.length, 1);
  assert.match(ranBack[0]!, /1\/3.* recordedAt is not later/);
});

test('names each flipped bit: in data, in a header, in a leaf hash, in a tree', async () => {
  const flip = (column: string) => `${column} = set_byte(${column}, 9, get_byte(${column}, 9) # 1)`;
  const data = await damagesAfter(`update replica_event set ${flip('data')} ${at(700)}`);
  assert.is(data.length, 1);
  assert.match(data[0]!, `${north} LEAF_HASH_MISMATCH 1/700`);
  await restore();
  const header = await damagesAfter(`update replica_event set ${flip('header')} ${at(700)}`);
  assert.match(header[0]!, `${north} LEAF_HASH_MISMATCH 1/700`);
  await restore();
  const leaf = await damagesAfter(`update replica_event set ${flip('leaf_hash')} ${at(3, 2)}`);
  assert.match(leaf[0]!, `${north} LEAF_HASH_MISMATCH 2/3`);
  assert.match(leaf[1]!, `${north} CHECKPOINT_ROOT_MISMATCH 2/31`);
  assert.match(leaf[2]!, `${north} TREE_EDGE_MISMATCH 2/31`);
  await restore();
  const edge = await damagesAfter(`update replica_cursor set ${flip('tree_edge')} where site = '${north}'`);
  assert.equal(edge.length, 1);
  assert.match(edge[0]!, `${north} TREE_EDGE_MISMATCH 2/31`);
});

test('names each column that says something else than the header', async () => {
  const changes = [
    ["stream = 'alarm-9'", 'stream'],
    ['revision = revision + 1', 'revision'],
    ["type = 'AlarmClosed'", 'type'],
    ['version = 7', 'version'],
    ['recorded_at = recorded_at + 1', 'recordedAt'],
    ['occurred_at_ms = 0', 'occurredAtMs'],
    ["clock_quality = 'RTC'", 'clockQuality'],
    ["actor = 'user:eve'", 'actor'],
    ["causation_id = '0198f3a2-7c1d-7e2a-9b3c-0000000000ff'", 'causationId'],
    ['correlation_id = null', 'correlationId'],
    ["id = '0198f3a2-7c1d-7e2a-9b3c-0000000000ff'", 'id'],
  ];
  for (const [change, column] of changes) {
    const damages = await damagesAfter(`update replica_event set ${change} ${at(10)}`);
    assert.ok(
      damages.some(damage => damage.startsWith(`${north} COLUMN_MISMATCH 1/10: ${column} is `)),
      damages.join('\n'),
    );
    await restore();
  }
});

test('names what is missing, and what was rewritten with fitting hashes', async () => {
  const deleted = await damagesAfter(`delete from replica_event ${at(700)}`);
  assert.ok(deleted.some(damage => damage.startsWith('feed FEED_NOT_DENSE 1 events are not there')));
  assert.ok(deleted.some(damage => damage.startsWith(`${north} EVENT_MISSING 1/701`)));
  assert.ok(deleted.some(damage => damage.startsWith(`${north} REVISION_MISSING 1/703`)));
  await restore();
  // Who has the database can compute a leaf hash too: the roots tell.
  const forged = `data = '{}', leaf_hash = sha256('\\x00' || header || sha256('{}'))`;
  const rewritten = await damagesAfter(`update replica_event set ${forged} ${at(700)}`);
  assert.is(rewritten.length, 2);
  assert.match(rewritten[0]!, `${north} CHECKPOINT_ROOT_MISMATCH 1/1200`);
  assert.match(rewritten[1]!, `${north} EPOCH_ROOT_MISMATCH 2/1`);
  await restore();
  const atEnd = await damagesAfter(`update replica_event set ${forged} ${at(31, 2)}`);
  assert.is(atEnd.length, 2);
  assert.match(atEnd[0]!, `${north} CHECKPOINT_ROOT_MISMATCH 2/31`);
  assert.match(atEnd[1]!, `${north} TREE_EDGE_MISMATCH 2/31`);
  await restore();
  const cursor = await damagesAfter(`update replica_cursor set position = 30 where site = '${north}'`);
  assert.match(cursor[0]!, `${north} CURSOR_MISMATCH 2/31`);
  await restore();
  const head = await damagesAfter('update feed_head set seq = seq + 2');
  assert.match(head[0]!, 'feed FEED_NOT_DENSE 2 events are not there');
  await restore();
  const swapped = await damagesAfter(
    `update replica_event set seq = case position when 5 then -seq else seq end where site = '${north}' and epoch = 1`,
  );
  assert.ok(
    swapped.some(damage => damage.startsWith(`${north} FEED_ORDER 1/5`)),
    swapped.join('\n'),
  );
});

async function empty(): Promise<void> {
  for (const table of tables) await database.sql.unsafe(`truncate ${table}`);
  await database.sql`insert into feed_head (seq) values (0)`;
}

async function restore(): Promise<void> {
  for (const table of tables) {
    await database.sql.unsafe(`truncate ${table}; insert into ${table} select * from genuine_${table}`);
  }
}

test('names a checkpoint that is none, that another has signed, or that is not that of the events', async () => {
  const note = (head: LogHead, by: keyof typeof signers = 'own') =>
    signCheckpoint(head, signers[by], sha256).replaceAll("'", "''");
  const { heads } = await verifyReplicas(database.sql, { trust, signal });
  const head = heads.find(({ site, epoch }) => site === north && epoch === 2)!;
  const checkpointAs = (columns: string) =>
    damagesAfter(`update replica_checkpoint set ${columns} where site = '${north}' and epoch = 2`);
  const flipped = await checkpointAs('root = set_byte(root, 9, get_byte(root, 9) # 1)');
  assert.is(flipped.length, 1);
  assert.match(flipped[0]!, `${north} CHECKPOINT_MALFORMED 2/31`);
  await restore();
  const stranger = await checkpointAs(`note = '${note(head, 'other')}'`);
  assert.is(stranger.length, 1);
  assert.match(stranger[0]!, `${north} CHECKPOINT_SIGNATURE 2/31`);
  await restore();
  const root = new Uint8Array(32).fill(7);
  const hex = Buffer.from(root).toString('hex');
  const rewritten = await checkpointAs(`note = '${note({ ...head, root })}', root = '\\x${hex}'`);
  assert.is(rewritten.length, 1);
  assert.match(rewritten[0]!, `${north} CHECKPOINT_ROOT_MISMATCH 2/31`);
  await restore();
  const beyond = await checkpointAs(`note = '${note({ ...head, size: 40 })}', size = 40`);
  assert.is(beyond.length, 1);
  assert.match(beyond[0]!, `${north} CHECKPOINT_BEYOND_END 2/31: 2/40`);
});

const pinnedBy = (history: SiteHistory, siteId: SiteId, by: keyof typeof signers) => [
  history.event(`child-site-${siteId}`, 'ChildSiteEnrolled', {
    siteId,
    name: 'Below',
    certificateSha256: '',
  }),
  history.event(`log-key-${siteId}`, 'LogKeyPinned', {
    ...{ siteId, publicKey: encodeBase64(signers[by].publicKey), because: 'CONFIGURED' },
  }),
];

async function findings() {
  const { damages, unproven, signed } = await verifyReplicas(database.sql, { trust, signal });
  const places = signed.map(({ site, signedUpTo, end }) => [
    site,
    `${signedUpTo.epoch}/${signedUpTo.position} of ${end.epoch}/${end.position}`,
  ]);
  return {
    damages: damages.map(({ code, where, detail }) => `${where} ${code} ${detail.split(':')[0]}`),
    unproven: unproven.map(({ code, where }) => `${where} ${code}`),
    reach: new Map(places as [SiteId, string][]),
  };
}

test('tells how far a replica is signed, and names an epoch that is over without a signature', async () => {
  const whole = await findings();
  assert.equal([whole.damages, whole.unproven], [[], []]);
  assert.is(whole.reach.get(north), '2/31 of 2/31');
  // As when the log goes on in a new epoch and its signed end is not reached yet.
  await database.sql`delete from replica_checkpoint where site = ${north} and epoch = 2`;
  const catchingUp = await findings();
  assert.equal([catchingUp.damages, catchingUp.unproven], [[], []]);
  assert.is(catchingUp.reach.get(north), '1/1200 of 2/31');
  await restore();
  // The opening of an epoch names the end of the one before: signed is that too.
  await database.sql`delete from replica_checkpoint where site = ${north} and epoch = 1`;
  assert.equal((await findings()).damages, []);
  await database.sql`delete from replica_checkpoint where site = ${north}`;
  const never = await findings();
  assert.equal(never.damages, [`${north} EPOCH_UNSIGNED 1/1200`]);
  assert.equal(never.unproven, [`${north} REPLICA_UNSIGNED`]);
  assert.is(never.reach.get(north), '0/0 of 2/31');
  await restore();
  // The own log is taken in beyond epochs whose checkpoints are not there, and is held against itself.
  await database.sql`delete from replica_checkpoint where site = ${south}`;
  const ownLog = await findings();
  assert.equal([ownLog.damages, ownLog.unproven], [[], [`${south} REPLICA_UNSIGNED`]]);
});

test('believes no key that a replica says of itself, nor one that no believed log says', async () => {
  await empty();
  const forged = new SiteHistory(north);
  await takeInSigned(forged, [...pinnedBy(forged, north, 'other'), forged.event('alarm-1')], 'other');
  const known = await findings();
  assert.equal(known.damages, [`${north} CHECKPOINT_SIGNATURE 1/3`]);
  assert.equal(known.unproven, [`${north} REPLICA_UNSIGNED`]);
  const unheardOf = new SiteHistory(east);
  await takeInSigned(unheardOf, pinnedBy(unheardOf, east, 'other'), 'other');
  assert.ok((await findings()).damages.includes(`${east} LOG_KEY_UNKNOWN nothing up to 1/2 is proved`));
});

test('believes the key of a site further below as far as the log that says it is signed', async () => {
  await empty();
  const region = new SiteHistory(north);
  await takeInSigned(region, pinnedBy(region, east, 'other'), 'own');
  const bus = new SiteHistory(east);
  await takeInSigned(bus, [bus.event('alarm-1')], 'other');
  const signed = await findings();
  assert.equal([signed.damages, signed.unproven], [[], []]);
  assert.is(signed.reach.get(east), '1/1 of 1/1');
  await database.sql`delete from replica_checkpoint where site = ${north}`;
  const unsigned = await findings();
  assert.equal(unsigned.damages, []);
  assert.equal(unsigned.unproven, [`${north} REPLICA_UNSIGNED`, `${east} REPLICA_UNSIGNED`]);
});

test('knows the feed positions of events that were replaced by fewer, and of no others', async () => {
  await empty();
  const [lost, history, below] = [new SiteHistory(north), new SiteHistory(north), new SiteHistory(south)];
  await takeInSigned(
    lost,
    [1, 2, 3, 4, 5].map(() => lost.event('alarm-1')),
    'own',
  );
  await takeInPinnedKey(below, north);
  const events = [1, 2, 3].map(() => history.event('alarm-2'));
  const { site, epoch, size: position, edge: treeEdge } = history;
  const head = { site, epoch, size: position, root: rootOf(treeEdge, position, sha256) };
  const outcome = await createReplicaMender({ sql: database.sql, ownSite: south }).replaceTail({
    ...{ site, common: LOG_START, held: { epoch, position: 5 } },
    events: (async function* () {
      yield events;
    })(),
    proven: () => ({
      end: { epoch, position, treeEdge },
      checkpoints: [{ head, note: signCheckpoint(head, signers.own, sha256) }],
    }),
  });
  assert.is(outcome, 'REPLACED');
  assert.equal((await findings()).damages, []);
  assert.equal(await damagesAfter('delete from feed_gap where seq = 4'), [
    'feed FEED_NOT_DENSE 1 events are not there between the feed positions 3 and 5',
  ]);
});

test('finds out that a log is not the same at two places, also when one is further', async () => {
  const { heads } = await verifyReplicas(database.sql, { trust, signal });
  const [head] = heads;
  const rootAt = (size: number) => replicaRootAt(database.sql, { ...head!, size }, signal);
  const shorter = { ...head!, size: 900, root: (await rootAt(900))! };
  const never = async () => null;
  const same = [
    { where: 'the central', head: head!, rootAt },
    { where: 'the site', head: shorter, rootAt: never },
  ];
  const [agreed] = await compareHoldings(same, signal);
  assert.equal([agreed!.size, agreed!.where, agreed!.difference], [900, ['the central', 'the site'], null]);
  const forked = { ...shorter, root: new Uint8Array(32) };
  const [differs] = await compareHoldings([same[0]!, { ...same[1]!, head: forked }], signal);
  assert.match(differs!.difference!, '1/900: the central holds the root');
  assert.ok(equalBytes((await rootAt(1200))!, head!.root));
});

test('looks at the database of a central that runs, and at one that is stopped', async () => {
  await using running = await openDatabaseAsItIs({ directory });
  assert.equal((await verifyReplicas(running.sql, { trust, signal })).damages, []);
  const other = await mkdtemp(path.join(os.tmpdir(), 'holdfast-verify-stopped-'));
  await (await openDatabase({ directory: other, databaseUrl: null }))[Symbol.asyncDispose]();
  const stopped = await openDatabaseAsItIs({ directory: other });
  assert.equal(await verifyReplicas(stopped.sql, { trust, signal }), {
    ...{ eventCount: 0, heads: [], signed: [], takenOver: [], unproven: [], damages: [] },
  });
  await stopped[Symbol.asyncDispose]();
  await rm(other, { recursive: true });
});

test('ends when it is told to', async () => {
  const aborted = AbortSignal.abort(new Error('enough'));
  const error = await verifyReplicas(database.sql, { trust, signal: aborted }).catch(reason => reason);
  assert.is(error.message, 'enough');
});

test.run();
