import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CameraAuthorisation } from '../camera-authorisation.js';
import { GStreamerCamera, makeClip, whatIsMissing } from '../rtsp/gstreamer-camera.fixture.js';
import { RecordedSession } from '../rtsp/recorded-session.fixture.js';
import { OnvifDevice } from './onvif-device.js';
import { onvifDriver } from './onvif-driver.js';
import { discoverDevices } from './ws-discovery.js';

const test = suite('ONVIF with a device that is not ours (ipycam)');
const script = path.resolve(import.meta.dirname, '../../../../../test/cameras/onvif-camera.py');
const python = process.env.HOLDFAST_IPYCAM_PYTHON ?? 'python3';
const credentials = { userName: 'admin', password: 's3cret' };
const START_TIMEOUT_MS = 20_000;

async function openDevice(rtspPort: number): Promise<AsyncDisposable & { readonly address: string }> {
  const child = spawn(
    python,
    [script, String(rtspPort), 'cam0', credentials.userName, credentials.password],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const port = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('ipycam did not start')), START_TIMEOUT_MS);
    child.once('exit', code => reject(new Error(`ipycam ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', line => {
      const found = /^listening on (\d+)$/.exec(line);
      if (!found) return;
      clearTimeout(timer);
      resolve(found[1]!);
    });
  });
  return {
    address: `http://127.0.0.1:${port}/onvif/device_service`,
    [Symbol.asyncDispose]: async () => {
      const ended = new Promise(resolve => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    },
  };
}

test('finds it by multicast, signs in, reads its profiles, turns it, and records its stream', async () => {
  await using clip = await makeClip();
  await using stream = await GStreamerCamera.open({
    ...{ clip: clip.directory, user: credentials.userName, password: credentials.password },
  });
  await using camera = await openDevice(stream.port);
  const { signal } = new AbortController();
  const found = await discoverDevices({ waitMs: 1500, signal, localAddress: '127.0.0.1' });
  assert.ok(
    found.some(({ address }) => address === camera.address),
    JSON.stringify(found),
  );
  const authorisation = new CameraAuthorisation({ credentials, random: Math.random });
  const access = { address: camera.address, credentials, authorisation, tlsAuthorities: [], now: Date.now };
  const device = await OnvifDevice.open(access, signal);
  assert.ok((await device.information(signal)).model.length > 0);
  const profiles = await device.profiles(signal);
  assert.is(profiles[0]!.encoding, 'H264');
  const { token } = profiles[0]!;
  assert.is(await device.streamUri(token, signal), stream.address);
  assert.ok(URL.canParse(await device.snapshotUri(token, signal)));
  await device.move(token, { pan: 0.3, tilt: -0.3 }, signal);
  await device.stop(token, signal);
  for (const preset of (await device.presets(token, signal)).slice(0, 1))
    await device.goToPreset(token, preset.token, signal);
  await using session = new RecordedSession({
    ...{ run: onvifDriver.run, address: camera.address, credentials },
  });
  await session.until('recorded', () => session.recorded.length >= 2);
  const wrong = { ...credentials, password: 'guess' };
  await using refused = new RecordedSession({
    run: onvifDriver.run,
    address: camera.address,
    credentials: wrong,
  });
  await refused.until('refused', () => refused.losses.length > 0);
  assert.is(refused.losses[0]!.cause, 'UNAUTHORIZED');
});

const hasIpycam = spawnSync(python, ['-c', 'import ipycam']).status === 0;
const missing =
  whatIsMissing() ??
  (hasIpycam ? null : 'PyPI’s ipycam is not installed (HOLDFAST_IPYCAM_PYTHON names a Python that has it)');
if (missing === null) test.run();
else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [...(skipped.HOLDFAST_SKIPPED ?? []), `onvif-ipycam.integration: ${missing}`];
}
