import { rejects } from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { shiftTrackTimes, showTracks } from '@holdfast/core';
import type { RecordingServerId, SegmentId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadClip } from '../../simulated-cameras/clip.js';
import { openSimulatedCameras } from '../../simulated-cameras/simulated-cameras.js';
import { RecordedSession } from '../drivers/rtsp/recorded-session.fixture.js';
import { exportMedia } from './export-media.js';
import { camera1, camera2, never, openTestDatabase, temporaryFolder } from './media-fixture.js';

const test = suite('export of recordings');
const run = promisify(execFile);

const skipped: string[] = [];
Object.assign(globalThis, { HOLDFAST_SKIPPED: skipped });

interface Probe {
  readonly pictureTimesMs: readonly number[];
  readonly durationMs: number;
}

async function probe(file: string): Promise<Probe> {
  const fields = ['-show_entries', 'packet=pts_time:format=duration', '-select_streams', 'v', '-of', 'json'];
  const { stdout, stderr } = await run('ffprobe', ['-v', 'warning', ...fields, file]);
  assert.is(stderr, '');
  const { packets, format } = JSON.parse(stdout);
  return {
    pictureTimesMs: packets.map(({ pts_time }: { pts_time: string }) => Math.round(1000 * Number(pts_time))),
    durationMs: Math.round(1000 * Number(format.duration)),
  };
}

/** Two runs of a few seconds of a real stream, with a gap of half a minute between. */
async function recordedCamera(dir: string): Promise<{ readonly fromMs: number; readonly toMs: number }> {
  await using cameras = await openSimulatedCameras({
    port: 0,
    cameras: [{ path: 'a', clip: await loadClip('corridor') }],
  });
  await using session = new RecordedSession({ address: `rtsp://127.0.0.1:${cameras.port}/a` });
  await session.until('three groups', () => session.recorded.length >= 3);
  const [{ init, recorded }] = session.runs as [(typeof session.runs)[number]];
  await using database = await openTestDatabase(dir);
  const [first, ...rest] = recorded.map(fragment => ({ ...fragment, bytes: fragment.bytes.slice() }));
  const append = (fragment: typeof first & {}) => {
    const { fromMs, toMs, arrivalMs, timeSource, beginsWithKeyFrame, bytes } = fragment;
    const outcome = database.append(camera1, {
      ...{ fromMs, toMs, arrivalMs, timeSource, beginsWithKeyFrame, bytes },
    });
    assert.ok(outcome.accepted);
  };
  database.beginRun({ deviceId: camera1, init, cause: 'CAMERA_CONNECTED' });
  append(first!);
  await database.endRun({ deviceId: camera1, cause: 'CAMERA_DISCONNECTED' });
  const gapMs = 30_000;
  database.beginRun({ deviceId: camera1, init, cause: 'CAMERA_CONNECTED' });
  for (const fragment of rest) {
    const later = shiftTrackTimes(
      fragment.bytes,
      trackId => (-gapMs * (trackId === 1 ? 90_000 : 16_000)) / 1000,
    );
    append({ ...fragment, bytes: later, fromMs: fragment.fromMs + gapMs, toMs: fragment.toMs + gapMs });
  }
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  return { fromMs: first!.fromMs, toMs: rest.at(-1)!.toMs + gapMs };
}

test('an export begins at 0, keeps gaps, and every fragment of it can be proved', async () => {
  await using folder = await temporaryFolder();
  const { fromMs, toMs } = await recordedCamera(folder.path);
  const out = path.join(folder.path, 'export.mp4');
  const options = {
    directories: [{ dir: folder.path, stages: [] }],
    deviceId: camera1,
    fromMs,
    toMs,
    out,
    signal: never,
  };
  let told = 0;
  const list = await exportMedia({ ...options, onProgress: done => (told = done) });
  assert.ok(told > 0);
  assert.is(list.files.length, 1);
  const [file] = list.files;
  const bytes = await readFile(out);
  assert.equal(
    [file!.byteLength, file!.sha256],
    [bytes.length, createHash('sha256').update(bytes).digest('hex')],
  );
  for (const [index, { offset, digest }] of file!.fragments.entries()) {
    const exported = bytes.subarray(offset, file!.fragments[index + 1]?.offset ?? bytes.length);
    const shown = showTracks(exported);
    const asRecorded = shiftTrackTimes(shown, trackId => -(file!.earlierTicks[trackId] ?? 0));
    assert.is(createHash('sha256').update(asRecorded).digest('hex'), digest);
  }
  assert.equal(JSON.parse(await readFile(`${out}.digests.json`, 'utf8')), list);
  await rejects(() => exportMedia({ ...options, onProgress: () => undefined }), {
    code: 'EXPORT_EXISTS',
  });
  if (spawnSync('ffprobe', ['-version']).status !== 0) {
    skipped.push('ffprobe reads an export: ffprobe is not installed');
    return;
  }
  const { pictureTimesMs, durationMs } = await probe(out);
  // Sound may begin before the first picture, and a picture is shown later than it is decoded.
  assert.ok(pictureTimesMs[0]! < 200, `${pictureTimesMs[0]}`);
  const steps = pictureTimesMs.slice(1).map((ms, index) => ms - pictureTimesMs[index]!);
  assert.is(steps.filter(step => step > 29_000).length, 1);
  assert.ok(Math.abs(durationMs - (toMs - fromMs)) < 100, `${durationMs} of ${toMs - fromMs}`);
});

test('what the log names and is not here stands in the list, and an export of nothing but that is refused', async () => {
  await using folder = await temporaryFolder();
  const { fromMs, toMs } = await recordedCamera(folder.path);
  const out = path.join(folder.path, 'export.mp4');
  const [here, away] = [randomUUID() as RecordingServerId, randomUUID() as RecordingServerId];
  const options = {
    directories: [{ dir: folder.path, recordingServerId: here, stages: [] }],
    ...{ deviceId: camera1, fromMs, out, signal: never, onProgress: () => undefined },
  };
  const absent = (recordingServerId: RecordingServerId, fromMs: number, toMs: number) => ({
    ...{ segmentId: randomUUID() as SegmentId, recordingServerId, fromMs, toMs },
  });
  const expected = [absent(here, fromMs + 9_000, fromMs + 10_000), absent(away, toMs, toMs + 60_000)];
  const list = await exportMedia({ ...options, toMs: toMs + 60_000, expected });
  assert.equal(list.missing, [
    { ...expected[0]!, because: 'FILE_ABSENT' },
    { ...expected[1]!, because: 'MEDIA_DIRECTORY_ABSENT' },
  ]);
  const [{ segments }] = list.files as [(typeof list.files)[number]];
  const found = { ...absent(here, fromMs, toMs), segmentId: segments[0]!.segmentId };
  const whole = await exportMedia({ ...options, toMs, out: `${out}-2.mp4`, expected: [found] });
  assert.equal(whole.missing, []);
  await rejects(
    () =>
      exportMedia({ ...options, fromMs: toMs + 5_000, toMs: toMs + 60_000, out: `${out}-3.mp4`, expected }),
    { code: 'RECORDINGS_ABSENT' },
  );
});

test('what is cancelled or was never recorded leaves nothing behind', async () => {
  await using folder = await temporaryFolder();
  const { fromMs, toMs } = await recordedCamera(folder.path);
  const out = path.join(folder.path, 'export.mp4');
  const stop = new AbortController();
  const options = { directories: [{ dir: folder.path, stages: [] }], fromMs, toMs, out };
  const cancelled = exportMedia({
    ...{ ...options, deviceId: camera1, signal: stop.signal },
    onProgress: () => stop.abort(),
  });
  await rejects(() => cancelled, { name: 'AbortError' });
  await rejects(
    () => exportMedia({ ...options, deviceId: camera2, signal: never, onProgress: () => undefined }),
    { code: 'NOTHING_RECORDED' },
  );
  assert.equal(
    (await readdir(folder.path)).filter(name => name.startsWith('export')),
    [],
  );
});

test.run();
