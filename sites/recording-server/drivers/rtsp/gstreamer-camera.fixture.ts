import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const run = promisify(execFile);
const script = path.resolve(import.meta.dirname, '../../../../../test/cameras/gstreamer-camera.py');
const python = '/usr/bin/python3';
/** Python and GStreamer take half a second to start on an idle machine. */
const START_TIMEOUT_MS = 20_000;

/**
 * For a camera with a loudspeaker. Who only speaks takes no picture, and a source whose pictures nobody takes fails; GStreamer's server
 * ends the loudspeaker with it, unless that has begun to play a moment before.
 */
export const pictureThatNobodyNeedsToTake =
  '( videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=96,framerate=5/1 ! jpegenc ! tee allow-not-linked=true ! rtpjpegpay name=pay0 pt=26 )';

/** Why these cameras cannot run here, or `null`. */
export function whatIsMissing(): string | null {
  const bindings =
    "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer, Gst; " +
    "Gst.init(None); assert Gst.ElementFactory.find('rtph264pay') and Gst.ElementFactory.find('h264parse')";
  if (spawnSync(python, ['-c', bindings]).status !== 0)
    return 'GStreamer RTSP server with python3-gi is not installed';
  const encoders = spawnSync('ffmpeg', ['-hide_banner', '-encoders']);
  if (encoders.status !== 0 || !encoders.stdout.includes('libx264'))
    return 'ffmpeg with libx264 is not installed';
  return null;
}

/** A clip of 4 s with sound, one access unit per file. Closing removes it. */
export async function makeClip(): Promise<{ readonly directory: string } & AsyncDisposable> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-clip-'));
  const access = path.join(directory, 'clip');
  await mkdir(access);
  const whole = path.join(directory, 'clip.mp4');
  const quiet = ['-v', 'error', '-y'];
  await run('ffmpeg', [
    ...[
      ...quiet,
      '-f',
      'lavfi',
      '-i',
      'testsrc2=s=320x180:r=25',
      '-f',
      'lavfi',
      '-i',
      'sine=sample_rate=48000',
    ],
    ...['-t', '4', '-c:v', 'libx264', '-preset', 'superfast', '-profile:v', 'high', '-pix_fmt', 'yuv420p'],
    ...['-b:v', '400k', '-g', '25', '-keyint_min', '25', '-sc_threshold', '0', '-bf', '0'],
    ...['-c:a', 'aac', '-b:a', '48k', '-ac', '1', whole],
  ]);
  const pictures = ['-map', '0:v', '-c', 'copy', '-bsf:v', 'h264_mp4toannexb', '-f', 'image2'];
  await run('ffmpeg', [...quiet, '-i', whole, ...pictures, path.join(access, '%05d.h264')]);
  const sound = ['-map', '0:a', '-c', 'copy', '-f', 'adts'];
  await run('ffmpeg', [...quiet, '-i', whole, ...sound, path.join(access, 'audio.aac')]);
  return {
    directory: access,
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

export interface GStreamerCameraOptions {
  /** What it sends: a clip of `makeClip`, or what a pipeline makes whose payloaders are `pay0` and `pay1`. */
  readonly clip?: string;
  readonly launch?: string;
  /** An ONVIF camera with a loudspeaker, which writes what it hears into a file: samples of 16 bits. */
  readonly backChannel?: { readonly codec: 'PCMU' | 'PCMA'; readonly file: string };
  /** Both unless told otherwise. */
  readonly protocols?: 'tcp' | 'udp';
  readonly tls?: { readonly certificateFile: string; readonly keyFile: string };
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
}

export class GStreamerCamera implements AsyncDisposable {
  readonly port: number;
  readonly #process: ChildProcess;
  readonly #scheme: string;

  private constructor(process: ChildProcess, port: number, scheme: string) {
    this.#process = process;
    this.port = port;
    this.#scheme = scheme;
  }

  static async open(options: GStreamerCameraOptions): Promise<GStreamerCamera> {
    const child = spawn(python, [script, ...argumentsOf(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
    const port = await new Promise<number>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error('the GStreamer camera did not start')),
        START_TIMEOUT_MS,
      );
      child.once('exit', code => reject(new Error(`the GStreamer camera ended with ${code}`)));
      createInterface({ input: child.stdout! }).on('line', line => {
        const found = /^listening on (\d+)$/.exec(line);
        if (!found) return;
        clearTimeout(timer);
        resolve(Number(found[1]));
      });
    });
    return new GStreamerCamera(child, port, options.tls === undefined ? 'rtsp' : 'rtsps');
  }

  get address(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}/cam0`;
  }

  /** It keeps its connections and says nothing any more. */
  freeze(): void {
    this.#process.kill('SIGSTOP');
  }

  thaw(): void {
    this.#process.kill('SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = new Promise(resolve => this.#process.once('exit', resolve));
    this.#process.kill('SIGKILL');
    await ended;
  }
}

function argumentsOf(options: GStreamerCameraOptions): readonly string[] {
  const { user, password, launch, backChannel, protocols, tls, clip } = options;
  return [
    ...['--port', String(options.port ?? 0)],
    ...(user === undefined ? [] : ['--user', user, '--password', password ?? '']),
    ...(launch === undefined ? [] : ['--launch', launch]),
    ...(backChannel === undefined ? [] : ['--back-channel', backChannel.codec, '--heard', backChannel.file]),
    ...(protocols === undefined ? [] : ['--protocols', protocols]),
    ...(tls === undefined ? [] : ['--tls', tls.certificateFile, tls.keyFile]),
    ...(clip === undefined ? [] : ['--', clip]),
  ];
}
