import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { AUDIO_TRACK_ID, hideTracks, readFragment, readInitSegment, readSamples } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { GStreamerCamera, whatIsMissing } from './gstreamer-camera.fixture.js';
import { type RecordedRun, RecordedSession } from './recorded-session.fixture.js';

const run = promisify(execFile);
const test = suite('codecs of cameras, served by GStreamer and read by ffprobe');

const picture = (width = 320, height = 180) =>
  `videotestsrc is-live=true pattern=ball ! video/x-raw,format=I420,width=${width},height=${height},framerate=10/1`;
const sound = (rate: number) => `audiotestsrc is-live=true ! audio/x-raw,rate=${rate},channels=1`;
const h265 = 'x265enc speed-preset=ultrafast tune=zerolatency key-int-max=10 bitrate=300';
const pay = {
  h265: `${h265} ! h265parse ! rtph265pay name=pay0 config-interval=-1 pt=96`,
  jpeg: 'jpegenc ! rtpjpegpay name=pay0 pt=26',
  ulaw: 'mulawenc ! rtppcmupay name=pay1 pt=0',
  alaw: 'alawenc ! rtppcmapay name=pay1 pt=8',
  opus: 'opusenc ! rtpopuspay name=pay1 pt=97',
};

interface Probed {
  readonly codec: string;
  readonly width: number | undefined;
  readonly sampleRate: string | undefined;
  readonly packetCount: number;
}

/** Decodes a run without a complaint, and says what is in it. */
async function probe(recorded: RecordedRun): Promise<readonly Probed[]> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-codecs-'));
  try {
    const file = path.join(directory, 'run.mp4');
    await writeFile(file, Buffer.concat([recorded.init.bytes, ...recorded.recorded.map(one => one.bytes)]));
    const decoded = await run('ffmpeg', ['-v', 'error', '-xerror', '-i', file, '-f', 'null', '-']);
    assert.is(decoded.stderr, '');
    const fields = 'stream=codec_name,width,sample_rate,nb_read_packets';
    const probed = await run('ffprobe', [
      ...['-v', 'error', '-count_packets', '-show_entries', fields, '-of', 'json'],
      file,
    ]);
    const { streams } = JSON.parse(probed.stdout) as {
      streams: { codec_name: string; width?: number; sample_rate?: string; nb_read_packets: string }[];
    };
    return streams.map(stream => ({
      codec: stream.codec_name,
      width: stream.width,
      sampleRate: stream.sample_rate,
      packetCount: Number(stream.nb_read_packets),
    }));
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function record(launch: string): Promise<RecordedRun> {
  await using camera = await GStreamerCamera.open({ launch: `( ${launch} )` });
  await using session = new RecordedSession({ address: camera.address });
  await session.until('recorded', () => session.recorded.length >= 3);
  await session.stop();
  assert.is(session.lostAccessUnits, 0);
  const [only, ...others] = session.runs;
  assert.is(others.length, 0);
  assert.is(readInitSegment(only!.init.bytes)?.codecs, only!.init.codecs);
  for (const [index, fragment] of only!.recorded.entries())
    if (index > 0) assert.is(fragment.fromMs, only!.recorded[index - 1]!.toMs);
  return only!;
}

test('records H.265 with Opus', async () => {
  const recorded = await record(`${picture(322, 182)} ! ${pay.h265} ${sound(48_000)} ! ${pay.opus}`);
  assert.match(recorded.init.codecs, /^hvc1\.1\.6\.L\d+\.[0-9A-F.]+,opus$/);
  const [video, audio] = await probe(recorded);
  assert.equal([video!.codec, video!.width, audio!.codec], ['hevc', 322, 'opus']);
  // Until x265 has its first picture, sound is not recorded; from there on none is missing.
  const samples = recorded.recorded.flatMap(({ bytes }) =>
    readSamples(bytes, readFragment(bytes, 0)!, AUDIO_TRACK_ID),
  );
  assert.is(samples.length, audio!.packetCount);
  assert.equal([...new Set(samples.map(({ durationTicks }) => durationTicks))], [960]);
});

test('records H.265 with G.711 in µ-law', async () => {
  const recorded = await record(`${picture()} ! ${pay.h265} ${sound(8000)} ! ${pay.ulaw}`);
  assert.match(recorded.init.codecs, /^hvc1\.[0-9A-FL.]+,ulaw$/);
  const [, audio] = await probe(recorded);
  assert.equal([audio!.codec, audio!.sampleRate], ['pcm_mulaw', '8000']);
});

test('hides G.711 from browsers in as many bytes, and a player then finds the picture alone', async () => {
  const recorded = await record(`${picture()} ! ${pay.jpeg} ${sound(8000)} ! ${pay.ulaw}`);
  const hidden = (bytes: Uint8Array) => hideTracks(bytes, [AUDIO_TRACK_ID]);
  const silent: RecordedRun = {
    ...recorded,
    init: { ...recorded.init, bytes: hidden(recorded.init.bytes) },
    recorded: recorded.recorded.map(one => ({ ...one, bytes: hidden(one.bytes) })),
  };
  assert.is(silent.recorded[0]!.bytes.length, recorded.recorded[0]!.bytes.length);
  assert.equal(
    (await probe(silent)).map(({ codec }) => codec),
    ['mjpeg'],
  );
});

test('records MJPEG with G.711 in A-law, a group of pictures each second', async () => {
  const recorded = await record(`${picture()} ! ${pay.jpeg} ${sound(8000)} ! ${pay.alaw}`);
  assert.is(recorded.init.codecs, 'mp4v.6C,alaw');
  const [video, audio] = await probe(recorded);
  assert.equal([video!.codec, video!.width, audio!.codec], ['mjpeg', 320, 'pcm_alaw']);
  for (const { fromMs, toMs } of recorded.recorded.slice(0, -1)) assert.ok(toMs - fromMs >= 1000);
});

const needed = ['x265enc', 'opusenc', 'mulawenc', 'alawenc', 'jpegenc'];
const absent = needed.filter(element => spawnSync('gst-inspect-1.0', ['--exists', element]).status !== 0);
const missing = whatIsMissing() ?? (absent.length > 0 ? `GStreamer has no ${absent.join(', ')}` : null);
if (missing === null) test.run();
else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [...(skipped.HOLDFAST_SKIPPED ?? []), `camera-codecs.integration: ${missing}`];
}
