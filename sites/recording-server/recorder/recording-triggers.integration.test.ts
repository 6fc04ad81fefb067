import type { TriggerChange } from '@holdfast/core';
import type { AlarmId, BookmarkId, DeviceId, HardwareId, RecordingPolicy } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../media-database/media-fixture.js';
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
  start,
  until,
} from '../recording-server.fixture.js';
import { at, changeOf, groups, runOf, setPolicy } from './triggered-recording.fixture.js';

const test = suite('recording triggers at a recording server');
const policyOf = (policy: Partial<RecordingPolicy>): RecordingPolicy => ({
  ...{ mode: 'MANUAL_ONLY', preBufferMs: 4_000, postMs: 4_000, keyFramesOnly: false, recordRelated: [] },
  ...policy,
});
/** A server with one camera of this policy, connected, and pictures 0 to 9 received. */
async function opened(policy: Partial<RecordingPolicy>) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const log = stack.use(await openLog(folder.path));
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  await setPolicy(log, policyOf(policy));
  const camera = new ScriptedCamera();
  const running = stack.use(
    await start(log, folder.path, { runCameraSession: camera.run, now: () => at(10) }),
  );
  await until(() => camera.sinks.length === 1, 'the session runs');
  camera.begin(...groups(0, 10));
  return {
    ...{ log, folder, camera, running, stack },
    send: (from: number, to: number) => {
      for (const group of groups(from, to)) camera.send(group);
    },
    trigger: (change: TriggerChange) => running.server.trigger(cameraId, change),
    /** First and last group of every run, and why it began and ended. */
    async recorded() {
      await running.stop();
      const sealed = await eventsOf(log, 'RecordingSealed');
      return sealed
        .flatMap(({ segments }) => segments)
        .sort((one, other) => one.fromMs - other.fromMs)
        .map(runOf);
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

const motion = (change: 'BEGAN' | 'ENDED', atMs: number) => changeOf('MOTION', change, atMs);

test('motion is recorded with what came before it, and for a while after', async () => {
  await using server = await opened({ mode: 'MOTION' });
  server.trigger(motion('BEGAN', at(10)));
  await until(async () => (await eventsOf(server.log, 'RecordingStarted')).length === 1, 'it is recorded');
  server.send(10, 14);
  server.trigger(motion('ENDED', at(14)));
  server.send(14, 20);
  assert.equal(await server.recorded(), [[8, 15, 'MOTION', 'MOTION_STOPPED']]);
  const causes = async (type: 'RecordingStarted' | 'RecordingStopped') =>
    (await eventsOf(server.log, type)).map(({ cause }) => cause);
  assert.equal(await causes('RecordingStarted'), ['MOTION']);
  assert.equal(await causes('RecordingStopped'), ['MOTION_STOPPED']);
});

test('triggers that overlap make one recording, without a gap and without a picture twice', async () => {
  await using server = await opened({ mode: 'MOTION' });
  server.trigger(motion('BEGAN', at(10)));
  server.send(10, 12);
  server.trigger(motion('ENDED', at(12)));
  server.send(12, 13);
  server.trigger(motion('BEGAN', at(13)));
  server.send(13, 20);
  server.trigger(motion('ENDED', at(15)));
  server.send(20, 22);
  // What came before the second of two that do not overlap is taken from the buffer, once.
  server.trigger(motion('BEGAN', at(22)));
  server.send(22, 24);
  assert.equal(await server.recorded(), [
    [8, 19, 'MOTION', 'MOTION_STOPPED'],
    [20, 23, 'MOTION', 'SERVER_STOPPED'],
  ]);
  assert.equal(
    (await eventsOf(server.log, 'RecordingSealed')).flatMap(({ gaps }) => gaps),
    [],
  );
});

test('people start and stop a recording through the log, and it stops by itself', async () => {
  await using server = await opened({});
  const stream = `manual-recording-${cameraId}`;
  const started = (fromMs: number, untilMs: number) =>
    say(server.log, stream, {
      type: 'ManualRecordingStarted',
      data: { deviceId: microphoneId, fromMs, untilMs },
    });
  await started(at(9), at(13));
  await until(async () => (await eventsOf(server.log, 'RecordingStarted')).length === 1, 'it is recorded');
  server.send(10, 20);
  await until(async () => (await eventsOf(server.log, 'RecordingStopped')).length === 1, 'it has stopped');
  assert.equal(await server.recorded(), [[9, 12, 'MANUAL', 'MANUAL_STOPPED']]);
});

test('a recording by hand goes on after a restart, and is not lost', async () => {
  await using server = await opened({});
  await say(server.log, `manual-recording-${cameraId}`, {
    type: 'ManualRecordingStarted',
    data: { deviceId: cameraId, fromMs: at(9), untilMs: at(40) },
  });
  await until(async () => (await eventsOf(server.log, 'RecordingStarted')).length === 1, 'it is recorded');
  server.send(10, 12);
  await server.running.stop();
  const camera = new ScriptedCamera();
  await using again = await start(server.log, server.folder.path, {
    ...{ runCameraSession: camera.run, now: () => at(20) },
  });
  await until(() => camera.sinks.length === 1, 'the session runs again');
  camera.begin(...groups(20, 22));
  await again.stop();
  const starts = await eventsOf(server.log, 'RecordingStarted');
  assert.equal(
    starts.map(({ cause }) => cause),
    ['MANUAL', 'MANUAL'],
  );
});

test('an alarm about a device is an event, and a bookmark is recorded whatever the mode', async () => {
  await using server = await opened({ mode: 'EVENT' });
  const alarmId = v7() as AlarmId;
  // Said now, which is when the tenth picture arrives.
  await say(
    server.log,
    `alarm-${alarmId}`,
    {
      type: 'AlarmRaised',
      data: {
        ...{ alarmId, localNumber: 1, name: 'Door forced', message: '', priority: 1 },
        ...{ sourceDeviceId: cameraId, sourceName: 'Entrance', raisedAtMs: at(10) },
      },
    },
    at(10),
  );
  await until(async () => (await eventsOf(server.log, 'RecordingStarted')).length === 1, 'it is recorded');
  server.send(10, 20);
  await until(async () => (await eventsOf(server.log, 'RecordingStopped')).length === 1, 'it has stopped');
  const bookmarkId = v7() as BookmarkId;
  await say(server.log, `bookmark-${bookmarkId}`, {
    type: 'BookmarkCreated',
    data: {
      ...{ bookmarkId, deviceId: cameraId, atMs: at(20), fromMs: at(18), toMs: at(35) },
      ...{ reference: 'B-1', header: 'Somebody', description: '' },
    },
  });
  await until(async () => (await eventsOf(server.log, 'RecordingStarted')).length === 2, 'it is recorded');
  server.send(20, 40);
  assert.equal(await server.recorded(), [
    [8, 11, 'EVENT', 'EVENT_ENDED'],
    [18, 34, 'BOOKMARK', 'BOOKMARK_ENDED'],
  ]);
});

test('a policy that is set to continuous begins a run, and back ends it', async () => {
  await using server = await opened({ mode: 'MOTION' });
  const set = (mode: RecordingPolicy['mode']) => setPolicy(server.log, policyOf({ mode }));
  await set('CONTINUOUS');
  await until(
    () => server.running.server.policyOf(cameraId)?.mode === 'CONTINUOUS',
    'the policy is heard of',
  );
  server.send(10, 12);
  await set('MANUAL_ONLY');
  await until(async () => (await eventsOf(server.log, 'RecordingStopped')).length === 1, 'it has stopped');
  server.send(12, 20);
  assert.equal(await server.recorded(), [[10, 11, 'POLICY_SET', 'POLICY_SET']]);
});

test('a camera that is lost begins with an empty buffer, and is recorded on when it is back', async () => {
  await using server = await opened({ mode: 'MOTION' });
  server.camera.end();
  server.trigger(motion('BEGAN', at(10)));
  server.camera.begin(...groups(12, 14));
  assert.equal(await server.recorded(), [[12, 13, 'MOTION', 'SERVER_STOPPED']]);
});

/** Two cameras, connected, and pictures 0 to 9 received of both; what records the first on motion records the other along. */
async function openedWithRelated() {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const log = stack.use(await openLog(folder.path));
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const other = { hardwareId: v7() as HardwareId, deviceId: v7() as DeviceId };
  await say(log, `hardware-${other.hardwareId}`, {
    type: 'HardwareAdded',
    data: {
      ...{ hardwareId: other.hardwareId, name: 'Yard', driver: 'rtsp', transport: 'AUTO' },
      ...{ address: 'rtsp://127.0.0.1:2/none', sealedCredentials: null, recordingServerId: serverA },
      devices: [{ deviceId: other.deviceId, type: 'CAMERA', name: 'Yard' }],
    },
  });
  const along = policyOf({ mode: 'MOTION', recordRelated: [other.deviceId] });
  for (const data of [
    { hardwareId, deviceId: cameraId, policy: along },
    { ...other, policy: policyOf({}) },
  ]) {
    await say(log, `hardware-${data.hardwareId}`, { type: 'DeviceRecordingPolicySet', data });
  }
  const camera = new ScriptedCamera();
  const running = stack.use(
    await start(log, folder.path, { runCameraSession: camera.run, now: () => at(10) }),
  );
  await until(() => camera.sinks.length === 2, 'both sessions run');
  for (const sink of camera.sinks) {
    sink.connected(0);
    sink.format({ bytes: Buffer.from('init'), codecs: 'avc1.640028' });
    for (const group of groups(0, 10)) sink.recordedFragment(group);
  }
  const [sink, otherSink] = camera.sinks;
  return {
    ...{ log, running, other, sink: sink!, otherSink: otherSink! },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

test('a related device of other hardware is recorded along', async () => {
  await using two = await openedWithRelated();
  two.running.server.trigger(cameraId, motion('BEGAN', at(10)));
  await until(async () => (await eventsOf(two.log, 'RecordingStarted')).length === 2, 'both are recorded');
  const started = new Map(
    (await eventsOf(two.log, 'RecordingStarted')).map(({ deviceId, cause }) => [deviceId, cause]),
  );
  assert.is(started.get(cameraId), 'MOTION');
  assert.is(started.get(two.other.deviceId), 'RELATED');
});

test('a camera that is disabled while something moves takes its motion along, and what was recorded because of it', async () => {
  await using two = await openedWithRelated();
  const { log, sink, otherSink, other } = two;
  const signal = { kind: 'MOTION', source: 'one', atMs: null } as const;
  sink.deviceSignal!({ ...signal, active: true }, at(10));
  await until(async () => (await eventsOf(log, 'RecordingStarted')).length === 2, 'both are recorded');
  await say(log, `hardware-${hardwareId}`, {
    type: 'DeviceDisabled',
    data: { hardwareId, deviceId: cameraId },
  });
  await until(async () => (await eventsOf(log, 'RecordingStopped')).length === 1, 'its session has ended');
  // As drivers do when nobody will say any more that it is over.
  sink.deviceSignal!({ ...signal, active: false }, at(10));
  for (const group of groups(10, 20)) otherSink.recordedFragment(group);
  await until(
    async () => (await eventsOf(log, 'RecordingStopped')).length === 2,
    'the other one has stopped',
  );
  const stopped = (await eventsOf(log, 'RecordingStopped')).map(({ deviceId, cause }) => [deviceId, cause]);
  assert.equal(stopped, [
    [cameraId, 'RECORDING_DISABLED'],
    [other.deviceId, 'RELATED_ENDED'],
  ]);
  await two.running.stop();
  const ended = await eventsOf(log, 'MotionEnded');
  assert.equal(
    ended.map(({ deviceId, atMs }) => [deviceId, atMs]),
    [[cameraId, at(10)]],
  );
});

test.run();
