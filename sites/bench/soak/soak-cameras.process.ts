import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { RtspServer } from '../../rtsp-server/rtsp-server.js';
import { type Clip, type ClipName, clipNames, loadClip, parseClip } from '../../simulated-cameras/clip.js';
import { FailingCamera, STREAM_FAILURES, type StreamFailure } from './failing-camera.js';

/** The cameras of the soak, and what they do wrong: a process of their own. Tells its parent where they are, and of each failure. */
export type SoakCamerasMessage =
  | {
      readonly kind: 'READY';
      readonly rtspPorts: readonly number[];
      readonly camerasPerPort: number;
      /** Null: there is no ffmpeg here to make pictures with. */
      readonly mjpegPort: number | null;
    }
  | { readonly kind: 'FAILED'; readonly failure: StreamFailure | 'REBOOTS' | 'IS_UNPLUGGED' };

const PICTURES_PER_SECOND = 5;
/** A camera restarts within half a minute; one that is unplugged is back later. */
const REBOOT_MS = 12_000;
const UNPLUGGED_MS = 75_000;
const DRIFTS = [1, 1.0005, 0.9995, 1];

const [groupsText = '', perGroupText = '', failEveryText = '', seedText = ''] = process.argv.slice(2);
const [groups, perGroup, failEveryMs] = [Number(groupsText), Number(perGroupText), Number(failEveryText)];
const send = (message: SoakCamerasMessage) => void process.send?.(message);

/** xorshift32: the same failures for the same seed. */
let state = Number(seedText) || 1;
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

const ffmpeg = (...args: string[]) =>
  spawnSync('ffmpeg', ['-nostdin', '-v', 'error', ...args], { maxBuffer: 256 * 1024 * 1024 });

/** Beside the committed clips, where there is an ffmpeg, a smaller one: what cameras switch to. */
function otherClip(): Clip | null {
  const source = ['-f', 'lavfi', '-i', 'testsrc2=s=640x360:r=25:d=4'];
  const coded = ['-c:v', 'libx264', '-preset', 'ultrafast', '-g', '50', '-bf', '0', '-b:v', '300k'];
  const { status, stdout } = ffmpeg(...source, ...coded, '-f', 'h264', '-');
  return status === 0 ? parseClip('other', stdout, null) : null;
}

const other = otherClip();
const clips = new Map<ClipName, readonly Clip[]>();
for (const name of clipNames) {
  const clip = await loadClip(name);
  clips.set(name, other === null ? [clip] : [clip, { ...other, audio: clip.audio }]);
}
const cameras = Array.from({ length: groups * perGroup }, (_, index) => {
  const name = clipNames[index % clipNames.length]!;
  return new FailingCamera({
    ...{ name: `camera ${index}`, clips: clips.get(name)! },
    drift: DRIFTS[index % DRIFTS.length]!,
  });
});

function serve(group: number, port: number): Promise<RtspServer> {
  return RtspServer.open({
    port,
    random: randomBytes,
    now: () => performance.now(),
    provider: {
      presentation: path => cameras[group * perGroup + Number(path.replace('cam', ''))] ?? null,
    },
  });
}

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

async function servePictures(): Promise<number | null> {
  const { status, stdout } = ffmpeg(
    ...['-f', 'lavfi', '-i', 'testsrc2=s=640x360:r=5:d=2', '-c:v', 'mjpeg', '-q:v', '12', '-f', 'mjpeg', '-'],
  );
  if (status !== 0) return null;
  const pictures = splitPictures(stdout);
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
  const which = random(STREAM_FAILURES.length + 2);
  const failure = STREAM_FAILURES[which];
  if (failure !== undefined) {
    cameras[random(cameras.length)]!.fail(failure);
    send({ kind: 'FAILED', failure });
    return;
  }
  const group = random(groups);
  if (away.has(group)) return;
  const unplugged = which === STREAM_FAILURES.length && random(4) === 0;
  void takeAway(group, unplugged ? UNPLUGGED_MS : REBOOT_MS);
  send({ kind: 'FAILED', failure: unplugged ? 'IS_UNPLUGGED' : 'REBOOTS' });
}

process.once('disconnect', () => process.exit());
send({ kind: 'READY', rtspPorts: ports, camerasPerPort: perGroup, mjpegPort: await servePictures() });
setInterval(failOnce, failEveryMs);
