import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import type { RtspCredentials } from '../rtsp-server/digest-authentication.js';
import { RtspServer, type RtspServerReport } from '../rtsp-server/rtsp-server.js';
import { type Clip, type ClipName, loadClip } from './clip.js';
import { LoopedCamera } from './looped-camera.js';
import { padClip } from './padded-clip.js';

/** Cameras do not take their pictures at the same moment; neither do these, so that the load is spread. */
const CAMERA_STAGGER_MS = 7;

export interface SimulatedCamera {
  /** Without a leading slash: `rtsp://host:port/<path>`. */
  readonly path: string;
  /** A committed clip by name, or one of your own. */
  readonly clip: ClipName | Clip;
  /** Pads the pictures with filler data up to this rate of video; for benchmarks. */
  readonly padToBitsPerSecond?: number;
  /** See `LoopedCamera`. */
  readonly describe?: (atMs: number) => string;
}

export interface SimulatedCamerasOptions {
  /** 0 lets the system choose. */
  readonly port: number;
  readonly host?: string;
  readonly cameras: readonly SimulatedCamera[];
  readonly credentials?: RtspCredentials;
  readonly sessionTimeoutMs?: number;
  /** Called once, when clients may come. */
  readonly ready?: (address: { readonly port: number }) => void;
  readonly report?: (report: RtspServerReport) => void;
}

/** Opens the cameras; closing what is returned ends them. Each clip is in memory once, however many cameras play it. */
export async function openSimulatedCameras(options: SimulatedCamerasOptions): Promise<RtspServer> {
  // Anchored to the wall clock once: a real camera's clock does not step because ours is set.
  const now = (): number => performance.timeOrigin + performance.now();
  const clips = new Map<string, Promise<Clip>>();
  const clipOf = ({ clip, padToBitsPerSecond }: SimulatedCamera): Promise<Clip> => {
    const load = async (): Promise<Clip> => {
      const loaded = typeof clip === 'string' ? await loadClip(clip) : clip;
      return padToBitsPerSecond ? padClip(loaded, { bitsPerSecond: padToBitsPerSecond }) : loaded;
    };
    if (typeof clip !== 'string') return load();
    const key = `${clip} ${padToBitsPerSecond ?? ''}`;
    const known = clips.get(key) ?? load();
    clips.set(key, known);
    return known;
  };
  const startMs = now();
  const cameras = new Map<string, LoopedCamera>();
  for (const [index, camera] of options.cameras.entries()) {
    const clip = await clipOf(camera);
    const offsetMs = (index * CAMERA_STAGGER_MS) % 40;
    const { path: name, describe } = camera;
    const described = describe === undefined ? {} : { describe };
    cameras.set(name, new LoopedCamera({ name, clip, startMs: startMs + offsetMs, now, ...described }));
  }
  return await RtspServer.open({
    provider: { presentation: path => cameras.get(path) ?? null },
    port: options.port,
    random: randomBytes,
    now,
    ...(options.host === undefined ? {} : { host: options.host }),
    ...(options.credentials === undefined ? {} : { credentials: options.credentials }),
    ...(options.sessionTimeoutMs === undefined ? {} : { sessionTimeoutMs: options.sessionTimeoutMs }),
    ...(options.report === undefined ? {} : { report: options.report }),
  });
}

/** Runs simulated cameras until the signal is aborted. Throws `RtspListenError` when the port cannot be had. */
export async function runSimulatedCameras(
  options: SimulatedCamerasOptions,
  signal: AbortSignal,
): Promise<void> {
  if (signal.aborted) return;
  await using server = await openSimulatedCameras(options);
  options.ready?.({ port: server.port });
  await new Promise<void>(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
