import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { type NewEvent, newEvent, placeKey } from '@holdfast/core';
import type {
  DeviceId,
  EventId,
  HoldfastEvent,
  RecordingServerId,
  SealedSegment,
  SegmentId,
  SiteId,
  StorageId,
} from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSqliteSiteLog } from './log/sqlite-site-log.js';
import {
  never,
  openTestDatabase,
  pictureGroup,
  temporaryFolder,
  testInit,
} from './recording-server/media-database/media-fixture.js';
import { sealEvents } from './recording-server/retention/seal-facts.js';
import { mediaDirectoryOf, siteLogFileOf } from './site-directory.js';
import { loadSiteKeys, siteLogKeyFileOf } from './site-keys.js';
import { verifySiteDirectory } from './verify-site-directory.js';

const test = suite('verifying a site directory');

const recordingServerId = v7() as RecordingServerId;
const deviceId = v7() as DeviceId;
const segmentId = v7() as SegmentId;
const segment = {
  ...{ segmentId, fromMs: 0, toMs: 1, fragmentCount: 1, byteLength: 1, digest: 'ab'.repeat(32) },
  ...{ timeSource: 'ARRIVAL', beganBecause: 'SERVER_STARTED', endedBecause: 'SERVER_STOPPED' },
} as SealedSegment;
const recording = { deviceId, recordingServerId };

async function siteWith(folder: string) {
  const site = v7() as SiteId;
  const signingKey = loadSiteKeys(folder).logKey;
  const log = await openSqliteSiteLog({ file: siteLogFileOf(folder), site, now: Date.now, signingKey });
  const say = async (event: HoldfastEvent) => {
    const facts = {
      id: v7() as EventId,
      actor: 'server:test',
      occurredAtMs: 1,
      clockQuality: 'NTP',
    } as const;
    await log.append([{ stream: 'test', expected: 'any', events: [newEvent(event, facts)] }]);
  };
  await say({ type: 'RecordingServerRegistered', data: { recordingServerId, name: 'Recorder' } });
  await say({ type: 'RecordingSealed', data: { ...recording, segments: [segment], gaps: [] } });
  return Object.assign(log, { say });
}

test('no event counts as signed where the key of the log is not at hand, and its public half is enough', async () => {
  await using folder = await temporaryFolder();
  {
    await using log = await siteWith(folder.path);
    await log.signedCheckpoint();
  }
  const file = siteLogKeyFileOf(folder.path);
  const privateKey = readFileSync(file);
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
  const other = generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'pem' });
  for (const [kept, signedEventCount] of [
    [privateKey, 3],
    [publicKey, 3],
    ['no key', 0],
    [Buffer.concat([privateKey, Buffer.alloc(64 * 1024)]), 0],
    [other, 0],
    [null, 0],
  ] as const) {
    if (kept === null) rmSync(file);
    else writeFileSync(file, kept);
    const verified = await verifySiteDirectory(folder.path, { signal: never });
    assert.is(verified.signedEventCount, signedEventCount);
    const missing = verified.unreachable.filter(({ code }) => code === 'LOG_KEY_MISSING');
    assert.is(missing.length, signedEventCount === 0 ? 1 : 0);
    if (signedEventCount === 0) assert.match(missing[0]!.detail, file);
  }
});

test('a segment that the log knows and nobody deleted is missed by name', async () => {
  await using folder = await temporaryFolder();
  await using _log = await siteWith(folder.path);
  const { damages, segmentCount } = await verifySiteDirectory(folder.path, { signal: never });
  assert.is(segmentCount, 1);
  assert.equal(
    damages.map(damage => [damage.where, damage.code]),
    [[`media/${recordingServerId}`, 'FILE_MISSING']],
  );
});

test('recordings are held against what is whole of a damaged log, and what the rest may say is not called proven', async () => {
  await using folder = await temporaryFolder();
  {
    await using log = await siteWith(folder.path);
    await log.say({
      type: 'RecordingDeleted',
      data: { ...recording, segmentIds: [segmentId], fromMs: 0, toMs: 1, policy: 'RETENTION_AGE' },
    });
    const dir = mediaDirectoryOf(folder.path, recordingServerId);
    await mkdir(path.dirname(dir), { recursive: true });
    await using database = await openTestDatabase(dir, { recordingServerId });
    database.beginRun({ deviceId, init: testInit(), cause: 'SERVER_STARTED' });
    database.append(deviceId, pictureGroup(0));
    await database.endRun({ deviceId, cause: 'SERVER_STOPPED' });
    const events: HoldfastEvent[] = [];
    database.reportSealed(told => {
      events.push(...sealEvents(recordingServerId, told));
      return [];
    });
    for (const event of events) await log.say(event);
  }
  const verifyAfter = async (damage: string) => {
    {
      using db = new DatabaseSync(siteLogFileOf(folder.path));
      db.exec(damage);
    }
    return verifySiteDirectory(folder.path, { signal: never });
  };
  const [third, fourth] = [3, 4].map(position => placeKey({ epoch: 1, position }));
  const flipped = await verifyAfter(`UPDATE event SET data = x'7b7d' WHERE key = ${fourth}`);
  const codes = (found: readonly { readonly code: string }[]) => found.map(({ code }) => code);
  assert.equal(codes(flipped.damages), ['LEAF_HASH_MISMATCH'], 'what is missing may have been deleted');
  assert.equal(codes(flipped.unreachable), ['RECORDINGS_UNPROVEN', 'RECORDINGS_UNPROVEN']);
  assert.match(flipped.unreachable[0]!.detail, segmentId);
  assert.match(flipped.unreachable[1]!.detail, '1 events (1/4) that cannot be read');
  assert.equal(flipped.unreadEvents.spans, [{ epoch: 1, from: 4, to: 4 }]);
  assert.equal([flipped.segmentCount, flipped.unsignedSegmentCount], [2, 0], 'the leaf hash is there');

  // The last event is a subtree of its own, whose hash the file keeps.
  const lost = await verifyAfter(`DELETE FROM event WHERE key IN (${third}, ${fourth})`);
  assert.is(lost.damages[0]!.code, 'EVENT_MISSING');
  assert.match(lost.unreachable[0]!.detail, '2 events (1/3 to 1/4) that cannot be read');
  assert.equal([lost.segmentCount, lost.unsignedSegmentCount, lost.signedEventCount], [1, 0, 1]);

  const unsigned = await verifyAfter('DELETE FROM checkpoint');
  assert.equal([unsigned.segmentCount, unsigned.unsignedSegmentCount], [1, 1]);
  assert.match(
    unsigned.unreachable[0]!.detail,
    '1 segments are held against events that only their own hashes',
  );
});

test('a deletion that nobody signed does not hide from a damaged log that the file is gone', async () => {
  await using folder = await temporaryFolder();
  const deletion: HoldfastEvent = {
    type: 'RecordingDeleted',
    data: { ...recording, segmentIds: [segmentId], fromMs: 0, toMs: 1, policy: 'RETENTION_AGE' },
  };
  {
    await using log = await siteWith(folder.path);
    await log.say(deletion);
  }
  const verifyAfter = async (damage: string) => {
    {
      using db = new DatabaseSync(siteLogFileOf(folder.path));
      db.exec(damage);
    }
    return verifySiteDirectory(folder.path, { signal: never });
  };
  const signed = await verifyAfter('');
  assert.equal([signed.damages, signed.unsignedDeletedCount, signed.segmentCount], [[], 0, 0]);
  // As at the end of a log that is written: it is whole, and not signed to its end.
  const end = await verifyAfter('DELETE FROM checkpoint WHERE size > 3');
  assert.equal([end.damages, end.unreachable, end.segmentCount], [[], [], 0]);
  assert.is(end.unsignedDeletedCount, 1);
  // Behind what is missing no signature is met.
  const hidden = await verifyAfter(`DELETE FROM event WHERE key = ${placeKey({ epoch: 1, position: 1 })}`);
  assert.ok(hidden.damages.some(({ code }) => code === 'EVENT_MISSING'));
  assert.match(hidden.unreachable.map(({ code, detail }) => `${code} ${detail}`).join(), segmentId);
});

test('what a running site deletes while it is verified is no damage', async () => {
  await using folder = await temporaryFolder();
  await using log = await siteWith(folder.path);
  const verifying = verifySiteDirectory(folder.path, { signal: never });
  // After the log was read, which takes some ms here, and before it is asked again, which is 2 s later.
  await delay(800);
  await log.say({
    type: 'RecordingDeleted',
    data: { ...recording, segmentIds: [segmentId], fromMs: 0, toMs: 1, policy: 'RETENTION_AGE' },
  });
  assert.equal((await verifying).damages, []);
});

test('an event of a newer version that has nothing to do with media is no damage', async () => {
  await using folder = await temporaryFolder();
  await using log = await siteWith(folder.path);
  const event: NewEvent = {
    ...{
      id: v7() as EventId,
      type: 'SomethingOfTomorrow',
      version: 1,
      data: Buffer.from('{}'),
      actor: 'server:test',
    },
    ...{ occurredAtMs: 1, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
  await log.append([{ stream: 'tomorrow', expected: 'any', events: [event] }]);
  const { damages } = await verifySiteDirectory(folder.path, { signal: never });
  assert.equal(
    damages.map(damage => damage.code),
    ['FILE_MISSING'],
  );
});

test('an event about recordings of a newer version is named, and what it may say is not called proven', async () => {
  await using folder = await temporaryFolder();
  await using log = await siteWith(folder.path);
  const event: NewEvent = {
    ...{
      id: v7() as EventId,
      type: 'RecordingSealed',
      version: 99,
      data: Buffer.from('{}'),
      occurredAtMs: 1,
    },
    ...{ actor: 'server:test', clockQuality: 'NTP', causationId: null, correlationId: null },
  };
  await log.append([{ stream: 'tomorrow', expected: 'any', events: [event] }]);
  const { damages, unreachable } = await verifySiteDirectory(folder.path, { signal: never });
  assert.equal(
    damages.map(({ where, code }) => [where, code]),
    [['log', 'EVENTS_UNREADABLE']],
    'the file that is missing may be deleted by that event',
  );
  assert.match(damages[0]!.detail, `position 1/${log.head().size}: `);
  assert.ok(unreachable.some(({ code }) => code === 'RECORDINGS_UNPROVEN'));
});

const otherwise = (known: SealedSegment): SealedSegment => ({ ...known, digest: 'cd'.repeat(32) });

test('a reduced segment is proved by the digest that the log links to the one before, and by no other', async () => {
  await using folder = await temporaryFolder();
  const archive = path.join(folder.path, 'archive');
  await using log = await siteWith(folder.path);
  await log.say({
    type: 'RecordingDeleted',
    data: { ...recording, segmentIds: [segmentId], fromMs: 0, toMs: 1, policy: 'RETENTION_AGE' },
  });
  const stage = { retentionDays: 7, byteLengthMax: null, freeBytesLow: 0 };
  await log.say({
    type: 'StorageConfigured',
    data: {
      ...{
        recordingServerId,
        storageId: v7() as StorageId,
        name: 'Vault',
        isDefault: true,
        encryption: 'NONE',
      },
      live: { ...stage, path: null },
      archives: [
        {
          ...{ ...stage, retentionDays: 30, path: archive, objectStore: null, keyFramesOnly: true },
          schedule: { kind: 'EVERY', minutes: 1 },
        },
      ],
    },
  });
  const dir = mediaDirectoryOf(folder.path, recordingServerId);
  await mkdir(path.dirname(dir), { recursive: true });
  await using database = await openTestDatabase(dir, { recordingServerId, stages: [archive] });
  database.beginRun({ deviceId, init: testInit(), cause: 'SERVER_STARTED' });
  database.append(deviceId, pictureGroup(0));
  await database.endRun({ deviceId, cause: 'SERVER_STOPPED' });
  const events: HoldfastEvent[] = [];
  const report = () =>
    database.reportSealed(told => {
      events.push(...sealEvents(recordingServerId, told));
      return [];
    });
  report();
  const [stored] = database.segments({
    deviceId,
    fromMs: 0,
    toMs: Number.MAX_SAFE_INTEGER,
    after: null,
    limit: 1,
  });
  await database.moveSegment({
    ...{ segmentId: stored!.segment.segmentId, toStage: archive, signal: never, mayReduce: () => true },
  });
  report();
  assert.equal(
    events.map(({ type }) => type),
    ['RecordingSealed', 'RecordingReduced'],
  );
  await log.say(events[0]!);
  const codes = async () =>
    (await verifySiteDirectory(folder.path, { signal: never })).damages.map(({ code }) => code);
  // A site that runs tells of it a moment after it has done it.
  const verifying = codes();
  await delay(3000);
  await log.say(events[1]!);
  assert.equal(await verifying, []);
  assert.equal(await codes(), []);
  await log.say({
    type: 'RecordingSealed',
    data: { ...recording, segments: [otherwise(stored!.segment)], gaps: [] },
  });
  assert.equal(await codes(), ['FILE_DAMAGED']);
});

test.run();
