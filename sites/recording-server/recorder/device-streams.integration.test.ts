import { MediaRefusedError } from '@holdfast/core';
import type { DeviceStreams, MotionDetection } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSimulatedCameras } from '../../simulated-cameras/simulated-cameras.js';
import type { RunCameraSession } from '../drivers/driver.js';
import { rtspDriver } from '../drivers/rtsp/rtsp-driver.js';
import { temporaryFolder } from '../media-database/media-fixture.js';
import {
  addHardware,
  cameraId,
  eventsOf,
  hardwareId,
  openLog,
  say,
  start,
  until,
} from '../recording-server.fixture.js';

const test = suite('streams of a device');

/** The real driver, and which addresses are being streamed from. */
class WatchedSessions {
  readonly open: string[] = [];
  readonly run: RunCameraSession = async (options, signal) => {
    this.open.push(options.address);
    try {
      await rtspDriver.run(options, signal);
    } finally {
      this.open.splice(this.open.indexOf(options.address), 1);
    }
  };
}

async function openCamera() {
  const cameras = await openSimulatedCameras({
    port: 0,
    cameras: [
      { path: 'main', clip: 'entrance' },
      { path: 'sub', clip: 'entrance' },
    ],
  });
  const address = (path: string) => `rtsp://127.0.0.1:${cameras.port}/${path}`;
  const both = ['main', 'sub'].map(name => ({ name, address: address(name) }));
  const streams: DeviceStreams = { streams: both, recorded: 'main', live: 'sub', motion: null };
  return { address, streams, [Symbol.asyncDispose]: () => cameras[Symbol.asyncDispose]() };
}

test('the live stream runs beside the recorded one while somebody watches it', async () => {
  await using folder = await temporaryFolder();
  await using camera = await openCamera();
  await using log = await openLog(folder.path);
  await addHardware(log, camera.address('main'));
  const sessions = new WatchedSessions();
  await using running = await start(log, folder.path, { runCameraSession: sessions.run });
  const { server } = running;
  await until(() => sessions.open.length === 1, 'the camera is recorded');
  await say(log, `hardware-${hardwareId}`, {
    type: 'DeviceStreamsConfigured',
    data: { hardwareId, deviceId: cameraId, streams: camera.streams },
  });
  const watch = async (stream?: string) => {
    const stop = new AbortController();
    const request = { kind: 'LIVE', deviceId: cameraId, ...(stream && { stream }) } as const;
    const items = server.open(request, { signal: stop.signal, priority: 'LIVE' })[Symbol.asyncIterator]();
    const first = await items.next();
    return { kind: first.value?.kind, open: [...sessions.open], end: () => items.return?.(undefined) };
  };
  let refusal: unknown;
  await until(async () => {
    // Until the server has read of it, there is one stream, of another name.
    refusal = await watch('sub').then(
      async ({ end }) => end(),
      (error: unknown) => error,
    );
    return !(refusal instanceof MediaRefusedError);
  }, 'the server knows of the streams');
  assert.equal(sessions.open, [camera.address('main'), camera.address('sub')]);
  const live = await watch();
  assert.equal(live, { ...live, kind: 'init', open: [camera.address('main'), camera.address('sub')] });
  const recorded = await watch('main');
  assert.is(recorded.kind, 'init');
  await Promise.all([live.end(), recorded.end()]);
  const unknown = await watch('third').catch((error: Error) => error.message);
  assert.is(unknown, `device ${cameraId} has no stream third; it has main, sub`);
  const connected = () => eventsOf(log, 'HardwareConnected');
  await until(async () => (await connected()).length > 0, 'it is said that the camera is connected');
  assert.is((await connected()).length, 1, 'the side stream is no connection of its own');
});

test('motion is looked for in the stream that is named for it, with nobody watching', async () => {
  await using folder = await temporaryFolder();
  await using camera = await openCamera();
  await using log = await openLog(folder.path);
  await addHardware(log, camera.address('main'));
  const configure = (motion: string | null) =>
    say(log, `hardware-${hardwareId}`, {
      type: 'DeviceStreamsConfigured',
      data: { hardwareId, deviceId: cameraId, streams: { ...camera.streams, motion } },
    });
  await configure('sub');
  const sessions = new WatchedSessions();
  await using _running = await start(log, folder.path, { runCameraSession: sessions.run });
  await until(() => sessions.open.length === 1, 'the camera is recorded');
  const motionDetection: MotionDetection = {
    ...{ enabled: true, gridSide: 16, sensitivity: 50, thresholdPermille: 8, exclusionMask: '' },
    intervalMs: 500,
  };
  await say(log, `hardware-${hardwareId}`, {
    type: 'MotionDetectionConfigured',
    data: { hardwareId, deviceId: cameraId, motionDetection },
  });
  await until(() => sessions.open.length === 2, 'the sub-stream is looked at');
  assert.is(sessions.open[1], camera.address('sub'));
  await configure(null);
  await until(() => sessions.open.length === 1, 'it is not needed any more');
  assert.is(sessions.open[0], camera.address('main'));
});

test('whoever watches a stream that cannot be reached is told why', async () => {
  await using folder = await temporaryFolder();
  await using camera = await openCamera();
  await using log = await openLog(folder.path);
  await addHardware(log, camera.address('main'));
  const [main] = camera.streams.streams;
  const streams = [main!, { name: 'sub', address: camera.address('nowhere') }];
  await say(log, `hardware-${hardwareId}`, {
    type: 'DeviceStreamsConfigured',
    data: { hardwareId, deviceId: cameraId, streams: { ...camera.streams, streams } },
  });
  await using running = await start(log, folder.path);
  await until(async () => (await eventsOf(log, 'RecordingStarted')).length > 0, 'it is recorded');
  const { signal } = new AbortController();
  const live = running.server.open({ kind: 'LIVE', deviceId: cameraId }, { signal, priority: 'LIVE' });
  const refusal = await live[Symbol.asyncIterator]()
    .next()
    .catch((error: unknown) => error);
  assert.instance(refusal, MediaRefusedError);
  assert.match((refusal as MediaRefusedError).message, 'NOT_FOUND: the camera answers DESCRIBE with 404');
});

test.run();
