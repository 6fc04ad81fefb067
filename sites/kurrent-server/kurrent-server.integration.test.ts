import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type AllStreamSubscription,
  BACKWARDS,
  END,
  EventStoreDBClient,
  eventTypeFilter,
  excludeSystemEvents,
  type Filter,
  jsonEvent,
  type ResolvedEvent,
  START,
  streamNameFilter,
} from '@eventstore/db-client';
import {
  createMemorySiteLog,
  LOG_START,
  leafHashOf,
  type NewEvent,
  type ReopenableLog,
  type SiteLog,
} from '@holdfast/core';
import {
  createCertificateAuthority,
  issuePeerCredentials,
  type PeerCredentials,
} from '@holdfast/interconnect';
import type { EventId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sha256 } from '../log/sha256.js';
import { openSqliteSiteLog } from '../log/sqlite-site-log.js';
import { openKurrentServer, SERVED_READS_MAX } from './kurrent-server.js';
import { SiteLogStreams } from './site-log-streams.js';

const test = suite('any client of EventStoreDB reads the log of a site');
const site = v7() as SiteId;

function newEvent(type: string, text: string): NewEvent {
  return {
    ...{ id: v7() as EventId, type, version: 1, data: Buffer.from(JSON.stringify({ text })) },
    ...{ actor: 'user:anna', occurredAtMs: Date.now(), clockQuality: 'NTP' as const },
    ...{ causationId: null, correlationId: v7() as EventId },
  };
}

const say = (log: SiteLog, stream: string, text: string, type = 'AlarmRaised') =>
  log.append([{ stream, expected: 'any', events: [newEvent(type, text)] }]);

/** A log of two epochs: LogEpochOpened, ten events in each of two streams; LogEpochOpened and what comes with it, five more. */
async function logOfTwoEpochs(): Promise<SiteLog> {
  const first = createMemorySiteLog({ site, now: Date.now, sha256 });
  for (let index = 0; index < 10; index += 1) {
    await say(first, 'alarm-1', `${index}`);
    await say(first, 'alarm-2', `${index}`, 'AlarmClosed');
  }
  const head = first.head();
  const { epoch, size: position } = head;
  const outcome = await first.reopenAs({
    ...{ common: { epoch, position }, events: [], checkpoint: { head, note: '' }, reason: 'test' },
  });
  const log: ReopenableLog = outcome.log;
  for (let index = 10; index < 15; index += 1) await say(log, 'alarm-1', `${index}`);
  return log;
}

async function served(log: SiteLog, credentials: PeerCredentials | null = null) {
  const server = await openKurrentServer({
    ...{ streams: new SiteLogStreams(log), host: '127.0.0.1', port: 0, credentials, appendBytesMax: 0 },
    logger: pino({ level: 'silent' }),
  });
  const client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${server.port}?tls=false`);
  return {
    ...{ server, client },
    async [Symbol.asyncDispose]() {
      await client.dispose();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function all(reading: AsyncIterable<ResolvedEvent>) {
  const events = [];
  for await (const { event } of reading) events.push(event!);
  return events;
}

const textsOf = (events: readonly { readonly data: unknown }[]) =>
  events.map(({ data }) => Number((data as { text?: string }).text));

test('reads a stream in both directions, from its ends and from a revision', async () => {
  await using log = await logOfTwoEpochs();
  await using site = await served(log);
  const read = (options: Parameters<EventStoreDBClient['readStream']>[1]) =>
    all(site.client.readStream('alarm-1', options)).then(textsOf);
  const counted = Array.from({ length: 15 }, (_, index) => index);
  assert.equal(await read({}), counted);
  assert.equal(await read({ fromRevision: 12n }), [12, 13, 14]);
  assert.equal(await read({ fromRevision: 3n, maxCount: 2 }), [3, 4]);
  assert.equal(await read({ direction: BACKWARDS, fromRevision: END }), counted.toReversed());
  assert.equal(await read({ direction: BACKWARDS, fromRevision: END, maxCount: 1 }), [14]);
  assert.equal(await read({ direction: BACKWARDS, fromRevision: 2n }), [2, 1, 0]);
  assert.equal(await read({ fromRevision: 99n }), []);
  const missing = await all(site.client.readStream('alarm-3')).catch(error => error.type);
  assert.is(missing, 'stream-not-found');
});

test('reads the whole log over its epochs, in both directions, and goes on from any position', async () => {
  await using log = await logOfTwoEpochs();
  await using site = await served(log);
  const recorded = await log.read({ after: LOG_START, limit: 100 });
  const events = await all(site.client.readAll());
  assert.equal(
    events.map(event => event.id as string),
    recorded.map(event => event.id as string),
  );
  const backwards = await all(site.client.readAll({ direction: BACKWARDS, fromPosition: END }));
  assert.equal(
    backwards.map(({ id }) => id).toReversed(),
    events.map(({ id }) => id),
  );
  for (const [index, event] of events.entries()) {
    const rest = await all(site.client.readAll({ fromPosition: event.position!, maxCount: 3 }));
    assert.equal(
      rest.map(({ id }) => id),
      events.slice(index, index + 3).map(({ id }) => id),
    );
    const before = await all(
      site.client.readAll({ direction: BACKWARDS, fromPosition: event.position!, maxCount: 2 }),
    );
    assert.equal(
      before.map(({ id }) => id),
      events
        .slice(Math.max(0, index - 1), index + 1)
        .map(({ id }) => id)
        .toReversed(),
    );
  }
});

test('gives the data as JSON, and with the header whatever proves it', async () => {
  await using log = await logOfTwoEpochs();
  await using site = await served(log);
  const recorded = (await log.read({ after: LOG_START, limit: 100 }))[3]!;
  const event = (await all(site.client.readAll({ maxCount: 4 })))[3]!;
  const metadata = event.metadata as Record<string, string>;
  assert.equal(
    [event.type, event.streamId, Number(event.revision), event.isJson, event.data],
    [recorded.type, recorded.stream, recorded.revision, true, { text: '1' }],
  );
  assert.is(event.created.getTime(), Number(recorded.recordedAt >> 16n));
  assert.is(metadata.actor, 'user:anna');
  assert.is(metadata.$correlationId, recorded.correlationId);
  const header = Buffer.from(metadata.header!, 'base64');
  const leafHash = leafHashOf(header, Buffer.from(JSON.stringify(event.data)), sha256);
  assert.equal(leafHash, recorded.leafHash);
});

test('filters by stream and by type', async () => {
  await using log = await logOfTwoEpochs();
  await using site = await served(log);
  const count = async (filter: Filter) => {
    const subscription = site.client.subscribeToAll({ fromPosition: START, filter });
    let passed = 0;
    subscription.on('data', () => {
      passed += 1;
    });
    await new Promise((resolve, reject) => {
      subscription.on('caughtUp', () => setImmediate(resolve, null));
      subscription.on('error', reject);
    });
    await subscription.unsubscribe();
    return passed;
  };
  const total = (await log.read({ after: LOG_START, limit: 99 })).length;
  assert.is(await count(streamNameFilter({ prefixes: ['alarm-'] })), 25);
  assert.is(await count(streamNameFilter({ regex: '^alarm-[2-9]$' })), 10);
  assert.is(await count(eventTypeFilter({ prefixes: ['AlarmClosed', 'Log'] })), total - 15);
  assert.is(await count(excludeSystemEvents()), total);
  const refused = await count(eventTypeFilter({ regex: '^(a+)+$' })).catch(error => error.message);
  assert.match(refused, /repeats a group/);
});

test('follows the whole log from the past into the present, with checkpoints of what was filtered away', async () => {
  await using log = await logOfTwoEpochs();
  await using site = await served(log);
  const checkpoints: bigint[] = [];
  const checkpointReached = (_: AllStreamSubscription, { commit }: { commit: bigint }) => {
    checkpoints.push(commit);
  };
  const filter = streamNameFilter({
    prefixes: ['alarm-1'],
    checkpointInterval: 1,
    maxSearchWindow: 4,
    checkpointReached,
  });
  const subscription = site.client.subscribeToAll({ fromPosition: START, filter });
  let isCaughtUp = false;
  subscription.on('caughtUp', () => {
    isCaughtUp = true;
    void say(log, 'alarm-2', '0').then(() => say(log, 'alarm-1', '15'));
  });
  const texts: number[] = [];
  for await (const { event } of subscription) {
    texts.push(...textsOf([event!]));
    if (texts.length === 16) break;
  }
  await subscription.unsubscribe();
  assert.equal(
    texts,
    Array.from({ length: 16 }, (_, index) => index),
  );
  assert.ok(isCaughtUp);
  assert.ok(checkpoints.length > 0);
});

test('follows a stream behind a revision, and misses and repeats nothing where the past ends', async () => {
  await using log = await logOfTwoEpochs();
  await using site = await served(log);
  const subscription = site.client.subscribeToStream('alarm-1', { fromRevision: 11n });
  const writing = (async () => {
    for (let index = 15; index < 100; index += 1) {
      await say(log, 'alarm-1', `${index}`);
      await say(log, 'alarm-2', `${index}`);
      if (index % 10 === 0) await new Promise(setImmediate);
    }
  })();
  const texts: number[] = [];
  for await (const { event } of subscription) {
    texts.push(...textsOf([event!]));
    if (texts.at(-1) === 99) break;
  }
  await subscription.unsubscribe();
  await writing;
  assert.equal(
    texts,
    Array.from({ length: 88 }, (_, index) => index + 12),
  );
});

test('serves what a truncated log still has: from the start, backwards over the cut, and to who follows it', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-served-log-'));
  try {
    const signingKey = generateKeyPairSync('ed25519').privateKey;
    await using log = await openSqliteSiteLog({
      ...{ file: path.join(directory, 'site-log.sqlite'), site, now: Date.now, signingKey },
    });
    // Alarms are carried over a cut, recordings are not.
    for (let index = 0; index < 3; index += 1) await say(log, 'alarm-1', `${index}`);
    for (let index = 3; index < 400; index += 1) await say(log, 'alarm-1', `${index}`, 'RecordingSealed');
    await log.signedCheckpoint();
    const { epoch, size } = log.head();
    await log.truncate(
      { keptAfter: { epoch, position: size - 3 }, acknowledgedBy: 'PARENT', recordedBeforeMs: Date.now() },
      new AbortController().signal,
    );
    const kept = await log.read({ after: LOG_START, limit: 500, carried: true });
    assert.ok(kept.length < 20);
    const ids = kept.map(({ id }) => id as string);
    await using facade = await served(log);
    const idsOf = (events: readonly { readonly id: string }[]) => events.map(({ id }) => id);
    assert.equal(idsOf(await all(facade.client.readAll())), ids);
    const backwards = { direction: BACKWARDS, fromPosition: END } as const;
    assert.equal(idsOf(await all(facade.client.readAll(backwards))), ids.toReversed());
    const alarm = (options: Parameters<EventStoreDBClient['readStream']>[1]) =>
      all(facade.client.readStream('alarm-1', options)).then(textsOf);
    assert.equal(await alarm({ fromRevision: START }), [0, 1, 2, 397, 398, 399]);
    assert.equal(
      await alarm({ direction: BACKWARDS, fromRevision: END, maxCount: 10 }),
      [399, 398, 397, 2, 1, 0],
    );
    assert.equal(await alarm({ direction: BACKWARDS, fromRevision: 300n, maxCount: 2 }), [2, 1]);
    const followed: string[] = [];
    for await (const { event } of facade.client.subscribeToAll()) {
      followed.push(event!.id);
      if (followed.length === ids.length) break;
    }
    assert.equal(followed, ids);
    for await (const { event } of facade.client.subscribeToStream('alarm-1')) {
      assert.equal(textsOf([event!]), [0]);
      break;
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('takes no append, whichever way it comes', async () => {
  await using log = await logOfTwoEpochs();
  await using site = await served(log);
  const event = jsonEvent({ type: 'AlarmRaised', data: { text: 'forged' } });
  const credentials = { username: 'admin', password: 'changeit' };
  const codeOf = (appending: Promise<unknown>) =>
    appending.then(
      () => 'taken',
      error => error.type,
    );
  assert.is(await codeOf(site.client.appendToStream('alarm-1', event)), 'access-denied');
  assert.is(await codeOf(site.client.appendToStream('alarm-1', event, { credentials })), 'access-denied');
  assert.is(await codeOf(site.client.deleteStream('alarm-1')), 'access-denied');
  assert.is((await log.readStream({ stream: 'alarm-1', afterRevision: null, limit: 99 })).length, 15);
});

test('says by name what is wrong with a request, and serves the next one', async () => {
  await using log = await logOfTwoEpochs();
  await using site = await served(log);
  const refused = await all(site.client.readStream('')).catch(error => error.message);
  assert.match(refused, 'INVALID_ARGUMENT: STREAM_REQUEST: the name of a stream is missing');
  assert.ok((await all(site.client.readAll({ maxCount: 1 }))).length === 1);
});

test('serves so many at a time, and another one when one has gone', async () => {
  await using log = await logOfTwoEpochs();
  await using site = await served(log);
  const subscriptions = [];
  for (let count = 0; count < SERVED_READS_MAX; count += 1) {
    const subscription = site.client.subscribeToAll({ fromPosition: END });
    subscription.on('error', () => undefined);
    await new Promise(resolve => subscription.once('confirmation', () => resolve(null)));
    subscriptions.push(subscription);
  }
  const refused = await all(site.client.readAll({ maxCount: 1 })).catch(error => error.message);
  assert.match(refused, /served already/);
  await subscriptions[0]!.unsubscribe();
  for (;;) {
    const events = await all(site.client.readAll({ maxCount: 1 })).catch(() => null);
    if (events !== null) break;
  }
  for (const subscription of subscriptions) await subscription.unsubscribe();
});

test('speaks over TLS to clients with a certificate of the authority only, and without it on the loopback only', async () => {
  const nowMs = Date.now();
  const authority = await createCertificateAuthority({ name: 'Test', nowMs });
  const credentials = await issuePeerCredentials(authority, { site, role: 'site', nowMs });
  await using log = await logOfTwoEpochs();
  await using secured = await served(log, credentials);
  const clientWith = (certificate: { userCertFile?: Buffer; userKeyFile?: Buffer }) =>
    new EventStoreDBClient(
      { endpoint: `127.0.0.1:${secured.server.port}` },
      {
        rootCertificate: Buffer.from(credentials.authorityPem),
        verifyOptions: { checkServerIdentity: () => undefined },
        ...certificate,
      },
    );
  const known = clientWith({
    userCertFile: Buffer.from(credentials.certificatePem),
    userKeyFile: Buffer.from(credentials.privateKeyPem),
  });
  assert.is((await all(known.readAll({ maxCount: 3 }))).length, 3);
  const unknown = clientWith({});
  assert.is(await all(unknown.readAll({ maxCount: 1 })).catch(error => error.type), 'unavailable');
  await known.dispose();
  await unknown.dispose();
  const open = openKurrentServer({
    ...{ streams: new SiteLogStreams(log), host: '0.0.0.0', port: 0, credentials: null, appendBytesMax: 0 },
    logger: pino({ level: 'silent' }),
  });
  assert.is(
    await open.then(
      () => 'listens',
      error => error.code,
    ),
    'GRPC_CANNOT_LISTEN',
  );
});

test.run();
