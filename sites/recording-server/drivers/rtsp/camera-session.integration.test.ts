import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GStreamerCamera, makeClip, whatIsMissing } from './gstreamer-camera.fixture.js';
import { type RecordedRun, RecordedSession } from './recorded-session.fixture.js';

const run = promisify(execFile);
const test = suite('camera session with GStreamer’s RTSP server');

/** Decodes a run without a complaint and returns the presentation times of its pictures in 1/90000 s. */
async function decode(directory: string, recorded: RecordedRun): Promise<readonly number[]> {
  const file = path.join(directory, `${recorded.recorded[0]!.fromMs}.mp4`);
  await writeFile(file, Buffer.concat([recorded.init.bytes, ...recorded.recorded.map(one => one.bytes)]));
  const decoded = await run('ffmpeg', ['-v', 'warning', '-i', file, '-f', 'null', '-']);
  assert.is(decoded.stderr, '');
  const fields = ['-select_streams', 'v', '-show_entries', 'packet=pts', '-of', 'csv=p=0'];
  const probed = await run('ffprobe', ['-v', 'error', ...fields, file]);
  return probed.stdout
    .trim()
    .split('\n')
    .map(line => Number.parseInt(line, 10));
}

function spacings(times: readonly number[]): readonly number[] {
  return [...new Set(times.slice(1).map((time, index) => time - times[index]!))];
}

test('records pictures and sound exactly spaced, at the time the camera says, without a loss', async () => {
  await using clip = await makeClip();
  await using camera = await GStreamerCamera.open({ clip: clip.directory });
  await using session = new RecordedSession({ address: camera.address });
  // The clip is 4 s long: this is past its loop.
  await session.until('recorded', () => session.recorded.length >= 6);
  await session.stop();
  const [only] = session.runs;
  assert.match(only!.init.codecs, /^avc1\.6400[0-9a-f]{2},mp4a\.40\.2$/);
  assert.is(only!.ended, 'SERVER_STOPPED');
  assert.equal(spacings(await decode(clip.directory, only!)), [3600]);
  assert.is(session.lostAccessUnits, 0);
  for (const [index, fragment] of only!.recorded.entries()) {
    assert.is(fragment.timeSource, 'SENDER_REPORT');
    assert.ok(Math.abs(fragment.arrivalMs - fragment.fromMs) < 1000);
    if (index > 0) assert.is(fragment.fromMs, only!.recorded[index - 1]!.toMs);
  }
});

test('signs in with digest authentication, and names a wrong password', async () => {
  await using clip = await makeClip();
  await using camera = await GStreamerCamera.open({
    clip: clip.directory,
    user: 'admin',
    password: 's3cret',
  });
  const { address } = camera;
  await using good = new RecordedSession({ address, credentials: { userName: 'admin', password: 's3cret' } });
  await using bad = new RecordedSession({ address, credentials: { userName: 'admin', password: 'guess' } });
  await using none = new RecordedSession({ address });
  await good.until('recorded', () => good.recorded.length >= 2);
  await bad.until('refused', () => bad.losses.length > 0);
  await none.until('refused', () => none.losses.length > 0);
  assert.equal(
    [good.losses[0], bad.losses[0]?.cause, none.losses[0]?.cause],
    [undefined, 'UNAUTHORIZED', 'UNAUTHORIZED'],
  );
  assert.match(none.losses[0]!.detail, /none are configured/);
});

test('comes back after the camera was killed and started again, each run whole', async () => {
  await using clip = await makeClip();
  const first = await GStreamerCamera.open({ clip: clip.directory });
  await using session = new RecordedSession({ address: first.address });
  await session.until('first run', () => session.recorded.length >= 2);
  await first[Symbol.asyncDispose]();
  await session.until('loss', () => session.losses.length > 0);
  await using _second = await GStreamerCamera.open({ clip: clip.directory, port: first.port });
  await session.until('second run', () => (session.runs[1]?.recorded.length ?? 0) >= 2);
  await session.stop();
  assert.is(session.runs[0]!.ended, 'CAMERA_DISCONNECTED');
  assert.ok(session.runs[1]!.recorded[0]!.fromMs >= session.runs[0]!.recorded.at(-1)!.toMs);
  for (const one of session.runs) assert.equal(spacings(await decode(clip.directory, one)), [3600]);
});

test('notices a camera that freezes, and records it again when it thaws', async () => {
  await using clip = await makeClip();
  await using camera = await GStreamerCamera.open({ clip: clip.directory });
  await using session = new RecordedSession({ address: camera.address, limits: { noMediaMs: 1500 } });
  await session.until('first run', () => session.recorded.length >= 2);
  camera.freeze();
  await session.until('loss', () => session.losses.length > 0);
  assert.is(session.losses[0]!.cause, 'NO_MEDIA');
  camera.thaw();
  await session.until('second run', () => (session.runs[1]?.recorded.length ?? 0) >= 1);
  assert.is(session.runs[0]!.ended, 'CAMERA_DISCONNECTED');
});

const missing = whatIsMissing();
if (missing === null) test.run();
else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [...(skipped.HOLDFAST_SKIPPED ?? []), `camera-session.integration: ${missing}`];
}
