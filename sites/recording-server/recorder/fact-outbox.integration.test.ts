import { generateKeyPairSync } from 'node:crypto';
import path from 'node:path';
import type {
  DeviceId,
  EventId,
  RecordingServerId,
  SealedSegment,
  SegmentId,
  SiteId,
} from '@holdfast/schema';
import pino from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSqliteSiteLog } from '../../log/sqlite-site-log.js';
import { openTestDatabase, temporaryFolder } from '../media-database/media-fixture.js';
import { FactOutbox } from './fact-outbox.js';

const test = suite('fact outbox');

const recordingServerId = v7() as RecordingServerId;
const deviceId = v7() as DeviceId;

test('whatever piled up while the log was away comes into it, once and in order', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await using log = await openSqliteSiteLog({
    ...{ file: path.join(folder.path, 'log', 'site.sqlite'), site: v7() as SiteId, now: Date.now },
    signingKey: generateKeyPairSync('ed25519').privateKey,
  });
  const outbox = new FactOutbox({
    ...{ database, log, actor: 'server:test', now: Date.now, random: Math.random },
    ...{ newId: () => v7() as EventId, logger: pino({ level: 'silent' }) },
  });
  const segments = Array.from({ length: 200 }, () => ({
    ...{
      segmentId: v7() as SegmentId,
      fromMs: 0,
      toMs: 1,
      fragmentCount: 1,
      byteLength: 1,
      digest: 'ab'.repeat(32),
    },
    ...{ timeSource: 'ARRIVAL', beganBecause: 'SERVER_STARTED', endedBecause: 'SERVER_STOPPED' },
  })) as SealedSegment[];
  const stream = `recording-${deviceId}`;
  const reportCount = 120;
  for (let toMs = 1; toMs <= reportCount; toMs += 1) {
    const gaps = [{ fromMs: 0, toMs, cause: 'SERVER_STOPPED' } as const];
    outbox.put(stream, { type: 'RecordingSealed', data: { deviceId, recordingServerId, segments, gaps } });
  }
  await outbox.send();
  const stored: number[] = [];
  while (stored.length < reportCount) {
    const page = await log.readStream({ stream, afterRevision: stored.length - 1, limit: 1000 });
    stored.push(...page.map(event => JSON.parse(Buffer.from(event.data).toString()).gaps[0].toMs));
  }
  assert.equal(
    stored,
    Array.from({ length: reportCount }, (_, index) => index + 1),
  );
  assert.equal(database.facts(10), []);
  await outbox.send();
  assert.is(log.head().size, 1 + reportCount);
});

test('while the disk takes no writes facts reach the log once and in order, and are let go of when it does', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await using log = await openSqliteSiteLog({
    ...{ file: path.join(folder.path, 'log', 'site.sqlite'), site: v7() as SiteId, now: Date.now },
    signingKey: generateKeyPairSync('ed25519').privateKey,
  });
  let readOnly = false;
  // Stands in for a disk that became read-only under an index that is open: none can be had to order.
  const write = <Arguments extends readonly unknown[]>(work: (...given: Arguments) => void) => {
    return (...given: Arguments) => {
      if (readOnly) throw new Error('attempt to write a readonly database');
      work(...given);
    };
  };
  const outbox = new FactOutbox({
    ...{ log, actor: 'server:test', now: Date.now, random: Math.random },
    ...{ newId: () => v7() as EventId, logger: pino({ level: 'silent' }) },
    database: {
      facts: limit => database.facts(limit),
      factCount: () => database.factCount(),
      putFact: write(fact => database.putFact(fact)),
      removeFacts: write((...told) => database.removeFacts(...told)),
    },
  });
  const stream = `device-health-${deviceId}`;
  const put = (atMs: number) =>
    outbox.put(stream, { type: 'MotionBegan', data: { deviceId, recordingServerId, atMs } });
  const told = async () => {
    const events = await log.readStream({ stream, afterRevision: null, limit: 1000 });
    return events.map(event => JSON.parse(Buffer.from(event.data).toString()).atMs);
  };
  put(1);
  put(2);
  readOnly = true;
  put(3);
  await outbox.send();
  assert.equal(await told(), [1, 2, 3]);
  put(4);
  await outbox.send();
  await outbox.send();
  assert.equal(await told(), [1, 2, 3, 4]);
  assert.is(database.facts(10).length, 2);
  readOnly = false;
  put(5);
  await outbox.send();
  assert.equal(await told(), [1, 2, 3, 4, 5]);
  assert.equal(database.facts(10), []);
  for (let atMs = 6; atMs < 200; atMs += 1) put(atMs);
  readOnly = true;
  put(200);
  await outbox.send();
  assert.equal(
    await told(),
    Array.from({ length: 200 }, (_, index) => index + 1),
  );
});

test.run();
