import { setTimeout as wait } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSimulatedCameras } from '../../../simulated-cameras/simulated-cameras.js';
import { CameraAuthorisation } from '../camera-authorisation.js';
import { driverConformance } from '../driver-conformance.fixture.js';
import { GStreamerCamera, makeClip, whatIsMissing } from '../rtsp/gstreamer-camera.fixture.js';
import { RecordedSession } from '../rtsp/recorded-session.fixture.js';
import { OnvifCamera } from './onvif-camera.fixture.js';
import { OnvifDevice } from './onvif-device.js';
import { onvifDriver } from './onvif-driver.js';
import { discoverDevices, readProbeMatches } from './ws-discovery.js';

const test = suite('ONVIF');
const { signal } = new AbortController();
const credentials = { userName: 'admin', password: 's3cret' };
const streamUri = 'rtsp://127.0.0.1:1/cam0';

function open(address: string, password = credentials.password): Promise<OnvifDevice> {
  const given = { ...credentials, password };
  return OnvifDevice.open(
    {
      ...{ address, credentials: given, tlsAuthorities: [], now: Date.now },
      authorisation: new CameraAuthorisation({ credentials: given, random: Math.random }),
    },
    signal,
  );
}

test('signs by the camera’s clock, and reads what it is and sends, with media and media2', async () => {
  for (const media2 of [false, true]) {
    await using camera = await OnvifCamera.open({
      streamUri,
      credentials,
      media2,
      clockOffsetMs: -86_400_000,
    });
    const device = await open(camera.address);
    assert.ok(Math.abs(device.clockOffsetMs + 86_400_000) < 2000);
    assert.is((await device.information(signal)).model, 'Eye');
    assert.equal(
      (await device.profiles(signal)).map(({ token, encoding, width }) => [token, encoding, width]),
      [
        ['main', 'H264', 1920],
        ['sub', 'H265', 1920],
      ],
    );
    assert.is(await device.streamUri('main', signal), streamUri);
  }
});

test('names a wrong password, and what the camera cannot', async () => {
  await using camera = await OnvifCamera.open({ streamUri, credentials });
  const refusal = await open(camera.address, 'guess').catch((fault: Error) => fault.message);
  assert.is(refusal, 'the camera refuses the user name and password');
  const device = await open(camera.address);
  const fault = await device.snapshotUri('main', signal).catch((error: Error) => error.message);
  assert.is(fault, 'the camera answers with a fault: Action not supported');
});

test('a camera that answers at once with nothing is not asked for events as fast as it answers', async () => {
  await using cameras = await openSimulatedCameras({
    port: 0,
    cameras: [{ path: 'entrance', clip: 'entrance' }],
  });
  const pictures = `rtsp://127.0.0.1:${cameras.port}/entrance`;
  await using camera = await OnvifCamera.open({ streamUri: pictures, impatient: true });
  const stop = new AbortController();
  const nothing = () => undefined;
  const sink = {
    ...{ connected: nothing, format: nothing, liveFragment: nothing, recordedFragment: nothing },
    ...{ runEnded: nothing, accessUnitsLost: nothing, connectionLost: nothing, deviceSignal: nothing },
  };
  const running = onvifDriver.run(
    { address: camera.address, credentials: null, sink, now: Date.now, random: () => 0.9 },
    stop.signal,
  );
  for (let turn = 0; turn < 500 && camera.pullCount < 2; turn += 1) await wait(20);
  const [since, before] = [performance.now(), camera.pullCount];
  await wait(1_500);
  const [seconds, pulls] = [(performance.now() - since) / 1000, camera.pullCount - before];
  stop.abort();
  await running;
  assert.ok(before >= 2 && pulls <= 2 * seconds + 2, `${pulls} in ${seconds} s`);
});

test('turns the camera, sends it to a preset, and switches its relays', async () => {
  await using camera = await OnvifCamera.open({ streamUri });
  const device = await open(camera.address);
  await device.move('main', { pan: 0.5, zoom: -1 }, signal);
  await device.stop('main', signal);
  const [preset] = await device.presets('main', signal);
  assert.equal(preset, { token: '1', name: 'Gate & door' });
  await device.goToPreset('main', preset!.token, signal);
  const [relay] = await device.relayOutputs(signal);
  await device.setRelayOutput(relay!, true, signal);
  assert.match(camera.told[0]!, '"PanTilt":{"@x":"0.5","@y":"0"},"Zoom":{"@x":"-1"}');
  assert.equal(
    camera.told.map(told => told.split(' ')[0]),
    ['ContinuousMove', 'Stop', 'GotoPreset', 'SetRelayOutputState'],
  );
  assert.match(camera.told[3]!, '"RelayOutputToken":"relay-1","LogicalState":"active"');
});

test('finds devices that answer, and believes no answer to another question', async () => {
  await using camera = await OnvifCamera.open({ streamUri });
  const to = { host: '127.0.0.1', port: camera.discoveryPort };
  assert.equal(await discoverDevices({ waitMs: 300, signal, to }), [
    { address: camera.address, name: 'Front door', hardware: 'Eye', endpoint: 'urn:uuid:7' },
  ]);
  assert.equal(
    readProbeMatches('<Envelope><Header><RelatesTo>uuid:other</RelatesTo></Header></Envelope>', 'uuid:1'),
    [],
  );
  assert.equal(readProbeMatches('no XML <', 'uuid:1'), []);
});

function withStream(clip: string): void {
  test('records the profile that is named, and hands on motion and inputs', async () => {
    await using stream = await GStreamerCamera.open({ clip });
    await using camera = await OnvifCamera.open({ streamUri: stream.address });
    await using session = new RecordedSession({
      ...{ run: onvifDriver.run, address: `${camera.address}?profile=sub` },
    });
    await session.until('recorded', () => session.recorded.length >= 1);
    assert.equal(camera.told, ['stream sub']);
    camera.notify('tns1:RuleEngine/CellMotionDetector/Motion', { name: 'IsMotion', value: 'true' });
    camera.notify('tns1:Device/Trigger/DigitalInput', { name: 'LogicalState', value: 'true' });
    camera.notify('tns1:Media/ProfileChanged', { name: 'State', value: 'true' });
    await session.until('noticed', () => session.signals.length >= 2);
    camera.notify('tns1:RuleEngine/CellMotionDetector/Motion', { name: 'IsMotion', value: 'false' });
    await session.until('over', () => session.signals.length >= 3);
    await session.stop();
    // What is active when the camera is lost ends with it.
    assert.equal(
      session.signals.map(({ kind, source, active }) => [kind, source, active]),
      [
        ['MOTION', 'one', true],
        ['INPUT', 'one', true],
        ['MOTION', 'one', false],
        ['INPUT', 'one', false],
      ],
    );
    assert.match(camera.told.at(-1)!, 'Unsubscribe');
  });

  test('sends no user name and password to another host that the camera names', async () => {
    const secured = { user: credentials.userName, password: credentials.password };
    await using stream = await GStreamerCamera.open({ clip, ...secured });
    await using camera = await OnvifCamera.open({
      ...{ streamUri: stream.address, credentials, host: '127.0.0.2' },
    });
    {
      await using session = new RecordedSession({
        ...{ run: onvifDriver.run, address: camera.address, credentials },
      });
      await session.until('lost', () => session.losses.length > 0);
      const { cause, detail } = session.losses[0]!;
      assert.is(cause, 'UNAUTHORIZED');
      assert.match(
        detail,
        /names its stream at 127\.0\.0\.1.*configured for 127\.0\.0\.2.*streamHost=127\.0\.0\.1/s,
      );
      assert.is(session.connectedCount, 0);
    }
    await using session = new RecordedSession({
      ...{ run: onvifDriver.run, address: `${camera.address}?streamHost=127.0.0.1`, credentials },
    });
    await session.until('recorded', () => session.recorded.length >= 1);
  });

  test('names a profile that the camera does not have', async () => {
    await using camera = await OnvifCamera.open({ streamUri });
    await using session = new RecordedSession({
      ...{ run: onvifDriver.run, address: `${camera.address}?profile=third` },
    });
    await session.until('lost', () => session.losses.length > 0);
    assert.equal(session.losses[0], {
      cause: 'UNSUPPORTED_MEDIA',
      detail: 'the camera has no profile third; it has main, sub',
    });
  });
}

const missing = whatIsMissing();
if (missing === null) {
  const clip = await makeClip();
  withStream(clip.directory);
  const conformance = driverConformance({
    driver: onvifDriver,
    openCamera: async ({ port = 0, credentials: given }) => {
      const secured = given === undefined ? {} : { user: given.userName, password: given.password };
      const stream = await GStreamerCamera.open({ clip: clip.directory, ...secured });
      const camera = await OnvifCamera.open({
        ...{ streamUri: stream.address, port },
        ...(given === undefined ? {} : { credentials: given }),
      });
      return {
        ...{ address: camera.address, port: camera.port },
        [Symbol.asyncDispose]: async () => {
          await stream[Symbol.asyncDispose]();
          await camera[Symbol.asyncDispose]();
        },
      };
    },
  });
  conformance.after(async () => {
    await clip[Symbol.asyncDispose]();
  });
  test.run();
  conformance.run();
} else {
  test.run();
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [...(skipped.HOLDFAST_SKIPPED ?? []), `onvif-driver.integration: ${missing}`];
}
