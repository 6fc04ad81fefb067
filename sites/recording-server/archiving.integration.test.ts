import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { RETENTION_LIMITS, type Storage } from '@holdfast/core';
import type { EvidenceLockId, StorageId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  collect,
  fragmentsOf,
  never,
  pictureGroup,
  picturesIn,
  temporaryFolder,
  testFragment,
} from './media-database/media-fixture.js';
import {
  addHardware,
  cameraId,
  eventsOf,
  openLog,
  ScriptedCamera,
  say,
  serverA,
  start,
  until,
} from './recording-server.fixture.js';

const test = suite('archiving');

const hourMs = 3600_000;
const recordedMs = testFragment(0).fromMs;
const limits = {
  ...RETENTION_LIMITS,
  freeBytesLow: 0,
  freeBytesCritical: 0,
  freeBytesStop: 0,
  freeBytesResume: 0,
};

function storageIn(folder: string, name: string, live: string): Storage {
  return {
    ...{ storageId: v7(), name, isEncrypted: false },
    live: { stage: live, limits: { ...limits, retentionMs: hourMs } },
    archives: [
      {
        ...{ stage: path.join(folder, 'mount', `${name} 1`), schedule: { kind: 'EVERY', minutes: 1 } },
        keyFramesOnly: false,
        limits: { ...limits, retentionMs: 2 * hourMs },
      },
      {
        ...{ stage: path.join(folder, 'far mount', `${name} 2`), schedule: { kind: 'EVERY', minutes: 1 } },
        keyFramesOnly: false,
        limits: { ...limits, retentionMs: 3 * hourMs },
      },
    ],
  };
}

async function filesIn(stage: string): Promise<number> {
  const names = await readdir(path.join(stage, 'segments'), { recursive: true }).catch(() => []);
  return names.filter(name => name.endsWith('.mp4')).length;
}

test('recordings grow old from stage to stage; an archive that is away stops archiving, not recording', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  let nowMs = recordedMs + 10_000;
  const begunMs = performance.now();
  const storage = storageIn(folder.path, 'vault', '');
  const [near, far] = storage.archives.map(({ stage }) => stage) as [string, string];
  await mkdir(path.dirname(near));
  await mkdir(path.dirname(far));
  await using running = await start(log, folder.path, {
    ...{ runCameraSession: camera.run, storages: [storage], retentionIntervalMs: 30 },
    // The clock of the server and the one that is never set go on together: nothing of it is doubted.
    ...{ now: () => nowMs, monotonicMs: () => begunMs + nowMs },
  });
  const { database } = running.server;
  const own = path.join(folder.path, 'media', serverA);
  await until(() => camera.sinks.length === 1, 'the session runs');
  camera.begin(testFragment(0), testFragment(1));
  camera.end();
  camera.begin(testFragment(10), testFragment(11));
  camera.end();
  await until(async () => (await filesIn(own)) === 2, 'two segments are sealed');
  const evidenceLockId = v7() as EvidenceLockId;
  await say(log, `evidence-lock-${evidenceLockId}`, {
    type: 'EvidenceLockCreated',
    data: {
      ...{ evidenceLockId, headline: 'Held', description: '', deviceIds: [cameraId] },
      ...{ fromMs: recordedMs, toMs: recordedMs + 1, expiresAtMs: null },
    },
  });

  nowMs = recordedMs + hourMs + 60_000;
  await until(
    async () => (await filesIn(near)) === 2 && (await filesIn(own)) === 0,
    'both are in the near archive',
  );

  await rename(path.dirname(far), `${path.dirname(far)} away`);
  nowMs = recordedMs + 2 * hourMs + 120_000;
  await until(() => running.alarms.some(message => /vault 2/.test(message)), 'the alarm is raised');
  camera.begin(testFragment(4000), testFragment(4001));
  camera.end();
  await until(async () => (await filesIn(own)) === 1, 'recording goes on');
  assert.is(await filesIn(near), 2);
  assert.is(running.server.isHalted, false);
  await until(async () => {
    const stages = (await eventsOf(log, 'StorageMeasured')).at(-1)!.stages;
    const [ofNear] = stages.filter(({ path: stage }) => stage === near);
    // One of the two segments is locked.
    return ofNear!.lockedBytes! > 0 && ofNear!.lockedBytes! < ofNear!.usageBytes;
  }, 'what is locked in the near archive is told');
  await rename(`${path.dirname(far)} away`, path.dirname(far));
  await until(async () => (await filesIn(far)) === 2, 'the far archive has taken both');

  nowMs = recordedMs + 3 * hourMs + 180_000;
  await until(async () => (await filesIn(far)) === 1, 'what is not locked is deleted in the end');
  const window = { deviceId: cameraId, fromMs: 0, toMs: recordedMs + hourMs, signal: never };
  assert.is(fragmentsOf(await collect(database.read(window))).length, 2);
  await until(async () => (await eventsOf(log, 'RecordingDeleted')).length > 0, 'the log is told');
  assert.equal(
    (await eventsOf(log, 'RecordingDeleted')).map(({ policy, fromMs }) => [policy, fromMs - recordedMs]),
    [['RETENTION_AGE', 20_000]],
  );
  assert.equal(await eventsOf(log, 'RecordingDamaged'), []);
});

test('a device is recorded into the storage that it is assigned to, and one disk that is gone stops no other', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const other = path.join(folder.path, 'other');
  const first = storageIn(folder.path, 'first', '');
  const second = { ...storageIn(folder.path, 'second', other), archives: [] };
  await say(log, `recording-server-${serverA}`, {
    type: 'DeviceStorageAssigned',
    data: { recordingServerId: serverA, deviceId: cameraId, storageId: second.storageId as StorageId },
  });
  const camera = new ScriptedCamera();
  const options = {
    ...{ runCameraSession: camera.run, storages: [{ ...first, archives: [] }, second] },
    ...{ retentionIntervalMs: 30, now: () => recordedMs + 10_000 },
  };
  await using running = await start(log, folder.path, options);
  await until(() => camera.sinks.length === 1, 'the session runs');
  camera.begin(testFragment(0), testFragment(1));
  camera.end();
  await until(async () => (await filesIn(other)) === 1, 'it is in the second storage');
  await rm(path.join(other, 'holdfast-stage'));
  await until(() => running.alarms.length === 1, 'the disk that is gone is told of');
  await until(async () => (await eventsOf(log, 'RecordingHalted')).length === 1, 'the log is told');
  const [halted] = await eventsOf(log, 'RecordingHalted');
  assert.equal([halted!.cause, halted!.detail.includes(other)], ['DISK_UNAVAILABLE', true]);
  assert.is(halted!.storageId, second.storageId);
  await until(
    async () => (await eventsOf(log, 'StorageMeasured')).length === 2,
    'what is there is told again',
  );
  const measures = await eventsOf(log, 'StorageMeasured');
  const told = measures.map(({ stages }) =>
    stages.map(({ storageId, path: place, unavailableBecause }) => [
      storageId,
      place,
      unavailableBecause === null,
    ]),
  );
  const [here, away] = [first.storageId, second.storageId];
  assert.equal(told[0], [
    [here, null, true],
    [away, other, true],
  ]);
  assert.equal(told[1], [
    [here, null, true],
    [away, other, false],
  ]);
  assert.ok(measures[1]!.stages[1]!.usageBytes > 0);
  assert.is(measures[1]!.stages[1]!.oldestMs, recordedMs);
  await writeFile(path.join(other, 'holdfast-stage'), `${serverA}\n`);
  await until(async () => (await eventsOf(log, 'RecordingUnhalted')).length === 1, 'it is recorded again');
  assert.is((await eventsOf(log, 'RecordingUnhalted'))[0]!.storageId, second.storageId);
});

test('an archive that keeps key frames only reduces what moves in, but nothing that is locked, and the log says so', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  let nowMs = recordedMs + 10_000;
  const begunMs = performance.now();
  const { archives, ...rest } = storageIn(folder.path, 'vault', '');
  const storage: Storage = { ...rest, archives: [{ ...archives[0]!, keyFramesOnly: true }] };
  await mkdir(path.dirname(archives[0]!.stage));
  await using running = await start(log, folder.path, {
    ...{ runCameraSession: camera.run, storages: [storage], retentionIntervalMs: 30 },
    ...{ now: () => nowMs, monotonicMs: () => begunMs + nowMs },
  });
  await until(() => camera.sinks.length === 1, 'the session runs');
  camera.begin(pictureGroup(0));
  camera.end();
  camera.begin(pictureGroup(10));
  camera.end();
  await until(
    async () => (await eventsOf(log, 'RecordingSealed')).flatMap(fact => fact.segments).length === 2,
    'both are told',
  );
  const evidenceLockId = v7() as EvidenceLockId;
  await say(log, `evidence-lock-${evidenceLockId}`, {
    type: 'EvidenceLockCreated',
    data: {
      ...{ evidenceLockId, headline: 'Held', description: '', deviceIds: [cameraId] },
      ...{ fromMs: recordedMs, toMs: recordedMs + 1, expiresAtMs: null },
    },
  });
  await until(async () => (await eventsOf(log, 'EvidenceLockApplied')).length === 1, 'the lock is known');
  nowMs = recordedMs + hourMs + 60_000;
  await until(async () => (await eventsOf(log, 'RecordingReduced')).length === 1, 'the log is told');
  await until(async () => (await filesIn(archives[0]!.stage)) === 2, 'both are archived');
  const window = { deviceId: cameraId, fromMs: 0, toMs: recordedMs + hourMs, signal: never };
  assert.equal(fragmentsOf(await collect(running.server.database.read(window))).map(picturesIn), [20, 1]);
  const sealed = (await eventsOf(log, 'RecordingSealed')).flatMap(({ segments }) => segments);
  const [reduced] = (await eventsOf(log, 'RecordingReduced')).flatMap(({ segments }) => segments);
  const before = sealed.find(({ segmentId }) => segmentId === reduced!.segmentId)!;
  assert.equal([before.fromMs - recordedMs, before.digest], [20_000, reduced!.previousDigest]);
});

test('without its password, or with a wrong one, nothing is recorded into an encrypted storage, and into others everything', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  const vault = { ...storageIn(folder.path, 'vault', ''), isEncrypted: true, archives: [] };
  const open = { ...storageIn(folder.path, 'open', path.join(folder.path, 'open')), archives: [] };
  const own = path.join(folder.path, 'media', serverA);
  let password: string | null = null;
  const options = {
    ...{ runCameraSession: camera.run, storages: [vault, open], now: () => recordedMs + 10_000 },
    ...{ retentionIntervalMs: 30, mediaPassword: () => password },
  };
  const halts = async () => (await eventsOf(log, 'RecordingHalted')).map(({ cause }) => cause);
  const unhalts = async () => (await eventsOf(log, 'RecordingUnhalted')).length;
  {
    await using running = await start(log, folder.path, options);
    await until(async () => (await halts()).length === 1, 'the halt is told');
    assert.equal(await halts(), ['MEDIA_PASSWORD_MISSING']);
    await until(() => running.alarms.some(alarm => /MEDIA_PASSWORD_MISSING/.test(alarm)), 'and an alarm');
    assert.equal([...running.server.database.devices(), await filesIn(own)], [0]);
    await until(() => camera.sinks.length === 1, 'the camera is connected all the same');
    camera.begin(testFragment(0));
    camera.end();
    // Put right while it runs.
    password = 'vault';
    await until(async () => (await unhalts()) === 1, 'it is recorded again');
    camera.begin(testFragment(1));
    camera.end();
    await until(async () => (await filesIn(own)) === 1, 'what comes then');
  }
  password = 'other';
  {
    await using running = await start(log, folder.path, options);
    await until(async () => (await halts()).length === 2, 'a wrong one is told of as well');
    assert.equal(await halts(), ['MEDIA_PASSWORD_MISSING', 'MEDIA_PASSWORD_WRONG']);
    const [stored] = running.server.database.segments({ ...window, after: null, limit: 1 });
    const asked = { deviceId: cameraId, segmentIds: [stored!.segment.segmentId], resumeAtFragment: 0 };
    const [answer] = await collect(running.server.database.readSegments({ ...asked, signal: never }));
    assert.match(answer!.kind === 'missing' ? answer!.cause : '', /^STORE_UNREACHABLE.*password/);
    await say(log, `recording-server-${serverA}`, {
      type: 'DeviceStorageAssigned',
      data: { recordingServerId: serverA, deviceId: cameraId, storageId: open.storageId as StorageId },
    });
    await until(() => camera.sinks.length >= 2, 'the session runs');
    await until(async () => {
      camera.begin(testFragment(10));
      camera.end();
      return (await filesIn(open.live.stage)) > 0;
    }, 'into another storage it is recorded');
    assert.is(await filesIn(own), 1);
  }
  password = 'vault';
  await using running = await start(log, folder.path, options);
  const [fragment] = fragmentsOf(await collect(running.server.database.read({ ...window, signal: never })));
  assert.equal(Buffer.from(fragment!.bytes), Buffer.from(testFragment(1).bytes));
});

const window = { deviceId: cameraId, fromMs: 0, toMs: recordedMs + hourMs };

test.run();
