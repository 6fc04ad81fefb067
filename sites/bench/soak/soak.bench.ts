import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { makeFolder } from '@holdfast/interconnect';
import type { HardwareId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { mediaDirectoryOf, siteLogFileOf } from '../../site-directory.js';
import { verifySiteDirectory } from '../../verify-site-directory.js';
import { residentBytes } from '../process-memory.js';
import { DiskFailures } from './disk-failures.js';
import { type MemoryReport, type MemorySample, memoryReport } from './memory-watch.js';
import type { SoakCamera, SoakCamerasMessage } from './soak-cameras.process.js';
import { type RecordedFacts, recordedFacts } from './soak-report.js';
import type { SoakSiteMemory, SoakSiteOrder } from './soak-site.preload.js';

/** Whom the site reports to, over a link that is cut. */
export interface SoakParent extends AsyncDisposable {
  readonly siteId: SiteId;
  /** What the configuration of the site says of it. */
  readonly configuration: object;
  /** Cuts the link for so long, and then fetches recordings over it. */
  cut(forMs: number): Promise<void>;
  /** Stops it. What it has, and what is wrong with it. */
  verify(): Promise<{ readonly found: object; readonly damages: readonly string[] }>;
}

export interface SoakOptions {
  readonly hours: number;
  readonly cameras: number;
  /** Where the site lies. On a volume of less than 8 GB its disk is filled up, too. Left out: a new folder, removed at the end. */
  readonly dir: string | null;
  /** Where the site writes what it has to say; null: nowhere. Not on the volume that is filled up. */
  readonly logFile: string | null;
  /** Null: the site stands alone. */
  readonly parent: SoakParent | null;
  readonly onProgress: (line: string) => void;
}

export interface SoakReport extends RecordedFacts {
  readonly hours: number;
  readonly cameras: number;
  /** What was done to cameras, disk, process and link, and how often. */
  readonly failures: Readonly<Record<string, number>>;
  readonly verified: boolean;
  readonly damages: readonly string[];
  /** Of the site's process, since it was last started and warm. */
  readonly memory: MemoryReport;
  /** What the parent has in the end. */
  readonly parent: object | null;
  /** Every gap in a line; null: the folder was removed. */
  readonly gapsFile: string | null;
  readonly passed: boolean;
}

/** Each camera fails about once a minute: what happens to a real one in a year. */
const FAILURE_MS_PER_CAMERA = 60_000;
const SAMPLE_MS = 5_000;
const WARM_UP_MS = 90_000;
/** Retention turns over many times in a run. */
const MEDIA_GIGABYTES = 0.4;
const START_MS_MAX = 120_000;
const STALL_MS = 6_000;
const LINK_CUT_MS = 20_000;
const SLOW_MS = 15_000;
/** More than the pictures that wait for it last: the queues of cameras run over. */
const SLOW_SYNC_MS = 2_500;

const recordingServerId = v7();

/** A site with cameras, disk, link and process failing all the time; what the log and the files say in the end. Linux only. */
export async function benchSoak(options: SoakOptions, signal: AbortSignal): Promise<SoakReport> {
  const dir = options.dir ?? (await mkdtemp(path.join(tmpdir(), 'holdfast-soak-')));
  makeFolder(dir);
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
  readonly #samples: MemorySample[] = [];
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
    const sampling = setInterval(() => this.#tellSite({ kind: 'TELL_MEMORY' }), SAMPLE_MS);
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
    const steps = await this.#steps();
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
        const [name, fail] = steps[step++ % steps.length]!;
        this.#count(name);
        await fail();
        const megabytes = Math.round((this.#samples.at(-1)?.rssBytes ?? 0) / 2 ** 20);
        const minutes = ((nowMs - beganMs) / 60_000).toFixed(0);
        this.#options.onProgress(`${minutes} min, ${JSON.stringify(this.#failures)}, ${megabytes} MB`);
      }
    }
  }

  /** What is done in turn to disk, process and link. */
  async #steps(): Promise<readonly (readonly [string, () => Promise<void>])[]> {
    const disk = new DiskFailures({ dir: this.#dir, media: this.#media });
    const { parent } = this.#options;
    return [
      ['DISK_IS_GONE', () => disk.takeAway()],
      ['PROCESS_STALLS', () => this.#stall()],
      ...(parent === null ? [] : [['LINK_IS_CUT', () => parent.cut(LINK_CUT_MS)] as const]),
      ...((await disk.isSmall()) ? [['DISK_IS_FULL', () => disk.fill()] as const] : []),
      ['DISK_IS_SLOW', () => this.#slowDisk()],
      ...(disk.canBeReadOnly() ? [['DISK_IS_READ_ONLY', () => disk.makeReadOnly()] as const] : []),
    ];
  }

  async #openCameras(): Promise<void> {
    const { cameras, parent } = this.#options;
    const failEveryMs = Math.round(FAILURE_MS_PER_CAMERA / cameras);
    const child = fork(
      path.join(import.meta.dirname, 'soak-cameras.process.js'),
      [cameras, failEveryMs, 4711].map(String),
    );
    this.#cameras = child;
    const [ready] = (await once(child, 'message', { signal: AbortSignal.timeout(60_000) })) as [
      Extract<SoakCamerasMessage, { kind: 'READY' }>,
    ];
    child.on('message', (message: SoakCamerasMessage) => {
      if (message.kind === 'FAILED') this.#count(`CAMERA_${message.failure}`);
    });
    await writeFile(this.#configurationFile, JSON.stringify(configurationOf(ready.cameras, parent)));
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
    const { logFile } = this.#options;
    const program = path.join(import.meta.dirname, '../../site.process.js');
    const preload = pathToFileURL(path.join(import.meta.dirname, 'soak-site.preload.js')).href;
    const output = logFile === null ? 'ignore' : openSync(logFile, 'a');
    this.#siteSinceMs = 0;
    const site = fork(program, [this.#configurationFile], {
      execArgv: ['--import', preload],
      stdio: ['ignore', output, output, 'ipc'],
    });
    this.#site = site;
    const isOpen = new AbortController();
    site.on('message', (message: SoakSiteMemory | { readonly operationsPort: number }) => {
      if ('operationsPort' in message) isOpen.abort();
      else this.#sample(site.pid!, message);
    });
    await wait(START_MS_MAX, undefined, { signal: isOpen.signal }).catch(() => undefined);
    if (!isOpen.signal.aborted) throw new Error('the site does not start');
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

  #tellSite(order: SoakSiteOrder): void {
    if (this.#site?.connected) this.#site.send(order);
  }

  async #stall(): Promise<void> {
    this.#site?.kill('SIGSTOP');
    await wait(STALL_MS);
    this.#site?.kill('SIGCONT');
  }

  async #slowDisk(): Promise<void> {
    this.#tellSite({ kind: 'BE_SLOW', syncMs: SLOW_SYNC_MS });
    await wait(SLOW_MS);
    this.#tellSite({ kind: 'BE_SLOW', syncMs: 0 });
  }

  #sample(pid: number, { heapBytes, externalBytes }: SoakSiteMemory): void {
    const atMs = performance.now();
    if (this.#site?.pid !== pid || this.#siteSinceMs === 0 || atMs - this.#siteSinceMs < WARM_UP_MS) return;
    this.#samples.push({ atMs, rssBytes: residentBytes(pid), heapBytes, externalBytes });
  }

  #count(failure: string): void {
    this.#failures[failure] = (this.#failures[failure] ?? 0) + 1;
  }

  async #report(hours: number): Promise<SoakReport> {
    const { dir, parent, cameras } = this.#options;
    const { facts, table } = recordedFacts(siteLogFileOf(this.#data));
    const verification = await verifySiteDirectory(this.#data, { signal: new AbortController().signal });
    const above = (await parent?.verify()) ?? null;
    const damages = [
      ...verification.damages.map(damage => JSON.stringify(damage)),
      ...(above?.damages ?? []),
    ];
    const gapsFile = dir === null ? null : path.join(dir, 'gaps.csv');
    if (gapsFile !== null) await writeFile(gapsFile, table);
    const memory = memoryReport(this.#samples);
    const { gapsWithoutCause, neverRecorded } = facts;
    return {
      ...{ hours: Math.round(hours * 100) / 100, cameras, failures: this.#failures, ...facts },
      ...{ verified: damages.length === 0, damages: damages.slice(0, 20), memory },
      ...{ parent: above?.found ?? null, gapsFile },
      passed: gapsWithoutCause === 0 && neverRecorded === 0 && damages.length === 0 && memory.isFlat,
    };
  }
}

function configurationOf(cameras: readonly SoakCamera[], parent: SoakParent | null) {
  return {
    role: 'site',
    site: { id: parent?.siteId ?? v7(), name: 'Soak' },
    data: 'data',
    ...parent?.configuration,
    operations: { port: 0 },
    recordingServers: [
      {
        ...{ id: recordingServerId, name: 'Recorder', sizeGigabytesMax: MEDIA_GIGABYTES },
        ...{ freeGigabytesLow: 0.2, segmentSecondsMax: 16, reportSeconds: 5 },
      },
    ],
    cameras: cameras.map((camera, index) => ({
      ...{ hardwareId: v7() as HardwareId, name: `Camera ${index}`, recordingServer: recordingServerId },
      ...{ ...camera, microphone: camera.driver === 'rtsp' && camera.transport !== 'UDP' },
    })),
  };
}
