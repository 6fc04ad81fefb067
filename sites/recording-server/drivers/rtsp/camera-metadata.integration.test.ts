import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import {
  hideTracks,
  keyFrameFragment,
  METADATA_TRACK_ID,
  readInitSegment,
  readMetadata,
} from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSimulatedCameras } from '../../../simulated-cameras/simulated-cameras.js';
import { RecordedSession } from './recorded-session.fixture.js';

const run = promisify(execFile);
const test = suite('ONVIF metadata of a camera');

/** Now in one packet, now in several. */
const documentAt = (atMs: number) =>
  `<tt:MetadataStream xmlns:tt="http://www.onvif.org/ver10/schema"><tt:VideoAnalytics><tt:Frame UtcTime="${new Date(
    Math.round(atMs),
  ).toISOString()}">${'<tt:Object ObjectId="7"/>'.repeat(Math.round(atMs / 1000) % 2 === 0 ? 1 : 100)}</tt:Frame></tt:VideoAnalytics></tt:MetadataStream>`;

test('is recorded as a track beside the pictures, and is read back with their times', async () => {
  await using cameras = await openSimulatedCameras({
    port: 0,
    cameras: [{ path: 'yard', clip: 'entrance', describe: documentAt }],
  });
  await using session = new RecordedSession({ address: `rtsp://127.0.0.1:${cameras.port}/yard` });
  await session.until('recorded', () => session.recorded.length >= 3);
  await session.stop();
  const [only] = session.runs;
  const { init, recorded, live } = only!;
  assert.match(init.codecs, /^avc1\.[0-9a-f]{6},mp4a\.40\.2,metx$/);
  assert.is(readInitSegment(init.bytes)!.codecs, init.codecs);
  const documents = recorded.flatMap(({ bytes }) => readMetadata(bytes));
  const spanMs = recorded.at(-1)!.toMs - recorded[0]!.fromMs;
  assert.ok(Math.abs(documents.length - spanMs / 1000) <= 2, `${documents.length} in ${spanMs} ms`);
  for (const { atMs, xml } of documents) {
    // What the camera says of its picture stands where the picture stands.
    const saidMs = Date.parse(/UtcTime="([^"]+)"/.exec(xml)![1]!);
    assert.ok(Math.abs(atMs - saidMs) < 100, `${atMs - saidMs} ms`);
    assert.is(xml.length, documentAt(saidMs).length);
  }
  const kept = recorded.find(({ bytes }) => readMetadata(bytes).length > 0)!;
  assert.equal(readMetadata(keyFrameFragment(kept)!.bytes), readMetadata(kept.bytes));
  assert.equal(
    live.flatMap(({ bytes }) => readMetadata(bytes)),
    [],
    'live viewers get none',
  );
});

if (spawnSync('ffprobe', ['-version']).status === 0) {
  test('ffmpeg plays a recording with metadata, and one without after it was hidden', async () => {
    await using cameras = await openSimulatedCameras({
      port: 0,
      cameras: [{ path: 'yard', clip: 'entrance', describe: documentAt }],
    });
    await using session = new RecordedSession({ address: `rtsp://127.0.0.1:${cameras.port}/yard` });
    await session.until('recorded', () => session.recorded.length >= 2);
    await session.stop();
    const { init, recorded } = session.runs[0]!;
    const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-metadata-'));
    try {
      const streamsOf = async (hidden: readonly number[]) => {
        const file = path.join(directory, 'run.mp4');
        const parts = [init.bytes, ...recorded.map(({ bytes }) => bytes)];
        await writeFile(file, Buffer.concat(parts.map(bytes => hideTracks(bytes, hidden))));
        const decoded = await run('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-f', 'null', '-']);
        assert.is(decoded.stderr, '');
        const entries = ['-show_entries', 'stream=codec_type,codec_tag_string', '-of', 'csv=p=0'];
        return (await run('ffprobe', ['-v', 'error', ...entries, file])).stdout.trim().split('\n');
      };
      assert.equal(await streamsOf([]), ['video,avc1', 'audio,mp4a', 'data,metx']);
      assert.equal(await streamsOf([METADATA_TRACK_ID]), ['video,avc1', 'audio,mp4a']);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
}

test.run();
