import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  createMemorySiteLog,
  encodeBase64,
  extendEdge,
  LOG_START,
  newEvent,
  type SiteLog,
  signCheckpoint,
} from '@holdfast/core';
import {
  Acknowledgements,
  type ChildDuplex,
  type ChildFrame,
  createMemoryBackbone,
  createMemoryReplicaIntake,
  createReplicationService,
  type DuplexListener,
  type ParentDuplex,
  type ParentFrame,
  processTimers,
  RelayedReplicas,
  type ReplicaIntake,
  runReplication,
} from '@holdfast/interconnect';
import { EventId, type HoldfastEvent, SiteId } from '@holdfast/schema';
import { noteSigner, rawPublicKey, sha256, verifyNote } from '@holdfast/sites';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPostgresReplicaIntake } from '../intake/postgres-replica-intake.js';
import { createFeedOriginKeys } from '../link/origin-keys.js';
import { openDatabase } from '../postgres/database.js';
import { FeedWriter } from './feed-writer.js';
import { createPublishingIntake } from './publishing-intake.js';
import { createSettledReplicas } from './settled-replicas.js';

const test = suite('several levels behind a backbone');
const logger = pino({ level: 'silent' });

interface Node {
  readonly site: SiteId;
  readonly key: KeyObject;
  readonly log: SiteLog;
}

function newNode(): Node {
  const site = SiteId.parse(v7());
  const log = createMemorySiteLog({ site, now: Date.now, sha256 });
  return { site, key: generateKeyPairSync('ed25519').privateKey, log };
}

async function say({ log }: Node, stream: string, ...events: readonly HoldfastEvent[]): Promise<void> {
  const facts = { actor: 'server:test', occurredAtMs: Date.now(), clockQuality: 'NTP' } as const;
  const recorded = events.map(event => newEvent(event, { id: EventId.parse(v7()), ...facts }));
  await log.append([{ stream, expected: 'any', events: recorded }]);
}

/** From now on the log of the parent says who the child is, and by what key. */
async function enrol(parent: Node, { site: siteId, key }: Node): Promise<void> {
  const enrolled = { siteId, name: 'Below', certificateSha256: 'ab'.repeat(32) };
  await say(parent, `child-site-${siteId}`, { type: 'ChildSiteEnrolled', data: enrolled });
  const pinned = { siteId, publicKey: encodeBase64(rawPublicKey(key)), because: 'CONFIGURED' } as const;
  await say(parent, `log-key-${siteId}`, { type: 'LogKeyPinned', data: pinned });
}

/** All that a log has more than the intake, as one session would bring it. */
async function takeIn(intake: ReplicaIntake, { site, log, key }: Node): Promise<void> {
  const { fence, cursor } = await intake.openSession(site);
  const events = await log.read({ after: cursor, limit: 5000 });
  const leafHashes = events.map(event => event.leafHash);
  const edge = extendEdge(cursor.treeEdge, cursor.position, leafHashes, sha256);
  const head = log.head();
  const after = { epoch: head.epoch, position: head.size, treeEdge: edge };
  const checkpoint = { head, note: signCheckpoint(head, noteSigner(key), sha256) };
  assert.is(await intake.commit({ site, fence, before: cursor, after, events, checkpoint }), 'COMMITTED');
}

/** A stream within this process. */
function openStream(
  child: SiteId,
  parent: SiteId,
): { readonly up: ParentDuplex; readonly down: ChildDuplex } {
  const ends: { up?: DuplexListener<ParentFrame>; down?: DuplexListener<ChildFrame> } = {};
  let isOver = false;
  const soon = (act: () => void) => setImmediate(() => isOver || act());
  const end = () =>
    soon(() => {
      isOver = true;
      ends.up?.onLost('ended');
      ends.down?.onLost('ended');
    });
  return {
    up: {
      ...{ peerSite: () => parent, end, cancel: end },
      listen: listener => {
        ends.up = listener;
      },
      send: frame => {
        soon(() => ends.down?.onFrame(frame));
        return true;
      },
    },
    down: {
      ...{ peerSite: () => child, end },
      listen: listener => {
        ends.down = listener;
      },
      send: frame => {
        soon(() => ends.up?.onFrame(frame));
        return true;
      },
    },
  };
}

test('a bus below a region reaches a centre of intake and projector nodes, byte for byte, also what it says later', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-levels-'));
  const database = await openDatabase({ directory, databaseUrl: null });
  const stopping = new AbortController();
  const { sql } = database;
  const [centre, region, bus] = [newNode(), newNode(), newNode()];
  await enrol(centre, region);
  await enrol(region, bus);
  const rename = (name: string) => say(bus, 'site', { type: 'SiteRenamed', data: { name } });
  for (let stop = 1; stop <= 300; stop += 1) await rename(`Bus at stop ${stop}`);
  await takeIn(createPostgresReplicaIntake(sql), centre);

  const replicas = createMemoryReplicaIntake();
  const relayed = new RelayedReplicas({ own: region.site, replicas });
  const intakeOfRegion = relayed.watch(replicas);
  await takeIn(intakeOfRegion, bus);

  const backbone = createMemoryBackbone();
  const projecting = [1, 2].map(() =>
    backbone.consume(new FeedWriter({ sql, topic: 'levels', sha256, logger }), stopping.signal),
  );
  const replication = createReplicationService({
    ...{ intake: createPublishingIntake({ sql, backbone, sha256 }), log: centre.log, logger, sha256 },
    ...{ enrolled: site => site === region.site, replicas: createSettledReplicas(sql), verify: verifyNote },
    ...{ signer: noteSigner(centre.key), now: Date.now, timers: processTimers, software: 'test' },
    links: { established: () => undefined, lost: () => undefined, measured: () => undefined },
    keys: createFeedOriginKeys({ sql, ownSite: centre.site }),
    heartbeatMs: 2_000,
  });
  const acknowledgements = new Acknowledgements();
  const reporting = runReplication(
    {
      ...{ log: region.log, site: region.site, signer: noteSigner(region.key), verify: verifyNote, sha256 },
      ...{ acknowledgements, relayed, logger, now: Date.now, timers: processTimers, random: Math.random },
      parentKey: { known: () => null, pin: async () => undefined },
      wishes: { cursor: async () => null, accept: async () => undefined },
      dial: () => {
        const stream = openStream(region.site, centre.site);
        replication.answer(stream.down);
        return stream.up;
      },
      ...{ software: 'test', backoffMsMax: 100 },
    },
    stopping.signal,
  );
  const assertHeld = async () => {
    const deadline = performance.now() + 30_000;
    const events = await bus.log.read({ after: LOG_START, limit: 5000 });
    for (;;) {
      const rows = await sql<{ header: Buffer }[]>`
        select header from replica_event where site = ${bus.site} order by seq`;
      if (rows.length === events.length) {
        assert.ok(rows.every(({ header }, index) => header.equals(events[index]!.header)));
        break;
      }
      if (performance.now() > deadline) assert.unreachable(`${rows.length} of ${events.length} events`);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  };
  try {
    await assertHeld();
    const [checkpoint] = await sql`select size from replica_checkpoint where site = ${bus.site}`;
    assert.is(checkpoint?.size, bus.log.head().size, 'as far as the bus has signed it');
    await rename('Bus at the depot');
    await takeIn(intakeOfRegion, bus);
    await assertHeld();
    assert.is(acknowledgements.of(bus.site).parent?.position, bus.log.head().size);
  } finally {
    stopping.abort();
    await Promise.all([reporting, ...projecting]);
    await replication[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  }
});

test.run();
