import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cp, rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { keepDiskFull, siteLogFileOf } from '@holdfast/sites';
import { prove } from './recover-comparison.js';
import {
  type CentralLevel,
  ended,
  hasEnded,
  killed,
  type Level,
  type RecoverNetwork,
  within,
} from './recover-network.js';
import { SmallDisk } from './small-disk.js';

/** Between two faults, and while one lasts: so much that each loses or holds up something. */
const LOAD_EVENTS = 1_500;
const CLOCK_STEP_MS = 3_600_000;

const levels = ['site', 'region', 'centre'] as const;

/** What of a level is put back with an old copy. */
const restored: Readonly<Record<Level, readonly string[]>> = {
  site: ['keys', 'log'],
  region: ['keys', 'log', 'postgres'],
  centre: ['keys', 'log', 'postgres'],
};

/** In place of a verdict. */
const NO_SMALL_DISK =
  'skipped: this process may not mount a small disk; it may as root, and under `unshare --user --map-root-user --mount`';

/** Faults that no kill is, one after the other, each under load; behind each the network heals by itself and is proven. */
export class RecoverFaults {
  readonly #network: RecoverNetwork;
  readonly #onProgress: (line: string) => void;
  #processes: Partial<Record<Level, ChildProcess>> = {};

  constructor(network: RecoverNetwork, onProgress: (line: string) => void) {
    this.#network = network;
    this.#onProgress = onProgress;
  }

  /** Of each fault, what `holdfast verify` said behind it. With nothing running before and after. */
  async run(): Promise<Readonly<Record<string, string>>> {
    const faults: Readonly<Record<string, () => Promise<void>>> = {
      SITE_LOG_TORN: () => this.#damageSite(file => cutToHalf(`${file}-wal`)),
      SITE_LOG_CUT_IN_HALF: () => this.#damageSite(cutToHalf),
      SITE_RESTORED: () => this.#restore(['site']),
      REGION_RESTORED: () => this.#restore(['region']),
      CENTRE_RESTORED: () => this.#restore(['centre']),
      SITE_AND_REGION_RESTORED: () => this.#restore(['site', 'region']),
      REGION_AND_CENTRE_RESTORED: () => this.#restore(['region', 'centre']),
      SITE_CLOCK_STEPPED: () => this.#stepClock('site'),
      REGION_CLOCK_STEPPED: () => this.#stepClock('region'),
      CENTRE_CLOCK_STEPPED: () => this.#stepClock('centre'),
      SITE_DISK_FULL: () => this.#fillDisk('site'),
      REGION_DISK_FULL: () => this.#fillDisk('region'),
      CENTRE_DISK_FULL: () => this.#fillDisk('centre'),
    };
    const canBeSmall = await SmallDisk.canBe(path.join(this.#network.directory, 'small'));
    for (const level of levels) await this.#keepCopy(level);
    this.#network.hasClocksToStep = true;
    this.#processes = await this.#network.startCentrals();
    const verdicts: Record<string, string> = {};
    for (const [name, bring] of Object.entries(faults)) {
      verdicts[name] =
        name.endsWith('_DISK_FULL') && !canBeSmall ? NO_SMALL_DISK : await this.#proveBehind(bring);
      this.#onProgress(`${name}: ${verdicts[name]}`);
    }
    await this.#stop();
    return verdicts;
  }

  async #proveBehind(bring: () => Promise<void>): Promise<string> {
    await this.#load();
    await this.#rest();
    await bring();
    await this.#rest();
    this.#network.isForked = false;
    return await prove(this.#network);
  }

  async #load(): Promise<void> {
    await this.#startSite('APPEND');
    await this.#network.untilAppended(LOAD_EVENTS);
  }

  /** Everything that was acknowledged is at all levels, and so can come back. */
  async #rest(): Promise<void> {
    await this.#startSite('REST');
    await this.#network.untilWhole();
  }

  async #startSite(mayAppend: 'APPEND' | 'REST'): Promise<void> {
    await this.#killSite();
    this.#processes.site = this.#network.startSite(mayAppend).child;
  }

  async #killSite(): Promise<void> {
    if (this.#processes.site !== undefined) await killed(this.#processes.site);
  }

  async #startCentral(level: CentralLevel): Promise<void> {
    const { child, serves } = this.#network.startCentral(level);
    this.#processes[level] = child;
    await within(serves, `the ${level} serves`);
  }

  async #damageSite(damage: (file: string) => Promise<void>): Promise<void> {
    await this.#killSite();
    await damage(siteLogFileOf(this.#network.directoryOf('site')));
    this.#network.isForked = true;
    await this.#load();
  }

  async #restore(which: readonly Level[]): Promise<void> {
    // Who is above a restored level is away meanwhile: two that were restored together go on with each other.
    await this.#stop();
    for (const level of which) await this.#putBack(level);
    this.#network.isForked = which.includes('site');
    await this.#startCentral('region');
    await this.#load();
    await this.#startCentral('centre');
  }

  /** An hour ahead, then an hour behind what is right, and right again. */
  async #stepClock(level: Level): Promise<void> {
    await this.#load();
    for (const stepMs of [CLOCK_STEP_MS, -CLOCK_STEP_MS, 0]) {
      await this.#network.stepClock(level, stepMs);
      await this.#network.untilAppended(LOAD_EVENTS);
    }
  }

  /** Under load, until nothing more of that level is acknowledged; then there is room again. */
  async #fillDisk(level: Level): Promise<void> {
    const folder = this.#network.directoryOf(level);
    await this.#stop();
    {
      await using _ = await SmallDisk.under(folder);
      this.#processes = await this.#network.startCentrals();
      await this.#load();
      const freed = new AbortController();
      const filled = Promise.all([keepDiskFull(folder, freed.signal), this.#keepUp(level, freed.signal)]);
      try {
        await this.#network.untilStandstill(level);
      } finally {
        freed.abort();
        await filled;
      }
      await this.#network.untilAppended(LOAD_EVENTS);
      await this.#rest();
      await this.#stop();
    }
    this.#processes = await this.#network.startCentrals();
  }

  /** As whoever watches over processes does: what ends for want of room is started again, until the signal is aborted and it runs. */
  async #keepUp(level: Level, signal: AbortSignal): Promise<void> {
    while (await endsBefore(signal, this.#processes[level]!)) {
      if (level === 'site') await this.#startSite('APPEND');
      else await this.#startCentral(level).catch(() => undefined);
    }
  }

  async #stop(): Promise<void> {
    await this.#killSite();
    const { region, centre } = this.#processes;
    await Promise.all([region, centre].map(child => child && ended(child)));
    this.#processes = {};
  }

  #copyOf(level: Level): string {
    return path.join(this.#network.directory, 'old', level);
  }

  async #keepCopy(level: Level): Promise<void> {
    for (const folder of restored[level]) {
      const from = path.join(this.#network.directoryOf(level), folder);
      await cp(from, path.join(this.#copyOf(level), folder), { recursive: true });
    }
  }

  async #putBack(level: Level): Promise<void> {
    for (const folder of restored[level]) {
      const to = path.join(this.#network.directoryOf(level), folder);
      await rm(to, { recursive: true });
      await cp(path.join(this.#copyOf(level), folder), to, { recursive: true });
    }
  }
}

/** False: it lives, and the signal is aborted. */
async function endsBefore(signal: AbortSignal, child: ChildProcess): Promise<boolean> {
  if (!hasEnded(child) && !signal.aborted) await once(child, 'exit', { signal }).catch(() => undefined);
  return hasEnded(child);
}

async function cutToHalf(file: string): Promise<void> {
  const { size } = await stat(file);
  // Not between two pages.
  await truncate(file, Math.floor(size / 2) + 1);
}
