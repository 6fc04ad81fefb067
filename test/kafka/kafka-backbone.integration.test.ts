import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { createPublishingIntake, openDatabase } from '@holdfast/central';
import { createMemorySiteLog, extendEdge, LOG_START } from '@holdfast/core';
import {
  type Backbone,
  describeBackbone,
  openKafkaBackbone,
  type ReplicaIntake,
} from '@holdfast/interconnect';
import { EventId, SiteId } from '@holdfast/schema';
import { sha256 } from '@holdfast/sites';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from '../network/demonstration-network.js';
import { KafkaBroker, kafkaClassPath } from './kafka-broker.js';
import { skipByName } from './skip-by-name.js';

const test = suite('Kafka backbone');
const found = await kafkaClassPath();
let broker: KafkaBroker;

test.before(async () => {
  if ('classPath' in found) broker = await KafkaBroker.start(found.classPath);
});
test.after(async () => {
  await broker[Symbol.asyncDispose]();
});

const silent = pino({ level: process.env.LOG_LEVEL ?? 'silent' });

const open = ({ topic = `frames-${randomUUID()}`, logger = silent, partitions = 4 } = {}) =>
  openKafkaBackbone({
    ...{ brokers: [broker.address], topic, partitions, logger, random: Math.random },
    ...{ replicas: 1, retentionHours: 1, tls: false, signIn: null },
  });

describeBackbone(test, () => open());

/** One event of a site, as a frame. */
function frameOfOne() {
  const frame = {
    ...{ kind: 'batch' as const, origin: SiteId.parse(v7()), checkpoint: null, consistency: [] },
    ...{ epoch: 1, firstPosition: 1, count: 1, codec: 'IDENTITY' as const, rawByteLength: 400 },
    ...{ root: new Uint8Array(32), events: new Uint8Array(400) },
  };
  return { site: frame.origin, session: 1, frame };
}

/** All of a log with one event, in a session of its own. */
async function send(intake: ReplicaIntake, site: SiteId): Promise<string> {
  const log = createMemorySiteLog({ site, now: Date.now, sha256 });
  const newEvent = {
    ...{ id: EventId.parse(v7()), type: 'SomethingHappened', version: 1, actor: 'server:test' },
    ...{ occurredAtMs: 0, clockQuality: 'NTP' as const, causationId: null, correlationId: null },
    data: Buffer.from('{}'),
  };
  await log.append([{ stream: 'things', expected: 'any', events: [newEvent] }]);
  const { epoch, size: position } = log.head();
  const events = await log.read({ after: LOG_START, limit: 10 });
  const leafHashes = events.map(event => event.leafHash);
  const after = { epoch, position, treeEdge: extendEdge([], 0, leafHashes, sha256) };
  const { fence, cursor: before } = await intake.openSession(site);
  return intake.commit({ site, fence, before, after, events }).catch(error => error.code);
}

test('brokers that answer nothing end sessions by name, and hold up nobody else who asks the database', async () => {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-silent-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const { sql } = stack.use(await openDatabase({ directory, databaseUrl: null }));
  const backbone = stack.use(await open());
  let publishing = 0;
  const publish: Backbone['publish'] = frames => {
    publishing += 1;
    return backbone.publish(frames);
  };
  const intake = createPublishingIntake({ sql, backbone: { publish }, sha256, publishMsMax: 1_000 });
  const sites = Array.from({ length: 30 }, () => SiteId.parse(v7()));
  broker.hang();
  const sent = sites.map(site => send(intake, site));
  // More than the pool has connections.
  await eventually('all of them wait for the broker', async () => publishing === sites.length);
  await sql`select 1`;
  assert.equal([...new Set(await Promise.all(sent))], ['BACKBONE_SILENT']);
  broker.goOn();
  const deadline = Date.now() + 30_000;
  while ((await send(intake, sites[0]!)) !== 'COMMITTED') assert.ok(Date.now() < deadline, 'it goes on');
});

test('the only broker that has a frame has it on its disk before it is acknowledged', async () => {
  const topic = `frames-${randomUUID()}`;
  await using backbone = await open({ topic });
  await backbone.publish([frameOfOne()]);
  const { stdout } = await promisify(execFile)('java', [
    ...['-cp', 'classPath' in found ? found.classPath : '', 'kafka.admin.ConfigCommand', '--describe'],
    ...['--bootstrap-server', broker.address, '--entity-type', 'topics', '--entity-name', topic],
  ]);
  assert.match(stdout, /flush\.messages=1 /);
  // Whatever the broker's own default: where that is two, a topic with one replica would take nothing.
  assert.match(stdout, /min\.insync\.replicas=1 /);
});

test('a record that is no frame of ours, as of newer software, is named and passed over, and what stands around it is taken', async () => {
  const topic = `frames-${randomUUID()}`;
  const lines: string[] = [];
  const logger = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) });
  await using backbone = await open({ topic, logger, partitions: 1 });
  const stopping = new AbortController();
  const taken: SiteId[] = [];
  const reading = backbone.consume(
    {
      startOf: async () => null,
      take: async ({ frames }) => {
        taken.push(...frames.map(({ site }) => site));
        return 'TAKEN';
      },
    },
    stopping.signal,
  );
  const [before, behind] = [frameOfOne(), frameOfOne()];
  await backbone.publish([before]);
  const alien = frameOfOne();
  await backbone.publish([{ ...alien, frame: { ...alien.frame, codec: 'BROTLI' as 'ZSTD' } }]);
  await backbone.publish([behind]);
  await eventually('both come out', async () => taken.length === 2);
  stopping.abort();
  await reading;
  assert.equal(taken, [before.site, behind.site]);
  const named = lines.map(line => JSON.parse(line)).map(({ code, offset }) => [code, offset]);
  assert.equal(named, [['BACKBONE_MESSAGE_MALFORMED', '1']]);
});

test('one that was opened while brokers answer nothing takes frames when they do', async () => {
  broker.hang();
  await using backbone = await open();
  const stopping = new AbortController();
  const reached = Promise.withResolvers<void>();
  const watching = backbone.watch({ onThere: reached.resolve, onAway: () => undefined }, stopping.signal);
  let takenCount = 0;
  const reading = backbone.consume(
    {
      startOf: async () => null,
      take: async ({ frames }) => {
        takenCount += frames.length;
        return 'TAKEN';
      },
    },
    stopping.signal,
  );
  broker.goOn();
  await reached.promise;
  await backbone.publish([frameOfOne()]);
  await eventually('it comes out', async () => takenCount > 0);
  stopping.abort();
  await Promise.all([reading, watching]);
});

test('brokers that go away later are told of, and that they are there again', async () => {
  await using backbone = await open();
  const stopping = new AbortController();
  let said = '';
  const answers = {
    onThere: () => {
      said = 'there';
    },
    onAway: (error: Error & { readonly code?: string }) => {
      said = error.code ?? error.message;
    },
  };
  const watching = backbone.watch(answers, stopping.signal);
  await eventually('they are there', async () => said === 'there');
  broker.hang();
  await eventually('they are away', async () => said === 'BACKBONE_AWAY');
  broker.goOn();
  await eventually('they are there again', async () => said === 'there');
  stopping.abort();
  await watching;
});

if ('missing' in found) skipByName(`Kafka backbone: ${found.missing}`);
else test.run();
