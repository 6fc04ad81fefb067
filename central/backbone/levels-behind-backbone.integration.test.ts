import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { LOG_START } from '@holdfast/core';
import {
  Acknowledgements,
  createMemoryBackbone,
  createMemoryReplicaIntake,
  createReplicationService,
  processTimers,
  RelayedReplicas,
} from '@holdfast/interconnect';
import { noteSigner, sha256, verifyNote } from '@holdfast/sites';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createPostgresReplicaIntake } from '../intake/postgres-replica-intake.js';
import { enrol, newNode, report, say, takeIn } from '../link/levels.fixture.js';
import { createFeedOriginKeys } from '../link/origin-keys.js';
import { openDatabase } from '../postgres/database.js';
import { FeedWriter } from './feed-writer.js';
import { createPublishingIntake } from './publishing-intake.js';
import { createSettledReplicas } from './settled-replicas.js';

const test = suite('several levels behind a backbone');
const logger = pino({ level: 'silent' });

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
    backbone.consume(
      new FeedWriter({ sql, topic: 'levels', sha256, logger, onUnstorable: assert.unreachable }),
      stopping.signal,
    ),
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
  const reporting = report(
    { ...{ from: region, to: centre.site, replication, relayed, acknowledgements }, logger },
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
