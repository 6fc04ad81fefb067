import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RtspTestClient } from '../rtsp-server/rtsp-test-client.js';
import { groupPictures, splitAnnexB } from './annex-b.js';
import { type Clip, clipNames, loadClip, shortenClip } from './clip.js';
import { openSimulatedCameras, runSimulatedCameras } from './simulated-cameras.js';

const test = suite('simulated cameras');
const run = promisify(execFile);
const credentials = { userName: 'admin', password: 'pass "word"' };

/** The part of media-stream-library's messages that is looked at here. */
interface IsomMessage {
  readonly type: number;
  readonly tracks?: readonly { readonly codec: { readonly coding: string } }[];
  readonly ntpTimestamp?: number;
}

const skipped: string[] = [];
Object.assign(globalThis, { HOLDFAST_SKIPPED: skipped });

/** Registers a test that needs a program; without it the test is skipped by name. */
function testWith(program: string, title: string, body: () => Promise<void>): void {
  const found = spawnSync(program, [program.startsWith('gst') ? '--version' : '-version']).status === 0;
  if (found) test(title, body);
  else skipped.push(`${title}: ${program} is not installed`);
}

/** A second: who watches for three of them sees its loop twice at least. */
async function shortClip(): Promise<Clip> {
  return shortenClip(await loadClip('corridor'), 25);
}

/** The RTP timestamps of the pictures seen on channel 0. */
function pictureTimestamps(client: RtspTestClient): number[] {
  return [...new Set(client.onChannel(0).map(packet => packet.readUInt32BE(4)))];
}

test('pictures are exactly 40 ms apart and sound has no gap across the loop', async () => {
  await using server = await openSimulatedCameras({
    port: 0,
    cameras: [{ path: 'a', clip: await shortClip() }],
  });
  using client = await RtspTestClient.open(server.port);
  await client.play(`rtsp://127.0.0.1:${server.port}/a`, 2);
  await client.until(() => pictureTimestamps(client).length >= 60);
  const pictures = pictureTimestamps(client);
  const steps = pictures.slice(1).map((ticks, index) => (ticks - pictures[index]!) >>> 0);
  assert.equal([...new Set(steps)], [3600]);
  const sound = client.onChannel(2).map(packet => packet.readUInt32BE(4));
  assert.ok(sound.length > 90);
  assert.equal([...new Set(sound.slice(1).map((ticks, index) => (ticks - sound[index]!) >>> 0))], [1024]);
});

test('who comes later sees the same stream at the same capture times, joining in the middle of a GOP', async () => {
  await using server = await openSimulatedCameras({
    port: 0,
    cameras: [{ path: 'a', clip: await shortClip() }],
  });
  const uri = `rtsp://127.0.0.1:${server.port}/a`;
  using early = await RtspTestClient.open(server.port);
  await early.play(uri, 1);
  await early.until(() => pictureTimestamps(early).length >= 7);
  using late = await RtspTestClient.open(server.port);
  await late.play(uri, 1);
  await late.until(() => pictureTimestamps(late).length >= 4);
  await early.until(() => pictureTimestamps(early).length >= 14);
  const captured = (client: RtspTestClient): Map<number, string> => {
    const report = client.onChannel(1)[0]!;
    const reportMs =
      (report.readUInt32BE(8) - 2_208_988_800) * 1000 + (report.readUInt32BE(12) / 2 ** 32) * 1000;
    return new Map(
      client.onChannel(0).map(packet => {
        const ms = reportMs + ((packet.readUInt32BE(4) - report.readUInt32BE(16)) | 0) / 90;
        return [Math.round(ms), packet.subarray(12).toString('hex')];
      }),
    );
  };
  const [one, other] = [captured(early), captured(late)];
  const both = [...other.keys()].filter(ms => one.has(ms));
  assert.ok(both.length >= 4, `only ${both.length} capture times in common`);
  for (const ms of both) assert.is(other.get(ms), one.get(ms));
  const nowMs = Date.now();
  assert.ok(
    both.every(ms => ms <= nowMs + 5 && ms > nowMs - 5000),
    'capture time is wall time',
  );
});

testWith(
  'ffprobe',
  'ffprobe reads picture and sound, 40 ms apart, over the loop and through digest',
  async () => {
    await using server = await openSimulatedCameras({
      port: 0,
      credentials,
      cameras: [{ path: 'a', clip: await shortClip() }],
    });
    const url = `rtsp://admin:${encodeURIComponent(credentials.password)}@127.0.0.1:${server.port}/a`;
    const { stdout } = await run(
      'ffprobe',
      [
        ...[
          '-v',
          'error',
          '-rtsp_transport',
          'tcp',
          '-analyzeduration',
          '300000',
          '-read_intervals',
          '%+3',
          '-show_packets',
        ],
        ...['-show_streams', '-of', 'json', url],
      ],
      { timeout: 30_000, maxBuffer: 64e6 },
    );
    const probed = JSON.parse(stdout) as {
      streams: { codec_name: string; width?: number; sample_rate?: string }[];
      packets: { codec_type: string; pts_time?: string }[];
    };
    assert.equal(
      probed.streams.map(({ codec_name, width, sample_rate }) => [codec_name, width ?? sample_rate]),
      [
        ['h264', 960],
        ['aac', '48000'],
      ],
    );
    // ffmpeg 5 leaves the first packets after joining without a time of their own.
    const times = probed.packets
      .filter(p => p.codec_type === 'video' && p.pts_time)
      .map(p => Number(p.pts_time));
    const steps = times
      .slice(1)
      .map((time, index) => Math.round((time - times[index]!) * 1000))
      .slice(2);
    assert.ok(steps.length > 60, `${steps.length} steps`);
    assert.equal([...new Set(steps)], [40]);
  },
);

testWith('ffmpeg', 'what ffmpeg copies from a camera over its loop decodes without an error', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-cameras-'));
  try {
    await using server = await openSimulatedCameras({
      port: 0,
      cameras: [{ path: 'a', clip: await shortClip(), padToBitsPerSecond: 2e6 }],
    });
    const copied = path.join(folder, 'copied.h264');
    const source = [
      '-rtsp_transport',
      'tcp',
      '-analyzeduration',
      '300000',
      '-i',
      `rtsp://127.0.0.1:${server.port}/a`,
    ];
    await run('ffmpeg', ['-v', 'error', ...source, '-t', '3.5', '-an', '-c', 'copy', copied], {
      timeout: 30_000,
    });
    const pictures = groupPictures(splitAnnexB(await readFile(copied)));
    const whole = pictures.slice(pictures.findIndex(picture => picture.keyFrame));
    assert.ok(
      whole.length > 55 && whole.filter(picture => picture.keyFrame).length >= 3,
      `${whole.length} pictures`,
    );
    const clean = path.join(folder, 'clean.h264');
    await writeFile(
      clean,
      Buffer.concat(whole.flatMap(p => p.nalUnits).flatMap(unit => [Buffer.from([0, 0, 0, 1]), unit])),
    );
    const decoded = await run('ffmpeg', ['-v', 'warning', '-xerror', '-i', clean, '-f', 'null', '-'], {
      timeout: 30_000,
    });
    assert.is(decoded.stderr, '');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

testWith('ffmpeg', 'every picture of the committed clips carries its number in squares', async () => {
  for (const name of clipNames) {
    const clip = path.resolve(import.meta.dirname, `../../simulated-cameras/clips/${name}.h264`);
    const squares = ['-vf', 'crop=176:16:784:524', '-pix_fmt', 'gray', '-f', 'rawvideo', '-'];
    const options = { encoding: 'buffer' as const, maxBuffer: 4e6, timeout: 30_000 };
    const { stdout } = await run('ffmpeg', ['-v', 'error', '-i', clip, ...squares], options);
    const isWhite = (frame: number, square: number): boolean =>
      stdout[frame * 176 * 16 + 8 * 176 + square * 16 + 8]! > 128;
    const read = (frame: number): number =>
      [1, 2, 3, 4, 5, 6, 7, 8, 9].reduce((sum, square) => sum * 2 + Number(isWhite(frame, square)), 0);
    assert.is(stdout.length, 400 * 176 * 16, name);
    for (let frame = 0; frame < 400; frame += 1) {
      assert.ok(isWhite(frame, 0) && !isWhite(frame, 10), `${name} ${frame}`);
      assert.is(read(frame), frame, name);
    }
  }
});

testWith('gst-launch-1.0', 'GStreamer reads and decodes a camera over TCP, through digest', async () => {
  await using server = await openSimulatedCameras({
    port: 0,
    credentials,
    cameras: [{ path: 'a', clip: await shortClip() }],
  });
  const source = ['rtspsrc', `location=rtsp://127.0.0.1:${server.port}/a`, 'protocols=tcp', 'latency=0'];
  const account = [`user-id=${credentials.userName}`, 'user-pw=pass \\"word\\"'];
  const video = ['!', 'rtph264depay', '!', 'h264parse', '!', 'avdec_h264', '!', 'fakesink', 'num-buffers=30'];
  await run('gst-launch-1.0', ['-q', ...source, ...account, ...video], { timeout: 30_000 });
});

test('the Axis client library reads picture and sound', async () => {
  const { components, pipelines } = createRequire(import.meta.url)('media-stream-library');
  await using server = await openSimulatedCameras({
    port: 0,
    cameras: [{ path: 'a', clip: await shortClip() }],
  });
  const uri = `rtsp://127.0.0.1:${server.port}/a`;
  const ISOM = 8;
  const pipeline = new pipelines.RtspMp4Pipeline({ uri });
  pipeline.prepend(new components.TcpSource());
  const codecs: string[] = [];
  const captureMs: number[] = [];
  await new Promise<void>(resolve => {
    const count = (message: IsomMessage): void => {
      if (message.type !== ISOM) return;
      codecs.push(...(message.tracks ?? []).map(track => track.codec.coding));
      if (message.ntpTimestamp) captureMs.push(message.ntpTimestamp);
      if (captureMs.length === 60) resolve();
    };
    pipeline.append(components.Sink.fromHandler(count));
    pipeline.rtsp.play();
  });
  assert.equal(codecs, ['H.264', 'AAC LC']);
  const nowMs = Date.now();
  assert.ok(
    captureMs.every(ms => ms <= nowMs + 5 && ms > nowMs - 10_000),
    'it reads our wall clock',
  );
  await pipeline.rtsp.stop();
});

test('running cameras end when they are told to', async () => {
  const stop = new AbortController();
  let port = 0;
  const ready = (address: { readonly port: number }): void => {
    port = address.port;
  };
  const running = runSimulatedCameras(
    { port: 0, cameras: [{ path: 'a', clip: await shortClip() }], ready },
    stop.signal,
  );
  while (port === 0) await new Promise(setImmediate);
  using client = await RtspTestClient.open(port);
  await client.play(`rtsp://127.0.0.1:${port}/a`, 1);
  const closed = once(client.socket, 'close');
  stop.abort();
  await Promise.all([running, closed]);
});

test.run();
