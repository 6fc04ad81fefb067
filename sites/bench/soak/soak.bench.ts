import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, rename, rm, statfs, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { decodeEventData, LOG_START, placeOf } from '@holdfast/core';
import type { DeviceId, HardwareId, HoldfastEvent, RecordingGap, SealedSegment } from '@holdfast/schema';
import { v7 } from 'uuid';
import { readSiteLogFile } from '../../log/site-log-reader.js';
import { mediaDirectoryOf, siteLogFileOf } from '../../site-directory.js';
import { verifySiteDirectory } from '../../verify-site-directory.js';
import { residentBytes } from '../process-memory.js';
import { type Hole, holesOf, slopeOf } from './recorded-time.js';
import type { SoakCamerasMessage } from './soak-cameras.process.js';

export interface SoakOptions {
  readonly hours: number;
  readonly cameras: number;
  /** Where the site lies. On a volume of less than 8 GB its disk is filled up, too. Left out: a new folder, removed at the end. */
  readonly dir: string | null;
  readonly onProgress: (line: string) => void;
}

export interface SoakReport {
  readonly hours: number;
  readonly cameras: number;
  /** What was done to cameras, disk and process, and how often. */
  readonly failures: Readonly<Record<string, number>>;
  readonly segments: number;
  readonly recordedHours: number;
  /** Number and seconds of gaps by the cause that the log gives. */
  readonly gaps: Readonly<Record<string, { readonly count: number; readonly seconds: number }>>;
  readonly gapsWithoutCause: number;
  readonly examplesWithoutCause: readonly string[];
  readonly verified: boolean;
  readonly damages: readonly string[];
  readonly rssMb: number;
  /** Along the line through the later half of the samples since the process was last started. */
  readonly rssGrowthMb: number;
  readonly rssSamples: number;
  readonly memoryIsFlat: boolean;
  readonly events: Readonly<Record<string, number>>;
  readonly alarms: Readonly<Record<string, number>>;
  readonly passed: boolean;
}

/** Cameras that share one address, and are rebooted together. */
const CAMERAS_PER_GROUP = 4;
/** Of each eight cameras one sends pictures over HTTP. */
const MJPEG_PART = 8;
/** Each camera fails about once a minute: what happens to a real one in a year. */
const FAILURE_MS_PER_CAMERA = 60_000;
const SAMPLE_MS = 5_000;
const WARM_UP_MS = 90_000;
/** Until half of the samples every camera has failed in most ways, and what is kept to be used again has its full size. */
const SETTLED = 0.5;
/** Of the resident memory, over the whole run: what is less is no leak that matters, or cannot be told from noise. */
const GROWTH_MAX = 0.15;
/** Retention turns over many times in a run. */
const MEDIA_GIGABYTES = 0.4;
const SMALL_VOLUME_BYTES = 8e9;
const DISK_AWAY_MS = 12_000;
const FILLED_MS = 10_000;
const STALL_MS = 6_000;

const siteId = v7();
const recordingServerId = v7();

/** A site with cameras, disk and process failing all the time; what the log and the files say in the end. Linux only. */
export async function benchSoak(options: SoakOptions, signal: AbortSignal): Promise<SoakReport> {
  const dir = options.dir ?? (await mkdtemp(path.join(tmpdir(), 'holdfast-soak-')));
  await mkdir(dir, { recursive: true });
  const soak = new Soak(dir, options);
  try {
    return await soak.run(signal);
  } finally {
    await soak.end();
    if (options.dir === null) await rm(dir, { recursive: true, force: true });
  }
}

class Soak {
  readonly #dir: string;
  readonly #options: SoakOptions;
  readonly #failures: Record<string, number> = {};
  readonly #samples: [number, number][] = [];
  #cameras: ChildProcess | null = null;
  #site: ChildProcess | null = null;
  #siteSinceMs = 0;

  constructor(dir: string, options: SoakOptions) {
    this.#dir = dir;
    this.#options = options;
  }

  async run(signal: AbortSignal): Promise<SoakReport> {
    const beganMs = performance.now();
    const endMs = beganMs + this.#options.hours * 3600_000;
    await this.#openCameras();
    await this.#startSite();
    const sampling = setInterval(() => this.#sample(), SAMPLE_MS);
    try {
      await this.#failUntil(beganMs, endMs, signal);
    } finally {
      clearInterval(sampling);
    }
    await this.#stopSite('SIGTERM');
    return this.#report((performance.now() - beganMs) / 3600_000);
  }

  async end(): Promise<void> {
    await this.#stopSite('SIGKILL');
    if (this.#cameras?.exitCode === null) this.#cameras.kill('SIGKILL');
  }

  /** Kills come early: memory is watched in one process from a fifth of the time on. */
  async #failUntil(beganMs: number, endMs: number, signal: AbortSignal): Promise<void> {
    const totalMs = endMs - beganMs;
    const kills = [0.06, 0.12, 0.18].map(part => beganMs + part * totalMs);
    const steps = [() => this.#takeDiskAway(), () => this.#stall(), () => this.#fillDisk()];
    const everyMs = Math.max(40_000, totalMs / 60);
    let nextStepMs = beganMs + everyMs / 2;
    for (let step = 0; performance.now() < endMs && !signal.aborted; ) {
      await wait(1000, undefined, { signal }).catch(() => undefined);
      if (this.#site?.exitCode !== null || this.#site.signalCode !== null) {
        throw new Error(`the site ended by itself: ${this.#site?.exitCode ?? this.#site?.signalCode}`);
      }
      const nowMs = performance.now();
      if (kills[0] !== undefined && nowMs >= kills[0]) {
        kills.shift();
        this.#count('PROCESS_IS_KILLED');
        await this.#stopSite('SIGKILL');
        await this.#startSite();
      } else if (nowMs >= nextStepMs && endMs - nowMs > 60_000) {
        nextStepMs = nowMs + everyMs;
        await steps[step++ % steps.length]!();
        this.#options.onProgress(
          `${((nowMs - beganMs) / 60_000).toFixed(0)} min, ${JSON.stringify(this.#failures)}, ${this.#rssMb()} MB`,
        );
      }
    }
  }

  async #openCameras(): Promise<void> {
    const { cameras } = this.#options;
    const rtspCount = cameras - Math.floor(cameras / MJPEG_PART);
    const groups = Math.ceil(rtspCount / CAMERAS_PER_GROUP);
    const failEveryMs = Math.round(FAILURE_MS_PER_CAMERA / cameras);
    const child = fork(
      path.join(import.meta.dirname, 'soak-cameras.process.js'),
      [groups, CAMERAS_PER_GROUP, failEveryMs, 4711].map(String),
    );
    this.#cameras = child;
    const [ready] = (await once(child, 'message', { signal: AbortSignal.timeout(60_000) })) as [
      Extract<SoakCamerasMessage, { kind: 'READY' }>,
    ];
    child.on('message', (message: SoakCamerasMessage) => {
      if (message.kind === 'FAILED') this.#count(`CAMERA_${message.failure}`);
    });
    const addresses = Array.from({ length: cameras }, (_, index) => {
      if (index >= rtspCount && ready.mjpegPort !== null) {
        return { driver: 'mjpeg', address: `http://127.0.0.1:${ready.mjpegPort}/${index}` };
      }
      const group = Math.floor(index / CAMERAS_PER_GROUP) % groups;
      const port = ready.rtspPorts[group]!;
      return { driver: 'rtsp', address: `rtsp://127.0.0.1:${port}/cam${index % CAMERAS_PER_GROUP}` };
    });
    await writeFile(this.#configurationFile, JSON.stringify(configurationOf(addresses)));
  }

  get #configurationFile(): string {
    return path.join(this.#dir, 'site.yaml');
  }

  get #data(): string {
    return path.join(this.#dir, 'data');
  }

  get #media(): string {
    return mediaDirectoryOf(this.#data, recordingServerId as never);
  }

  async #startSite(): Promise<void> {
    const program = path.join(import.meta.dirname, '../../site.process.js');
    this.#site = fork(program, [this.#configurationFile], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    await once(this.#site, 'message', { signal: AbortSignal.timeout(120_000) });
    this.#siteSinceMs = performance.now();
    this.#samples.length = 0;
  }

  async #stopSite(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const site = this.#site;
    if (site === null || site.exitCode !== null || site.signalCode !== null) return;
    const ended = once(site, 'exit');
    site.kill(signal);
    const timer = setTimeout(() => site.kill('SIGKILL'), 120_000);
    await ended;
    clearTimeout(timer);
  }

  async #takeDiskAway(): Promise<void> {
    this.#count('DISK_IS_GONE');
    await rename(this.#media, `${this.#media}-away`);
    await wait(DISK_AWAY_MS);
    await rename(`${this.#media}-away`, this.#media);
  }

  async #stall(): Promise<void> {
    this.#count('PROCESS_STALLS');
    this.#site?.kill('SIGSTOP');
    await wait(STALL_MS);
    this.#site?.kill('SIGCONT');
  }

  /** Only of a volume that is small, as one that was mounted for this. */
  async #fillDisk(): Promise<void> {
    const { blocks, bsize } = await statfs(this.#dir);
    if (blocks * bsize > SMALL_VOLUME_BYTES) return;
    this.#count('DISK_IS_FULL');
    const file = path.join(this.#dir, 'filler');
    const endMs = performance.now() + FILLED_MS;
    const handle = await open(file, 'w');
    const chunk = Buffer.alloc(1024 * 1024, 1);
    while (performance.now() < endMs) {
      await handle.write(chunk).catch(() => wait(50));
    }
    await handle.close();
    await unlink(file);
  }

  #sample(): void {
    const pid = this.#site?.pid;
    if (pid === undefined || !existsSync(`/proc/${pid}`)) return;
    const nowMs = performance.now();
    if (nowMs - this.#siteSinceMs > WARM_UP_MS) this.#samples.push([nowMs, residentBytes(pid) / 2 ** 20]);
  }

  #rssMb(): number {
    return Math.round(this.#samples.at(-1)?.[1] ?? 0);
  }

  #count(failure: string): void {
    this.#failures[failure] = (this.#failures[failure] ?? 0) + 1;
  }

  async #report(hours: number): Promise<SoakReport> {
    const facts = readFacts(siteLogFileOf(this.#data));
    const verification = await verifySiteDirectory(this.#data, { signal: new AbortController().signal });
    const gaps: Record<string, { count: number; seconds: number }> = {};
    const without: string[] = [];
    let recordedMs = 0;
    for (const [deviceId, device] of facts.devices) {
      recordedMs += device.segments.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
      for (const hole of holesOf(device)) {
        if (isExplained(hole)) add(gaps, hole);
        else
          without.push(
            `${deviceId} ${new Date(hole.fromMs).toISOString()} +${hole.toMs - hole.fromMs} ms ${hole.cause}`,
          );
      }
    }
    const samples = this.#samples.slice(Math.floor(this.#samples.length * SETTLED));
    const spanMs = (samples.at(-1)?.[0] ?? 0) - (samples[0]?.[0] ?? 0);
    const rssGrowthMb = samples.length < 2 ? 0 : slopeOf(samples) * spanMs;
    const rssMb = samples.reduce((sum, [, mb]) => sum + mb, 0) / Math.max(1, samples.length);
    const memoryIsFlat = rssGrowthMb < GROWTH_MAX * rssMb;
    const damages = verification.damages.map(damage => JSON.stringify(damage));
    return {
      hours: rounded(hours),
      cameras: this.#options.cameras,
      failures: this.#failures,
      segments: [...facts.devices.values()].reduce((sum, { segments }) => sum + segments.length, 0),
      recordedHours: rounded(recordedMs / 3600_000),
      gaps: Object.fromEntries(
        Object.entries(gaps).map(([cause, { count, seconds }]) => [
          cause,
          { count, seconds: Math.round(seconds) },
        ]),
      ),
      gapsWithoutCause: without.length,
      examplesWithoutCause: without.slice(0, 20),
      verified: damages.length === 0,
      damages: damages.slice(0, 20),
      ...{ rssMb: rounded(rssMb), rssGrowthMb: rounded(rssGrowthMb), rssSamples: samples.length },
      memoryIsFlat,
      events: facts.events,
      alarms: facts.alarms,
      passed: without.length === 0 && damages.length === 0 && memoryIsFlat,
    };
  }
}

/** `MEDIA_LOST` means that nobody knows why. */
function isExplained({ cause }: Hole): boolean {
  return cause !== null && cause !== 'MEDIA_LOST';
}

function add(gaps: Record<string, { count: number; seconds: number }>, { cause, fromMs, toMs }: Hole): void {
  gaps[cause!] ??= { count: 0, seconds: 0 };
  gaps[cause!]!.count += 1;
  gaps[cause!]!.seconds += (toMs - fromMs) / 1000;
}

function configurationOf(addresses: readonly { readonly driver: string; readonly address: string }[]) {
  return {
    role: 'site',
    site: { id: siteId, name: 'Soak' },
    data: 'data',
    operations: { port: 0 },
    recordingServers: [
      {
        ...{ id: recordingServerId, name: 'Recorder', sizeGigabytesMax: MEDIA_GIGABYTES },
        ...{ freeGigabytesLow: 0.2, segmentSecondsMax: 16, reportSeconds: 5 },
      },
    ],
    cameras: addresses.map((camera, index) => ({
      ...{ hardwareId: v7() as HardwareId, name: `Camera ${index}`, recordingServer: recordingServerId },
      ...{ ...camera, microphone: camera.driver === 'rtsp' },
    })),
  };
}

interface Facts {
  readonly devices: ReadonlyMap<DeviceId, { segments: SealedSegment[]; gaps: RecordingGap[] }>;
  readonly events: Record<string, number>;
  readonly alarms: Record<string, number>;
}

function readFacts(file: string): Facts {
  using log = readSiteLogFile(file);
  const devices = new Map<DeviceId, { segments: SealedSegment[]; gaps: RecordingGap[] }>();
  const [events, alarms]: Record<string, number>[] = [{}, {}];
  for (let after = LOG_START; ; ) {
    const page = log.read({ after, limit: 500 });
    for (const recorded of page) {
      events![recorded.type] = (events![recorded.type] ?? 0) + 1;
      const event = decodeEventData(recorded) as HoldfastEvent;
      if (event.type === 'AlarmRaised') alarms![event.data.name] = (alarms![event.data.name] ?? 0) + 1;
      if (event.type !== 'RecordingSealed') continue;
      const { deviceId, segments, gaps } = event.data;
      if (!devices.has(deviceId)) devices.set(deviceId, { segments: [], gaps: [] });
      devices.get(deviceId)!.segments.push(...segments);
      devices.get(deviceId)!.gaps.push(...gaps);
    }
    const last = page.at(-1);
    if (last === undefined) return { devices, events: events!, alarms: alarms! };
    after = placeOf(last);
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
