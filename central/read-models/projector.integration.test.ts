import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { RecordedEvent } from '@holdfast/core';
import type { AlarmId, DeviceId, HardwareId, RecordingServerId, SegmentId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FeedFixture, takeIn as takeInto } from '../intake/feed-fixture.js';
import { type Database, openDatabase } from '../postgres/database.js';
import { readDeviceHealth, readRecordingServerHealth } from './health/health.query.js';
import { Projections } from './projections.js';
import type { QuarantineRow } from './quarantine.js';
import type { ReadModel } from './read-model.js';
import { readModels } from './read-models.js';
import { createRetrievalFacts } from './retrieval/retrieval-facts.query.js';
import { Wakeup } from './wakeup.js';

const test = suite('projector');
let directory = '';
let database: Database;
const own = new FeedFixture();
const child = new FeedFixture();
const other = new FeedFixture();
const quarantined: QuarantineRow[] = [];

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-projector-'));
  database = await openDatabase({ directory, databaseUrl: null });
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const id = <Id>() => randomUUID() as Id;
const alarmId = id<AlarmId>();
const deviceId = id<DeviceId>();
const hardwareId = id<HardwareId>();
const recordingServerId = id<RecordingServerId>();
const t0 = Date.UTC(2026, 10, 20, 12);
const segment = (index: number) => ({
  segmentId: id<SegmentId>(),
  ...{ fromMs: t0 + index * 60_000, toMs: t0 + (index + 1) * 60_000, fragmentCount: 30, byteLength: 1000 },
  ...{ digest: 'ab'.repeat(32), timeSource: 'SENDER_REPORT' as const },
  ...{ beganBecause: 'RECORDING_CONTINUED' as const, endedBecause: 'RECORDING_CONTINUED' as const },
});
const segments = [segment(0), segment(1), segment(2)];
const reduced = {
  ...{ segmentId: segments[1]!.segmentId, fragmentCount: 1, byteLength: 99 },
  ...{ digest: 'ef'.repeat(32), previousDigest: segments[1]!.digest },
};

function projectionsOf(models: readonly ReadModel[] = readModels): Projections {
  const fails = (error: unknown) => {
    throw error;
  };
  return new Projections({
    ...{ sql: database.sql, ownSite: own.site, models, feedGrown: new Wakeup() },
    ...{ now: () => t0, random: Math.random },
    reports: {
      onQuarantined: row => quarantined.push(row),
      ...{
        onHalted: fails,
        onGivenUp: fails,
        onRetry: fails,
        onDifference: fails,
        onReleased: () => undefined,
      },
    },
  });
}

const takeIn = (events: readonly RecordedEvent[]) => takeInto(database.sql, events);

async function snapshot(): Promise<string> {
  const tables = readModels.flatMap(model => model.tables).concat('change', 'quarantined_event');
  const rows = await Promise.all(
    tables.map(
      table =>
        database.sql`select to_jsonb(t) as row from ${database.sql(table)} t order by to_jsonb(t)::text`,
    ),
  );
  return JSON.stringify(rows);
}

test('folds what happened at a site into what a central remembers', async () => {
  await takeIn([
    own.event('site', {
      type: 'SiteEstablished',
      data: { siteId: own.site, name: 'Centre', sealingPublicKey: 'AAAA' },
    }),
    own.event(`child-site-${child.site}`, {
      type: 'ChildSiteEnrolled',
      data: { siteId: child.site, name: 'Bus', certificateSha256: 'cd'.repeat(32) },
    }),
    own.event(`link-${child.site}`, {
      type: 'LinkEstablished',
      data: { siteId: child.site, atMs: t0, session: 1 },
    }),
  ]);
  const ofDevice = { deviceId, recordingServerId };
  await takeIn([
    child.event('site', {
      type: 'SiteEstablished',
      data: { siteId: child.site, name: 'Bus 7', sealingPublicKey: 'BBBB' },
    }),
    child.event('rs', { type: 'RecordingServerRegistered', data: { recordingServerId, name: 'Recorder' } }),
    child.event('rs', {
      type: 'RecordingServerRetentionSet',
      data: { recordingServerId, retentionDays: 7, byteLengthMax: null },
    }),
    child.event(`hardware-${hardwareId}`, {
      type: 'HardwareAdded',
      data: {
        ...{
          hardwareId,
          name: 'Front',
          driver: 'rtsp',
          transport: 'AUTO',
          address: 'rtsp://10.0.0.1/',
          sealedCredentials: null,
        },
        ...{ recordingServerId, devices: [{ deviceId, type: 'CAMERA', name: 'Front door \u0000' }] },
      },
    }),
    child.event(`alarm-${alarmId}`, {
      type: 'AlarmRaised',
      data: {
        ...{ alarmId, localNumber: 1, name: 'Door', message: '', priority: 1, sourceDeviceId: deviceId },
        ...{ sourceName: 'Front door', raisedAtMs: t0 },
      },
    }),
    child.event(`alarm-${alarmId}`, { type: 'AlarmAcknowledged', data: { alarmId } }),
    child.event(`alarm-${alarmId}`, { type: 'AlarmClosed', data: { alarmId, reason: 'false alarm' } }),
    child.event(`recording-${deviceId}`, {
      type: 'RecordingStarted',
      data: { ...ofDevice, atMs: t0, cause: 'CAMERA_CONNECTED' },
    }),
    child.event(`recording-${deviceId}`, {
      type: 'RecordingSealed',
      data: { ...ofDevice, segments, gaps: [] },
    }),
    child.event(`recording-${deviceId}`, {
      type: 'RecordingDeleted',
      data: {
        ...ofDevice,
        segmentIds: [segments[0]!.segmentId],
        fromMs: t0,
        toMs: t0 + 60_000,
        policy: 'RETENTION_AGE',
      },
    }),
    child.event(`recording-${deviceId}`, {
      type: 'RecordingReduced',
      data: { ...ofDevice, fromMs: segments[1]!.fromMs, toMs: segments[1]!.toMs, segments: [reduced] },
    }),
  ]);
  const projections = projectionsOf();
  await projections.settle();
  await projections.projector.catchUp();
  const { sql } = database;
  const [site] = await sql`select name, parent_id from site where id = ${child.site}`;
  assert.equal({ ...site }, { name: 'Bus 7', parentId: own.site });
  const [alarm] = await sql`select state, closed_reason from alarm where id = ${alarmId}`;
  assert.equal({ ...alarm }, { state: 'CLOSED', closedReason: 'false alarm' });
  const [stored] = await sql`
    select digest, fragment_count, byte_length, lost_because, key_frames_only from recording_segment where segment_id = ${reduced.segmentId}`;
  const { digest, fragmentCount, byteLength } = reduced;
  assert.equal({ ...stored }, { digest, fragmentCount, byteLength, lostBecause: null, keyFramesOnly: true });
  const [device] = await sql`select name from device where id = ${deviceId}`;
  assert.is(device!.name, 'Front door \uFFFD');
  const changes = await sql`select state ->> 'state' as state from change where kind = 'alarm' order by seq`;
  assert.equal(
    changes.map(row => row.state),
    ['NEW', 'IN_PROGRESS', 'CLOSED'],
  );
  assert.equal(quarantined, []);
});

test('shows of a device and its recording server what they last said, and forgets moments over a crash', async () => {
  const [camera, server] = [id<DeviceId>(), id<RecordingServerId>()];
  const ofDevice = { deviceId: camera, recordingServerId: server };
  const stream = `device-health-${camera}`;
  const ofServer = `recording-server-health-${server}`;
  const health = async () => {
    await projectionsOf().projector.catchUp();
    const [device] = await readDeviceHealth(database.sql, [camera]);
    const [recorder] = await readRecordingServerHealth(database.sql, [server]);
    return { device: device!, recorder: recorder! };
  };
  await takeIn([
    child.event(ofServer, {
      type: 'RecordingServerRegistered',
      data: { recordingServerId: server, name: 'Second' },
    }),
    child.event(`recording-${camera}`, {
      type: 'RecordingStarted',
      data: { ...ofDevice, atMs: t0, cause: 'MOTION' },
    }),
    child.event(stream, { type: 'MotionBegan', data: { ...ofDevice, atMs: t0 + 1 } }),
    child.event(stream, {
      type: 'DeviceOverflowBegan',
      data: { ...ofDevice, atMs: t0 + 2, cause: 'DISK_SLOW' },
    }),
    child.event(ofServer, {
      type: 'DiskSlowed',
      data: { recordingServerId: server, atMs: t0 + 3, writeMs: 800 },
    }),
    child.event(ofServer, {
      type: 'RecordingServerOverloaded',
      data: {
        ...{ recordingServerId: server, atMs: t0 + 4, cause: 'WRITE_QUEUE', delayMs: 6000 },
        shedViewerCount: 2,
      },
    }),
  ]);
  const before = await health();
  assert.equal(
    [before.device.recording, before.device.recordingCause, before.device.motionSinceMs],
    [true, 'MOTION', t0 + 1],
  );
  assert.equal([before.device.overflowSinceMs, before.device.overflowCause], [t0 + 2, 'DISK_SLOW']);
  assert.equal([before.recorder.diskSlowSinceMs, before.recorder.overloadedSinceMs], [t0 + 3, t0 + 4]);
  await takeIn([
    child.event(ofServer, {
      type: 'RecordingServerStarted',
      data: { recordingServerId: server, atMs: t0 + 5, softwareVersion: 'test' },
    }),
    child.event(`recording-${camera}`, {
      type: 'RecordingStopped',
      data: { ...ofDevice, atMs: t0 + 3, cause: 'SERVER_CRASHED' },
    }),
  ]);
  const { device, recorder } = await health();
  assert.equal([device.motionSinceMs, device.overflowSinceMs, device.overflowCause], [null, null, null]);
  assert.equal([device.recording, device.recordingCause], [false, 'SERVER_CRASHED']);
  assert.equal([recorder.diskSlowSinceMs, recorder.overloadedSinceMs], [null, null]);
});

test('tells retrieval what is sealed, lost and held', async () => {
  const facts = createRetrievalFacts(database.sql, own.site);
  const { timeline, segments: known } = await facts.recordings({
    ...{ siteId: child.site, deviceId, fromMs: t0 + 30_000, toMs: t0 + 90_000 },
  });
  assert.equal(
    known.map(row => row.segmentId),
    segments.slice(0, 2).map(row => row.segmentId),
  );
  assert.equal(
    timeline.losses.map(loss => loss.cause),
    ['DELETED'],
  );
  assert.equal(timeline.running, { sinceMs: t0, away: null });
  assert.equal(timeline.link, { state: 'UP', sinceMs: t0 });
  assert.is(timeline.retentionMs, 7 * 24 * 3600 * 1000);
  assert.equal(await facts.devicesToHeal(child.site), [deviceId]);
  assert.equal(await facts.openRetrievals(), {
    retrievalIds: [],
    asOf: { epoch: 1, position: own.position },
  });
});

test('puts aside what it cannot digest, with the reason, and goes on', async () => {
  await takeIn([
    other.raw('x', 'FlyingSaucerSighted', 1, {}),
    other.event(`alarm-${alarmId}`, { type: 'AlarmReopened', data: { alarmId } }),
    other.event('site', {
      type: 'SiteEstablished',
      data: { siteId: other.site, name: 'Other', sealingPublicKey: 'AAAA' },
    }),
  ]);
  await projectionsOf().projector.catchUp();
  assert.equal(
    quarantined.map(({ projection, status }) => `${projection} ${status}`),
    ['alarms POISON', 'audit-trail UNTIL_UPGRADE', 'event-devices UNTIL_UPGRADE'],
  );
  assert.match(quarantined[0]!.reason, `belongs to site ${child.site}`);
  assert.match(quarantined[1]!.reason, 'FlyingSaucerSighted');
  const [alarm] = await database.sql`select state from alarm where id = ${alarmId}`;
  assert.is(alarm!.state, 'CLOSED');
  const [site] = await database.sql`select name from site where id = ${other.site}`;
  assert.is(site!.name, 'Other');
});

test('of two parents of a site the one is shown that is our own, or has enrolled it later, whichever arrives first', async () => {
  const [before, after, bus] = [new FeedFixture(), new FeedFixture(), new FeedFixture()];
  after.nowMs += 60_000;
  const enrolled = (parent: FeedFixture, { site: siteId }: FeedFixture) =>
    parent.event(`child-site-${siteId}`, {
      type: 'ChildSiteEnrolled',
      data: { siteId, name: 'Elsewhere', certificateSha256: 'cd'.repeat(32) },
    });
  await takeIn([enrolled(after, bus), enrolled(after, child), enrolled(after, own)]);
  await takeIn([enrolled(before, bus)]);
  quarantined.length = 0;
  await projectionsOf().projector.catchUp();
  const parentOf = async ({ site }: FeedFixture) =>
    (await database.sql`select parent_id from site where id = ${site}`)[0]!.parentId;
  assert.is(await parentOf(bus), after.site);
  assert.is(await parentOf(child), own.site);
  assert.is(await parentOf(own), null);
  assert.equal(
    quarantined.map(({ projection, reason }) => [projection, reason]),
    [
      [
        'sites',
        `IndigestibleEventError: the log of site ${after.site} enrols site ${own.site}, which is not below it`,
      ],
    ],
  );
});

test('a build from the first event gives the same, and so does a new version of the folds', async () => {
  const before = await snapshot();
  const { builder } = projectionsOf();
  await builder.request(readModels.map(({ name }) => name));
  assert.is(await builder.buildNext(new AbortController().signal), 'BUILT');
  assert.is(await snapshot(), before);
  const upgraded = projectionsOf(readModels.map(model => ({ ...model, version: model.version + 1 })));
  await upgraded.settle();
  assert.is(await upgraded.builder.buildNext(new AbortController().signal), 'BUILT');
  assert.is(await upgraded.builder.buildNext(new AbortController().signal), 'NOTHING_ASKED');
  assert.is(await snapshot(), before);
  const schemas = await database.sql`select 1 from pg_namespace where nspname like 'projection_build%'`;
  assert.is(schemas.length, 0);
});

test.run();
