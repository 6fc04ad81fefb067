import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CameraAccess } from '../driver.js';
import { findBackChannel, openBackChannel } from './back-channel.js';
import { GStreamerCamera, pictureThatNobodyNeedsToTake, whatIsMissing } from './gstreamer-camera.fixture.js';

const test = suite('speaking through a camera, to an ONVIF server of GStreamer');
const launch = pictureThatNobodyNeedsToTake;
const { signal } = new AbortController();
const accessTo = (address: string, credentials: CameraAccess['credentials'] = null): CameraAccess => ({
  ...{ address, credentials, now: Date.now, random: Math.random },
});

/** µ-law of a loud square wave of 500 Hz: eight samples up, eight down. */
const tone = Uint8Array.from({ length: 160 }, (_, index) => (index % 16 < 8 ? 0x8f : 0x0f));

function withCodec(codec: 'PCMU' | 'PCMA'): void {
  test(`is heard as it was spoken, in ${codec}`, async () => {
    const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-speak-'));
    try {
      const file = path.join(directory, 'heard');
      const user = { user: 'admin', password: 's3cret' };
      await using camera = await GStreamerCamera.open({ launch, backChannel: { codec, file }, ...user });
      const credentials = { userName: user.user, password: user.password };
      const access = accessTo(camera.address, credentials);
      assert.is((await findBackChannel(access, signal)).speaker, true);
      await using speaker = await openBackChannel(accessTo(camera.address, credentials), signal);
      const heard = async () => readFile(file).catch(() => Buffer.alloc(0));
      for (let turn = 0; (await heard()).length < 8_000; turn += 1) {
        assert.ok(turn < 1_000, 'the camera hears nothing');
        speaker.say(tone);
        await wait(20);
      }
      const bytes = (await heard()).subarray(0, 8_000);
      const samples = new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
      const crossings = samples.filter(
        (sample, index) => index > 0 && sample > 0 !== samples[index - 1]! > 0,
      );
      // 4,000 samples cross zero every 8.
      assert.ok(Math.abs(crossings.length - 500) < 20, `${crossings.length} crossings`);
      const loudness = samples.reduce((sum, sample) => sum + Math.abs(sample), 0) / samples.length;
      assert.ok(Math.abs(loudness - 16_764) < 600, `as loud as ${loudness}`);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
}

if (whatIsMissing() === null) {
  withCodec('PCMU');
  withCodec('PCMA');
  test('a camera without a loudspeaker says so', async () => {
    await using camera = await GStreamerCamera.open({ launch });
    const refusal = await openBackChannel(accessTo(camera.address), signal).catch((error: Error) => error);
    assert.is((refusal as Error).name, 'CameraSessionError');
    assert.is((await findBackChannel(accessTo(camera.address), signal)).speaker, false);
    const nobody = await findBackChannel(accessTo('rtsp://127.0.0.1:1/'), signal);
    assert.equal(nobody, { speaker: false, model: '' });
  });
} else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [
    ...(skipped.HOLDFAST_SKIPPED ?? []),
    `back-channel.integration: ${whatIsMissing()}`,
  ];
}
test.run();
