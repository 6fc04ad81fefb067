import { stat } from 'node:fs/promises';
import path from 'node:path';
import { CameraRefusedError } from '@holdfast/core';
import type { CameraRequest } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSimulatedCameras } from '../../simulated-cameras/simulated-cameras.js';
import { OnvifCamera } from '../drivers/onvif/onvif-camera.fixture.js';
import {
  GStreamerCamera,
  pictureThatNobodyNeedsToTake,
  whatIsMissing,
} from '../drivers/rtsp/gstreamer-camera.fixture.js';
import { temporaryFolder } from '../media-database/media-fixture.js';
import {
  addHardware,
  cameraId,
  eventsOf,
  hardwareId,
  openLog,
  serverA,
  start,
  until,
} from '../recording-server.fixture.js';

const test = suite('what a camera is told');
const ids = { hardwareId, deviceId: cameraId, recordingServerId: serverA };

async function openSetting(options: { readonly media2?: boolean } = {}) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const cameras = stack.use(
    await openSimulatedCameras({ port: 0, cameras: [{ path: 'entrance', clip: 'entrance' }] }),
  );
  const streamUri = `rtsp://127.0.0.1:${cameras.port}/entrance`;
  const camera = stack.use(await OnvifCamera.open({ streamUri, ...options }));
  const log = stack.use(await openLog(folder.path));
  await addHardware(log, camera.address, 'onvif');
  const running = stack.use(await start(log, folder.path));
  const ask = (request: CameraRequest, askedBy = 'user:ann') =>
    running.server.control(cameraId, request, {
      askedBy,
      signal: new AbortController().signal,
    });
  const known = () => eventsOf(log, 'HardwareCapabilitiesFound');
  await until(async () => (await known()).length > 0, 'the camera has said what it can');
  const { server } = running;
  return { camera, log, ask, known, server, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

test('says in the log what it can, once, with the streams that it offers', async () => {
  await using setting = await openSetting({ media2: true });
  const [found] = await setting.known();
  const { streams, ...can } = found!.capabilities;
  const about = { manufacturer: 'Acme', model: 'Eye', firmwareVersion: '1.2' };
  assert.equal(can, {
    ...about,
    ptz: true,
    outputs: ['relay-1'],
    metadata: false,
    speaker: false,
    audio: '',
  });
  const size = { width: 1920, height: 1080 };
  assert.equal(streams, [
    { name: 'main', address: `${setting.camera.address}?profile=main`, encoding: 'H264', ...size },
    { name: 'sub', address: `${setting.camera.address}?profile=sub`, encoding: 'H265', ...size },
  ]);
});

test('of a camera that cannot be asked, what it sends is said in the log, once', async () => {
  await using folder = await temporaryFolder();
  await using cameras = await openSimulatedCameras({
    port: 0,
    cameras: [{ path: 'entrance', clip: 'entrance' }],
  });
  await using log = await openLog(folder.path);
  const address = `rtsp://127.0.0.1:${cameras.port}/entrance`;
  await addHardware(log, address);
  await using running = await start(log, folder.path);
  const known = () => eventsOf(log, 'HardwareCapabilitiesFound');
  await until(async () => (await known()).length > 0, 'it is in the log');
  const [found] = await known();
  const { model, ...can } = found!.capabilities;
  assert.equal(can, {
    ...{ manufacturer: '', firmwareVersion: '', ptz: false, outputs: [], speaker: false },
    streams: [{ name: 'main', address, encoding: 'H264', width: 960, height: 540 }],
    ...{ metadata: false, audio: 'AAC' },
  });
  assert.type(model, 'string');
  const options = { askedBy: 'user:ann', signal: new AbortController().signal };
  await until(async () => {
    const refusal = await running.server.speak(cameraId, options).catch((error: Error) => error.message);
    return refusal === 'Entrance has no loudspeaker';
  }, 'what it has not is refused by what is known');
});

test('turns, goes to presets and switches relays; the log says who switched', async () => {
  await using setting = await openSetting();
  const { camera, log, ask } = setting;
  assert.equal(await ask({ kind: 'LIST_PRESETS' }), { presets: [{ token: '1', name: 'Gate & door' }] });
  await ask({ kind: 'MOVE', pan: 0.5, tilt: -1, zoom: 0 });
  await ask({ kind: 'STOP' });
  await ask({ kind: 'GO_TO_PRESET', preset: '1' });
  await ask({ kind: 'SET_OUTPUT', output: 'relay-1', active: true });
  await ask({ kind: 'SET_OUTPUT', output: 'relay-1', active: false });
  const told = camera.told.filter(word => !word.startsWith('stream'));
  assert.equal(
    told.map(word => word.split(' ')[0]),
    ['ContinuousMove', 'Stop', 'GotoPreset', 'SetRelayOutputState', 'SetRelayOutputState'],
  );
  assert.match(told[0]!, '"PanTilt":{"@x":"0.5","@y":"-1"}');
  await until(async () => (await eventsOf(log, 'OutputDeactivated')).length > 0, 'the log says so');
  const [on] = await eventsOf(log, 'OutputActivated');
  assert.equal(on, { ...ids, output: 'relay-1', askedBy: 'user:ann', atMs: on!.atMs });
});

test('presets are saved where it stands, renamed there, and deleted; the log says by whom', async () => {
  await using setting = await openSetting();
  const { log, ask } = setting;
  assert.equal(await ask({ kind: 'SAVE_PRESET', name: 'Yard' }), { presets: [{ token: '2', name: 'Yard' }] });
  await ask({ kind: 'RENAME_PRESET', preset: '2', name: 'North <yard>' });
  await ask({ kind: 'DELETE_PRESET', preset: '1' });
  const { presets } = await ask({ kind: 'LIST_PRESETS' });
  assert.equal(presets, [{ token: '2', name: 'North <yard>' }]);
  const gone = await ask({ kind: 'DELETE_PRESET', preset: '1' }).catch((error: unknown) => error);
  assert.match((gone as CameraRefusedError).message, /No such preset/);
  await until(async () => (await eventsOf(log, 'PtzPresetDeleted')).length > 0, 'the log says so');
  const [saved] = await eventsOf(log, 'PtzPresetSaved');
  assert.equal(saved, { ...ids, askedBy: 'user:ann', preset: '2', name: 'Yard', atMs: saved!.atMs });
  assert.is((await eventsOf(log, 'PtzPresetRenamed'))[0]!.name, 'North <yard>');
});

test('the higher priority takes the camera over, which the lower is told; the log says who had it', async () => {
  await using setting = await openSetting();
  const { camera, log, ask } = setting;
  const move = (pan: number, priority: number): CameraRequest => ({
    ...{ kind: 'MOVE', pan, tilt: 0, zoom: 0, priority },
  });
  await ask(move(0.5, 3000));
  await ask(move(-0.5, 5000), 'user:chief');
  const refused = (request: CameraRequest) =>
    ask(request).then(
      () => null,
      (error: unknown) => (error as CameraRefusedError).code,
    );
  assert.is(await refused(move(0.5, 3000)), 'PTZ_TAKEN');
  assert.is(await refused({ kind: 'STOP', priority: 3000 }), 'PTZ_TAKEN');
  assert.is(camera.told.filter(word => word.startsWith('ContinuousMove')).length, 2);
  const { session } = await ask({ kind: 'PTZ_SESSION' });
  assert.equal([session?.heldBy, session?.priority, session?.reserved], ['user:chief', 5000, false]);
  await ask({ kind: 'RELEASE_PTZ' }, 'user:chief');
  assert.is((await ask({ kind: 'RESERVE_PTZ', forMs: 60_000 })).session?.reserved, true);
  assert.is(await refused({ kind: 'STOP' }), null);
  await until(async () => (await eventsOf(log, 'PtzSessionStarted')).length === 3, 'the log says so');
  const ended = await eventsOf(log, 'PtzSessionEnded');
  assert.equal(
    ended.map(({ askedBy, because }) => `${askedBy} ${because}`),
    ['user:ann TAKEN_OVER', 'user:chief RELEASED'],
  );
});

test('refuses what the camera has not, and says what it has', async () => {
  await using setting = await openSetting();
  let refusal: unknown;
  await until(async () => {
    // The server reads what the camera has said out of the log, a moment after it is there.
    refusal = await setting
      .ask({ kind: 'SET_OUTPUT', output: 'relay-9', active: true })
      .catch((error: unknown) => error);
    return refusal instanceof CameraRefusedError;
  }, 'it is refused');
  assert.instance(refusal, CameraRefusedError);
  assert.is((refusal as CameraRefusedError).code, 'CAMERA_CANNOT');
  assert.is((refusal as CameraRefusedError).message, 'Entrance has no output relay-9; it has relay-1');
  await setting.camera[Symbol.asyncDispose]();
  const gone = await setting.ask({ kind: 'STOP' }).catch((error: unknown) => error);
  assert.is((gone as CameraRefusedError).code, 'CAMERA_FAILED');
  assert.match((gone as CameraRefusedError).message, /^Entrance: .*127\.0\.0\.1/);
});

test('tells the log when an input of the camera changes', async () => {
  await using setting = await openSetting();
  const { camera, log } = setting;
  const topic = 'tns1:Device/Trigger/DigitalInput';
  for (const value of ['true', 'true', 'false']) camera.notify(topic, { name: 'LogicalState', value });
  await until(async () => (await eventsOf(log, 'InputDeactivated')).length > 0, 'the log says so');
  const activated = await eventsOf(log, 'InputActivated');
  assert.equal(activated, [{ ...ids, input: 'one', atMs: activated[0]!.atMs }]);
});

test('a driver without requests to cameras says so', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/');
  await using running = await start(log, folder.path);
  const asked = () =>
    running.server
      .control(cameraId, { kind: 'STOP' }, { askedBy: 'user:ann', signal: new AbortController().signal })
      .catch((error: unknown) => (error as CameraRefusedError).message);
  await until(async () => /its driver rtsp has no requests/.test(String(await asked())), 'it is refused');
});

if (whatIsMissing() === null) {
  test('speaks through an ONVIF camera that GStreamer serves; the log says who spoke', async () => {
    await using folder = await temporaryFolder();
    const file = path.join(folder.path, 'heard');
    const launch = pictureThatNobodyNeedsToTake;
    await using stream = await GStreamerCamera.open({ launch, backChannel: { codec: 'PCMU', file } });
    await using camera = await OnvifCamera.open({ streamUri: stream.address, speaker: true });
    await using log = await openLog(folder.path);
    await addHardware(log, camera.address, 'onvif');
    await using running = await start(log, folder.path);
    const known = () => eventsOf(log, 'HardwareCapabilitiesFound');
    await until(async () => (await known())[0]?.capabilities.speaker === true, 'it has said that it can');
    const options = { askedBy: 'user:ann', signal: new AbortController().signal };
    const speech = await running.server.speak(cameraId, options);
    const second = await running.server.speak(cameraId, options).catch((error: Error) => error.message);
    assert.is(second, 'somebody else is speaking through Entrance');
    await until(async () => {
      speech.say(new Uint8Array(160).fill(0x8f));
      return ((await stat(file).catch(() => null))?.size ?? 0) > 0;
    }, 'the camera hears');
    await speech[Symbol.asyncDispose]();
    await until(
      async () => (await eventsOf(log, 'SpeakingEnded')).length > 0,
      'the log says that it is over',
    );
    const [began] = await eventsOf(log, 'SpeakingStarted');
    assert.equal(began, { ...ids, askedBy: 'user:ann', atMs: began!.atMs });
  });
}

test('a camera without a loudspeaker is not spoken through', async () => {
  await using setting = await openSetting();
  const options = { askedBy: 'user:ann', signal: new AbortController().signal };
  await until(async () => {
    const refusal = await setting.server.speak(cameraId, options).catch((error: unknown) => error);
    return refusal instanceof CameraRefusedError && refusal.message === 'Entrance has no loudspeaker';
  }, 'it is refused by what the camera has said');
});

test.run();
