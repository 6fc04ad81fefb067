import { open, rename } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MEDIA_DATABASE_LIMITS } from './media-database/media-database.js';
import { temporaryFolder, testFragment } from './media-database/media-fixture.js';
import { hasSmallDisks, runOnSmallDisk } from './media-database/small-disk.fixture.js';
import {
  addHardware,
  cameraId,
  eventsOf,
  openLog,
  ScriptedCamera,
  serverA,
  start,
  until,
} from './recording-server.fixture.js';

const test = suite('recording server whose disk fails');

if (hasSmallDisks('read-only disk')) {
  test('a disk that became read-only halts recording with an alarm, and is used again when it takes writes', async () => {
    const program = path.join(import.meta.dirname, 'failing-disk.fixture.js');
    const { results, stderr } = await runOnSmallDisk({ megabytes: 30, program, phases: [''] });
    assert.is(stderr, '');
    assert.equal(results, [
      {
        halts: ['DISK_UNAVAILABLE'],
        unhalts: 1,
        alarms: 1,
        gaps: ['DISK_UNAVAILABLE'],
        playsAllThatIsSealed: true,
        damages: 0,
      },
    ]);
  });
}

test('a disk that is gone halts recording; nothing is made in its place, and it goes on when it is back', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  const mediaLimits = { ...MEDIA_DATABASE_LIMITS, segmentMsMax: 4_000, queueFragmentsMax: 10_000 };
  await using running = await start(log, folder.path, {
    ...{ runCameraSession: camera.run, mediaLimits, retentionIntervalMs: 50 },
  });
  const { server } = running;
  await until(() => camera.sinks.length === 1, 'the session runs');
  camera.begin(testFragment(0), testFragment(1));
  await until(() => server.database.usageBytes() > 2000, 'it records');
  const disk = path.join(folder.path, 'media', serverA);
  await rename(disk, `${disk}-away`);
  let index = 2;
  await until(() => {
    camera.send(testFragment(index++));
    return server.isHalted;
  }, 'recording is halted');
  await until(() => running.alarms.some(alarm => /DISK_UNAVAILABLE/.test(alarm)), 'the alarm is raised');
  // What was accepted before is tried once more: after the return of the disk it would be recorded, with a gap on either side.
  await until(() => server.database.waitingMs() === 0, 'what waited is given up');
  // Fails where anything was made in its place.
  await rename(`${disk}-away`, disk);
  await until(() => !server.isHalted, 'the disk is used again');
  const after = index + 100;
  camera.send(testFragment(after));
  await until(() => server.database.openSpan(cameraId)?.toMs === testFragment(after).toMs, 'it is recorded');
  await running.stop();
  const causes = (await eventsOf(log, 'RecordingHalted')).map(({ cause }) => cause);
  assert.equal(causes, ['DISK_UNAVAILABLE']);
  const gaps = (await eventsOf(log, 'RecordingSealed')).flatMap(fact => fact.gaps);
  assert.equal(
    gaps.map(({ cause }) => cause),
    ['DISK_UNAVAILABLE'],
  );
});

test('a disk that does not keep up costs whole groups of pictures, with an event, a gap and an alarm', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  const mediaLimits = { ...MEDIA_DATABASE_LIMITS, queueFragmentsMax: 4 };
  await using running = await start(log, folder.path, { runCameraSession: camera.run, mediaLimits });
  await until(() => camera.sinks.length === 1, 'the session runs');
  let index = 0;
  {
    await using _ = await slowDisk(100);
    camera.begin(testFragment(index++));
    await until(async () => {
      camera.send(testFragment(index++));
      return (await eventsOf(log, 'DeviceOverflowBegan')).length > 0;
    }, 'the overflow is told');
  }
  await until(() => running.server.database.waitingMs() === 0, 'the disk has caught up');
  camera.send(testFragment(index++));
  await until(() => running.alarms.length > 0, 'the alarm is raised');
  await running.stop();
  const ended = await eventsOf(log, 'DeviceOverflowEnded');
  const dropped = ended.reduce((sum, { droppedFragmentCount }) => sum + droppedFragmentCount, 0);
  const sealed = await eventsOf(log, 'RecordingSealed');
  const segments = sealed.flatMap(fact => fact.segments);
  const kept = segments.reduce((sum, { fragmentCount }) => sum + fragmentCount, 0);
  assert.is(kept + dropped, index);
  const gaps = sealed.flatMap(fact => fact.gaps);
  assert.ok(gaps.length > 0);
  assert.ok(gaps.every(({ cause }) => cause === 'OVERFLOW'));
  const missingMs = gaps.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
  assert.is(missingMs, dropped * 2000);
});

test('a disk so full that not even a deletion can be kept halts recording, until it can', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  let freeBytes = 1000;
  await using running = await start(log, folder.path, {
    retention: { freeBytesLow: 100, freeBytesStop: 100, freeBytesResume: 200 },
    ...{ runCameraSession: camera.run, freeBytes: async () => freeBytes, retentionIntervalMs: 50 },
  });
  const { server } = running;
  await until(() => camera.sinks.length === 1, 'the session runs');
  camera.begin(testFragment(0));
  camera.end();
  await until(() => server.database.newestEndMs(cameraId) !== null, 'it is sealed');
  const { markDeleted } = server.database;
  // Stands in for somebody else who takes each byte that becomes free.
  server.database.markDeleted = async () => {
    throw Object.assign(new Error('database or disk is full'), { errcode: 13 });
  };
  freeBytes = 0;
  await until(() => server.isHalted, 'recording is halted');
  await until(() => running.alarms.some(alarm => /DISK_FULL: not even/.test(alarm)), 'the alarm is raised');
  server.database.markDeleted = markDeleted;
  await until(async () => (await eventsOf(log, 'RecordingDeleted')).length === 1, 'room is made');
  freeBytes = 1000;
  await until(() => !server.isHalted, 'it records again');
});

/** Stands in for a disk that is slow: none can be had to order. Every sync of a file takes so long. */
async function slowDisk(ms: number): Promise<AsyncDisposable> {
  const handle = await open(import.meta.filename, 'r');
  const prototype = Object.getPrototypeOf(handle) as { datasync: () => Promise<void> };
  await handle.close();
  const { datasync } = prototype;
  prototype.datasync = async function (this: unknown) {
    await delay(ms);
    await datasync.call(this);
  };
  return {
    [Symbol.asyncDispose]: async () => {
      prototype.datasync = datasync;
    },
  };
}

test.run();
