import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { RtspServer } from '../../rtsp-server/rtsp-server.js';
import { type Clip, type ClipName, clipNames, loadClip, parseClip } from '../../simulated-cameras/clip.js';
import { DatagramCamera } from './datagram-camera.js';
import { FailingCamera, STREAM_FAILURES, type StreamFailure } from './failing-camera.js';
import { parseH265 } from './h265-clip.js';

/** The cameras of the soak, and what they do wrong: a process of their own. Tells its parent where they are, and of each failure. */
export type SoakCamerasMessage =
  | { readonly kind: 'READY'; readonly cameras: readonly SoakCamera[] }
  | {
      readonly kind: 'FAILED';
      readonly failure: StreamFailure | 'REBOOTS' | 'IS_UNPLUGGED' | 'CHANGES_CODEC';
    };

export interface SoakCamera {
  readonly driver: 'rtsp' | 'mjpeg';
  readonly address: string;
  readonly transport: 'AUTO' | 'UDP';
}

/** Cameras that share one address, and are rebooted together. */
const CAMERAS_PER_GROUP = 4;
/** Of each eight cameras one sends pictures over HTTP, and one H.265 in datagrams. */
const ONE_OF = 8;
const PICTURES_PER_SECOND = 5;
/** A camera restarts within half a minute; one that is unplugged is back later. */
const REBOOT_MS = 12_000;
const UNPLUGGED_MS = 75_000;
const DRIFTS = [1, 1.0005, 0.9995, 1];
/** One datagram of so many is lost. */
const ONE_LOST_OF = 300;
const CLOCK_HZ = 90_000;
/** The timestamps of every fourth group wrap so long after each of its cameras was connected. */
const WRAPS_AFTER_S = 45;

const [countText = '', failEveryText = '', seedText = ''] = process.argv.slice(2);
const [count, failEveryMs] = [Number(countText), Number(failEveryText)];
const send = (message: SoakCamerasMessage) => void process.send?.(message);

/** xorshift32: the same failures for the same seed. */
let state = Number(seedText) || 1;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

/** Null: there is no ffmpeg here that makes this. */
function made(source: string, ...coded: string[]): Buffer | null {
  const { status, stdout } = spawnSync(
    'ffmpeg',
    ['-nostdin', '-v', 'error', '-f', 'lavfi', '-i', source, ...coded, '-'],
    { maxBuffer: 256 * 1024 * 1024 },
  );
  return status === 0 ? stdout : null;
}

const quick = ['-preset', 'ultrafast', '-b:v', '300k'];
const otherStream = made(
  'testsrc2=s=640x360:r=25:d=4',
  ...['-c:v', 'libx264', '-g', '50', '-bf', '0', ...quick, '-f', 'h264'],
);
/** Beside the committed clips, where there is an ffmpeg, a smaller one: what cameras switch to. */
const other = otherStream && parseClip('other', otherStream, null);
const h265Stream = made(
  'testsrc2=s=640x360:r=25:d=8',
  ...['-c:v', 'libx265', ...quick, '-x265-params'],
  ...['log-level=none:keyint=50:min-keyint=50:scenecut=0:bframes=0:repeat-headers=1:slices=1', '-f', 'hevc'],
);
const h265 = h265Stream && parseH265(h265Stream);
const picturesStream = made('testsrc2=s=640x360:r=5:d=2', ...['-c:v', 'mjpeg', '-q:v', '12', '-f', 'mjpeg']);

const clips = new Map<ClipName, readonly Clip[]>();
for (const name of clipNames) {
  const clip = await loadClip(name);
  clips.set(name, other === null ? [clip] : [clip, { ...other, audio: clip.audio }]);
}

const part = Math.floor(count / ONE_OF);
const mjpegCount = picturesStream === null ? 0 : part;
const datagramCount = h265 === null ? 0 : part;
const rtspCount = count - mjpegCount - datagramCount;
const cameras = Array.from({ length: rtspCount }, (_, index) => failingCamera(index));
const datagramCameras = await Promise.all(
  Array.from({ length: datagramCount }, (_, index) => openDatagramCamera(index, h265!)),
);

function failingCamera(index: number): FailingCamera {
  return new FailingCamera({
    ...{ name: `camera ${index}`, clips: clips.get(clipNames[index % clipNames.length]!)! },
    drift: DRIFTS[index % DRIFTS.length]!,
  });
}

function openDatagramCamera(index: number, clip: Clip): Promise<DatagramCamera> {
  const facts = { name: `datagram camera ${index}`, drift: DRIFTS[index % DRIFTS.length]! };
  return DatagramCamera.open({
    cameras: {
      H264: new FailingCamera({ ...facts, clips: [other ?? clips.get('entrance')![0]!] }),
      H265: new FailingCamera({ ...facts, clips: [clip], codec: 'H265' }),
    },
    isLost: () => random(ONE_LOST_OF) === 0,
  });
}

/** What RTP begins at: the RTSP server takes it from the random bytes of each track (SSRC, timestamp, sequence). */
function wrapping(byteLength: number): Buffer {
  const bytes = randomBytes(byteLength);
  if (byteLength !== 10) return bytes;
  const ticks = Math.round((performance.timeOrigin + performance.now()) * (CLOCK_HZ / 1000));
  const base = (2 ** 33 - (ticks % 2 ** 32) - WRAPS_AFTER_S * CLOCK_HZ) % 2 ** 32;
  bytes.writeUInt32BE(base, 4);
  bytes.writeUInt16BE(65_000, 8);
  return bytes;
}

function serve(group: number, port: number): Promise<RtspServer> {
  return RtspServer.open({
    port,
    random: group % 4 === 3 ? wrapping : randomBytes,
    now: () => performance.now(),
    provider: {
      presentation: path => cameras[group * CAMERAS_PER_GROUP + Number(path.replace('cam', ''))] ?? null,
    },
  });
}

const groups = Math.ceil(rtspCount / CAMERAS_PER_GROUP);
const servers = await Promise.all(Array.from({ length: groups }, (_, group) => serve(group, 0)));
const ports = servers.map(server => server.port);
const away = new Set<number>();

async function takeAway(group: number, forMs: number): Promise<void> {
  away.add(group);
  await servers[group]![Symbol.asyncDispose]();
  setTimeout(async () => {
    servers[group] = await serve(group, ports[group]!);
    away.delete(group);
  }, forMs);
}

async function servePictures(stream: Buffer): Promise<number> {
  const pictures = splitPictures(stream);
  const server = http.createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'multipart/x-mixed-replace; boundary=frame' });
    let index = 0;
    const timer = setInterval(() => {
      const picture = pictures[index++ % pictures.length]!;
      response.write(`--frame\r\nContent-Type: image/jpeg\r\nContent-Length: ${picture.length}\r\n\r\n`);
      response.write(picture);
      response.write('\r\n');
    }, 1000 / PICTURES_PER_SECOND);
    response.on('close', () => clearInterval(timer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  // Some of them reboot at times, too.
  setInterval(() => server.closeAllConnections(), 40 * failEveryMs);
  return (server.address() as AddressInfo).port;
}

/** Each begins with SOI and ends with EOI. */
function splitPictures(stream: Buffer): readonly Buffer[] {
  const pictures: Buffer[] = [];
  for (let at = 0; at < stream.length; ) {
    const end = stream.indexOf(Buffer.from([0xff, 0xd9]), at);
    if (end < 0) break;
    pictures.push(stream.subarray(at, end + 2));
    at = end + 2;
  }
  return pictures;
}

function failOnce(): void {
  const which = random(STREAM_FAILURES.length + 3);
  const failure = STREAM_FAILURES[which];
  if (failure !== undefined) {
    const failing = random(cameras.length + datagramCameras.length);
    (cameras[failing] ?? datagramCameras[failing - cameras.length]!.current).fail(failure);
    send({ kind: 'FAILED', failure });
    return;
  }
  if (which === STREAM_FAILURES.length + 2) {
    if (datagramCameras.length === 0) return;
    void datagramCameras[random(datagramCameras.length)]!.changeCodec(REBOOT_MS);
    send({ kind: 'FAILED', failure: 'CHANGES_CODEC' });
    return;
  }
  const group = random(groups);
  if (away.has(group)) return;
  const unplugged = which === STREAM_FAILURES.length && random(4) === 0;
  void takeAway(group, unplugged ? UNPLUGGED_MS : REBOOT_MS);
  send({ kind: 'FAILED', failure: unplugged ? 'IS_UNPLUGGED' : 'REBOOTS' });
}

process.once('disconnect', () => process.exit());
const picturesPort = picturesStream && (await servePictures(picturesStream));
send({
  kind: 'READY',
  cameras: [
    ...cameras.map((_, index): SoakCamera => {
      const address = `rtsp://127.0.0.1:${ports[Math.floor(index / CAMERAS_PER_GROUP)]}/cam${index % CAMERAS_PER_GROUP}`;
      return { driver: 'rtsp', address, transport: 'AUTO' };
    }),
    ...datagramCameras.map(({ address }): SoakCamera => ({ driver: 'rtsp', address, transport: 'UDP' })),
    ...Array.from({ length: mjpegCount }, (_, index): SoakCamera => {
      return { driver: 'mjpeg', address: `http://127.0.0.1:${picturesPort}/${index}`, transport: 'AUTO' };
    }),
  ],
});
setInterval(failOnce, failEveryMs);
