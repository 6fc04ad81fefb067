import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { MediaRefusedError } from '@holdfast/core';
import type { DeviceId, EventId, EvidenceLockId } from '@holdfast/schema';
import pino from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSimulatedCameras } from '../simulated-cameras/simulated-cameras.js';
import type { RunCameraSession } from './drivers/driver.js';
import {
  collect,
  fragmentsOf,
  never,
  openTestDatabase,
  temporaryFolder,
  testFragment,
  testInit,
} from './media-database/media-fixture.js';
import { verifyMedia } from './media-database/verify-media.js';
import {
  addHardware,
  cameraId,
  eventsOf,
  hardwareId,
  microphoneId,
  openLog,
  ScriptedCamera,
  say,
  serverA,
  serverB,
  start,
  until,
} from './recording-server.fixture.js';
import type { RecordingServer } from './recording-server.js';

const test = suite('recording server');

test('records a real RTSP camera, tells the log, plays it live and recorded, and proves it', async () => {
  await using folder = await temporaryFolder();
  await using cameras = await openSimulatedCameras({
    port: 0,
    cameras: [{ path: 'entrance', clip: 'entrance' }],
  });
  await using log = await openLog(folder.path);
  await addHardware(log, `rtsp://127.0.0.1:${cameras.port}/entrance`);
  await using running = await start(log, folder.path);
  const { server } = running;
  await until(async () => (await eventsOf(log, 'RecordingStarted')).length > 0, 'recording has started');
  await until(() => server.database.usageBytes() > 100_000, 'something is on the disk');

  const live: string[] = [];
  const controller = new AbortController();
  for await (const item of server.open(
    { kind: 'LIVE', deviceId: microphoneId },
    { signal: controller.signal, priority: 'LIVE' },
  )) {
    live.push(item.kind);
    if (live.length > 5) controller.abort();
  }
  assert.equal(live.slice(0, 2), ['init', 'fragment']);

  await until(async () => {
    const window = { deviceId: cameraId, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
    const items = await collect(
      server.open({ kind: 'PLAYBACK', ...window }, { signal: never, priority: 'REQUEST' }),
    );
    return fragmentsOf(items).length >= 2;
  }, 'two groups of pictures can be played');
  await snapshotsAreExact(server);

  await running.stop();
  const sealed = await eventsOf(log, 'RecordingSealed');
  assert.is(sealed[0]?.deviceId, cameraId);
  assert.is((await eventsOf(log, 'HardwareConnected')).length, 1);
  assert.equal(
    (await eventsOf(log, 'RecordingStopped')).map(stop => stop.cause),
    ['SERVER_STOPPED'],
  );
  const verification = await verifyMedia({
    dir: path.join(folder.path, 'media', serverA),
    sealedFacts: sealed.flatMap(({ deviceId, segments }) => segments.map(segment => ({ deviceId, segment }))),
    deleted: new Set(),
    signal: never,
  });
  assert.is(verification.checkedSegmentCount, 1);
  assert.equal(verification.damages, []);
});

/** Two moments a second apart show different pictures, two moments of one picture the same. */
async function snapshotsAreExact(server: RecordingServer): Promise<void> {
  const [span] = server.database.spans({ deviceId: cameraId, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER });
  const items = server.database.read({
    deviceId: cameraId,
    fromMs: 0,
    toMs: Number.MAX_SAFE_INTEGER,
    signal: never,
  });
  const { fromMs } = span ?? fragmentsOf(await collect(items))[0]!;
  const make = (atMs: number) => server.snapshot({ deviceId: cameraId, atMs, signal: never });
  const first = await make(fromMs + 500);
  if (!first.made) {
    assert.is(first.refusal.code, 'NO_FFMPEG');
    return;
  }
  assert.ok(first.atMs <= fromMs + 500 && first.atMs > fromMs + 400, `${first.atMs - fromMs} ms`);
  const same = await make(first.atMs + 1);
  const later = await make(fromMs + 1500);
  assert.ok(same.made && same.jpeg.equals(first.jpeg));
  assert.ok(later.made && !later.jpeg.equals(first.jpeg));
  assert.equal([...first.jpeg.subarray(0, 3)], [0xff, 0xd8, 0xff]);
  const nothing = await make(fromMs - 3600_000);
  assert.is(nothing.made ? 'made' : nothing.refusal.code, 'NO_RECORDING');
}

test('a second start goes on: each segment is in the log once, the gap between with its cause', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  for (const first of [0, 10]) {
    const camera = new ScriptedCamera();
    await using running = await start(log, folder.path, { runCameraSession: camera.run });
    await until(() => camera.sinks.length === 1, 'the session runs');
    camera.begin(testFragment(first), testFragment(first + 1));
    await running.stop();
  }
  const sealed = await eventsOf(log, 'RecordingSealed');
  assert.is(new Set(sealed.flatMap(fact => fact.segments.map(({ segmentId }) => segmentId))).size, 2);
  assert.is(sealed.flatMap(fact => fact.segments).length, 2);
  assert.equal(
    sealed.flatMap(fact => fact.gaps),
    [{ fromMs: testFragment(1).toMs, toMs: testFragment(10).fromMs, cause: 'SERVER_STOPPED' }],
  );
});

test('hardware that moves is recorded on by the other server; what was recorded stays playable at the first', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const atA = new ScriptedCamera();
  const atB = new ScriptedCamera();
  await using a = await start(log, folder.path, { runCameraSession: atA.run });
  await using b = await start(log, folder.path, { runCameraSession: atB.run, recordingServerId: serverB });
  await until(() => atA.sinks.length === 1, 'the first server has the camera');
  atA.begin(testFragment(0));
  await say(log, `hardware-${hardwareId}`, {
    type: 'HardwareMoved',
    data: { hardwareId, fromRecordingServerId: serverA, toRecordingServerId: serverB },
  });
  await until(() => atB.sinks.length === 1, 'the second server has the camera');
  await until(
    async () => (await eventsOf(log, 'RecordingStopped')).length === 1,
    'the first one has ended its run',
  );
  atB.begin(testFragment(100_000_000));
  await until(async () => (await eventsOf(log, 'RecordingSealed')).length === 1, 'the first has sealed');
  const live = (server: RecordingServer) =>
    server.open({ kind: 'LIVE', deviceId: cameraId }, { signal: never, priority: 'LIVE' });
  const refusal = await collect(live(a.server)).catch((error: unknown) => error);
  assert.instance(refusal, MediaRefusedError);
  const played = await collect(
    a.server.open(
      { kind: 'PLAYBACK', deviceId: cameraId, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER },
      { signal: never, priority: 'REQUEST' },
    ),
  );
  assert.equal(fragmentsOf(played), [testFragment(0)]);
  await b.stop();
  const causes = (await eventsOf(log, 'RecordingSealed')).flatMap(({ segments }) =>
    segments.map(segment => [segment.beganBecause, segment.endedBecause]),
  );
  assert.equal(causes, [
    ['SERVER_STARTED', 'HARDWARE_MOVED'],
    ['HARDWARE_MOVED', 'SERVER_STOPPED'],
  ]);
});

test('recording that is disabled ends the run, and enabled again begins one, while live goes on', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  await using _ = await start(log, folder.path, { runCameraSession: camera.run });
  await until(() => camera.sinks.length === 1, 'the session runs');
  camera.begin(testFragment(0));
  const data = { hardwareId, deviceId: cameraId };
  await say(log, `hardware-${hardwareId}`, { type: 'DeviceRecordingDisabled', data });
  await until(async () => (await eventsOf(log, 'RecordingStopped')).length === 1, 'the run has ended');
  camera.send(testFragment(1));
  await say(log, `hardware-${hardwareId}`, { type: 'DeviceRecordingEnabled', data });
  await until(async () => {
    camera.send(testFragment(5));
    return (await eventsOf(log, 'RecordingStarted')).length === 2;
  }, 'another has begun');
  assert.is(camera.sinks.length, 1);
  assert.equal(
    (await eventsOf(log, 'RecordingStarted')).map(started => started.cause),
    ['SERVER_STARTED', 'RECORDING_ENABLED'],
  );
});

test('on a full disk the oldest unlocked goes; with only locked left recording halts, loudly, until there is room', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  let freeBytes = 1000;
  const retention = { freeBytesLow: 100, freeBytesStop: 100, freeBytesResume: 200 };
  const options = { runCameraSession: camera.run, retention, freeBytes: async () => freeBytes };
  {
    await using running = await start(log, folder.path, options);
    await until(() => camera.sinks.length === 1, 'the session runs');
    for (let index = 0; index < 3; index += 1) {
      camera.begin(testFragment(index * 10));
      camera.end();
    }
    await running.stop();
  }
  const [first, second, third] = (await eventsOf(log, 'RecordingSealed')).flatMap(({ segments }) => segments);
  const evidenceLockId = v7() as EvidenceLockId;
  await say(log, `evidence-lock-${evidenceLockId}`, {
    type: 'EvidenceLockCreated',
    data: {
      evidenceLockId,
      headline: 'Locked through its microphone',
      description: '',
      deviceIds: [microphoneId],
      fromMs: second!.fromMs,
      toMs: second!.fromMs + 1,
      expiresAtMs: null,
    },
  });
  freeBytes = 0;
  await using running = await start(log, folder.path, options);
  await until(async () => (await eventsOf(log, 'RecordingHalted')).length === 1, 'recording is halted');
  const deleted = await eventsOf(log, 'RecordingDeleted');
  assert.equal(
    deleted.flatMap(({ segmentIds, policy }) => segmentIds.map(id => [id, policy])),
    [
      [first!.segmentId, 'DISK_FULL'],
      [third!.segmentId, 'DISK_FULL'],
    ],
  );
  assert.ok(running.server.database.segment(second!.segmentId));
  await until(() => running.alarms.length === 1, 'the alarm is raised');
  assert.match(running.alarms[0]!, /DISK_FULL/);
  assert.is(running.server.isHalted, true);
  await running.stop();

  freeBytes = 1000;
  await using again = await start(log, folder.path, options);
  await until(async () => (await eventsOf(log, 'RecordingUnhalted')).length === 1, 'it records again');
  assert.is(again.server.isHalted, false);
  assert.is((await eventsOf(log, 'RecordingHalted')).length, 1);
  // A process that was killed may have told the log of the halt, and nobody of it by an alarm.
  await until(() => again.alarms.length === 1, 'the alarm is raised once more');
  assert.match(again.alarms[0]!, 'halted when the recording server was started');
});

test('a lock that this version cannot read keeps everything, however old', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  const options = { runCameraSession: camera.run, retention: { retentionMs: 1000 } };
  const strange = {
    id: v7() as EventId,
    type: 'EvidenceLockCreated',
    version: 2,
    data: Buffer.from('{"of":"tomorrow"}'),
    actor: 'user:test',
    occurredAtMs: Date.now(),
    clockQuality: 'NTP',
    causationId: null,
    correlationId: null,
  } as const;
  await log.append([{ stream: 'evidence-lock-x', expected: 'any', events: [strange] }]);
  for (const expected of [0, 1]) {
    await using running = await start(log, folder.path, options);
    await until(() => camera.sinks.length === expected + 1, 'the session runs');
    assert.is(running.server.database.usageBytes() > 0, expected === 1);
    camera.begin(testFragment(expected * 10));
    await running.stop();
  }
  assert.equal(await eventsOf(log, 'RecordingDeleted'), []);
});

test('a clock that jumps ahead deletes nothing by age and raises one alarm, until it has gone on for a day', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  const dayMs = 24 * 3600_000;
  const clock = { wallMs: testFragment(10).toMs, monotonicMs: 0 };
  let readCount = 0;
  const options = {
    runCameraSession: camera.run,
    retention: { retentionMs: 30 * dayMs },
    retentionIntervalMs: 10,
    now: () => clock.wallMs,
    monotonicMs: () => {
      readCount += 1;
      return clock.monotonicMs;
    },
  };
  const retentionRuns = async (count: number) => {
    const from = readCount;
    await until(() => readCount >= from + count, 'retention has run');
  };
  {
    await using running = await start(log, folder.path, options);
    await until(() => camera.sinks.length === 1, 'the session runs');
    camera.begin(testFragment(0), testFragment(1));
    camera.end();
    await until(async () => (await eventsOf(log, 'RecordingSealed')).length > 0, 'it is sealed');
    clock.wallMs += 365 * dayMs;
    await retentionRuns(5);
    assert.is(running.alarms.length, 1);
    assert.match(running.alarms[0]!, '525600 minutes ahead');
  }
  // Over a restart the jump is not forgotten.
  await using running = await start(log, folder.path, options);
  await retentionRuns(5);
  assert.is(running.alarms.length, 1);
  assert.equal(await eventsOf(log, 'RecordingDeleted'), []);
  clock.wallMs += dayMs;
  clock.monotonicMs += dayMs;
  await until(async () => (await eventsOf(log, 'RecordingDeleted')).length === 1, 'the clock is believed');
});

test('kill -9 of the server: what was durable is in the log once, with the crash as its end', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const started = { deviceId: cameraId, recordingServerId: serverA, atMs: testFragment(0).fromMs };
  await say(log, `recording-${cameraId}`, {
    type: 'RecordingStarted',
    data: { ...started, cause: 'SERVER_STARTED' },
  });
  const dir = path.join(folder.path, 'media', serverA);
  await recordAndKill(dir);
  const camera = new ScriptedCamera();
  for (let round = 0; round < 2; round += 1) {
    await using running = await start(log, folder.path, { runCameraSession: camera.run });
    await until(() => camera.sinks.length === round + 1, 'the session runs');
    if (round === 0) camera.begin(testFragment(1000));
    await running.stop();
  }
  const segments = (await eventsOf(log, 'RecordingSealed')).flatMap(fact => fact.segments);
  assert.is(new Set(segments.map(segment => segment.segmentId)).size, segments.length);
  const crashed = segments.filter(segment => segment.endedBecause === 'SERVER_CRASHED');
  assert.is(crashed.length, 1);
  const stops = await eventsOf(log, 'RecordingStopped');
  assert.equal(
    stops.map(stop => [stop.cause, stop.atMs]),
    [
      ['SERVER_CRASHED', crashed[0]!.toMs],
      ['SERVER_STOPPED', testFragment(1000).toMs],
    ],
  );
  const gaps = (await eventsOf(log, 'RecordingSealed')).flatMap(fact => fact.gaps);
  assert.equal(gaps, [
    { fromMs: crashed[0]!.toMs, toMs: testFragment(1000).fromMs, cause: 'SERVER_CRASHED' },
  ]);
});

test('a crash right after a segment was sealed is the cause of the gap, however soon the camera is there again', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  await say(log, `recording-${cameraId}`, {
    type: 'RecordingStarted',
    data: { ...{ deviceId: cameraId, recordingServerId: serverA }, atMs: 0, cause: 'SERVER_STARTED' },
  });
  {
    // What a crash leaves behind that comes before the next segment has its first group of pictures.
    const dir = path.join(folder.path, 'media', serverA);
    await using database = await openTestDatabase(dir, { recordingServerId: serverA });
    database.beginRun({ deviceId: cameraId, init: testInit(), cause: 'SERVER_STARTED' });
    database.append(cameraId, testFragment(0));
    await database.endRun({ deviceId: cameraId, cause: 'RECORDING_CONTINUED' });
  }
  let isThere = false;
  const runCameraSession: RunCameraSession = async ({ sink }, signal) => {
    sink.connected(testFragment(10).fromMs);
    sink.format(testInit());
    sink.recordedFragment(testFragment(10));
    isThere = true;
    if (!signal.aborted) await once(signal, 'abort');
    sink.runEnded(signal.reason, testFragment(10).toMs);
  };
  await using running = await start(log, folder.path, { runCameraSession });
  await until(() => isThere, 'the camera is there');
  await running.stop();
  const gaps = (await eventsOf(log, 'RecordingSealed')).flatMap(fact => fact.gaps);
  assert.equal(gaps, [
    { fromMs: testFragment(0).toMs, toMs: testFragment(10).fromMs, cause: 'SERVER_CRASHED' },
  ]);
});

async function recordAndKill(dir: string): Promise<void> {
  const program = path.join(import.meta.dirname, 'media-database', 'crash-recorder.fixture.js');
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', program, dir, '1', '0', serverA, cameraId],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const closed = once(child, 'close');
  for await (const line of createInterface({ input: child.stdout })) {
    if (Number(line) >= 7) child.kill('SIGKILL');
  }
  await closed;
}

test('the first start and an orderly second one have nothing to warn of; a lost index is named', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const lines: string[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void lines.push(line) });
  for (const round of [0, 1]) {
    const camera = new ScriptedCamera();
    await using running = await start(log, folder.path, { runCameraSession: camera.run, logger });
    await until(() => camera.sinks.length === 1, 'the session runs');
    camera.begin(testFragment(round * 10));
    await running.stop();
  }
  assert.equal(lines, []);
  await rm(path.join(folder.path, 'media', serverA, 'index.sqlite'));
  await (await start(log, folder.path, { logger })).stop();
  assert.is(lines.length, 1);
  assert.match(lines[0]!, 'the index of the recordings was missing');
  assert.is(JSON.parse(lines[0]!).reindexedCount, 2);
});

test('a device that nobody knows is refused by name', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await using running = await start(log, folder.path);
  const request = { kind: 'LIVE', deviceId: v7() as DeviceId } as const;
  const error = await collect(running.server.open(request, { signal: never, priority: 'LIVE' })).catch(
    (reason: unknown) => reason,
  );
  assert.is((error as MediaRefusedError).code, 'NO_SUCH_DEVICE');
});

test.run();
