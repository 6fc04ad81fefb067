import type { ChildProcess } from 'node:child_process';
import { cp, rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { siteLogFileOf } from '@holdfast/sites';
import { prove } from './recover-comparison.js';
import { type CentralLevel, ended, killed, type RecoverNetwork, within } from './recover-network.js';

/** Between two faults, and while one lasts: so much that each loses or holds up something. */
const LOAD_EVENTS = 1_500;

type Level = 'site' | 'region';

/** What of a level is put back with an old copy. */
const restored: Readonly<Record<Level, readonly string[]>> = {
  site: ['keys', 'log'],
  region: ['keys', 'log', 'postgres'],
};

/** Faults that no kill is, one after the other, each under load; behind each the network heals by itself and is proven. */
export class RecoverFaults {
  readonly #network: RecoverNetwork;
  readonly #onProgress: (line: string) => void;
  #site: ChildProcess | null = null;
  #centrals: Partial<Record<CentralLevel, ChildProcess>> = {};

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
      SITE_AND_REGION_RESTORED: () => this.#restore(['site', 'region']),
    };
    for (const level of ['site', 'region'] as const) await this.#keepCopy(level);
    this.#centrals = await this.#network.startCentrals();
    const verdicts: Record<string, string> = {};
    for (const [name, bring] of Object.entries(faults)) {
      await this.#load();
      await this.#rest();
      await bring();
      await this.#rest();
      this.#network.isForked = false;
      verdicts[name] = await prove(this.#network);
      this.#onProgress(`${name}: ${verdicts[name]}`);
    }
    await this.#stop();
    return verdicts;
  }

  async #load(): Promise<void> {
    if (this.#site !== null) await killed(this.#site);
    this.#site = this.#network.startSite('APPEND').child;
    await this.#network.untilAppended(LOAD_EVENTS);
  }

  /** Everything that was acknowledged is at all levels, and so can come back. */
  async #rest(): Promise<void> {
    if (this.#site !== null) await killed(this.#site);
    this.#site = this.#network.startSite('REST').child;
    await this.#network.untilWhole();
  }

  async #damageSite(damage: (file: string) => Promise<void>): Promise<void> {
    await killed(this.#site!);
    await damage(siteLogFileOf(this.#network.directoryOf('site')));
    this.#network.isForked = true;
    await this.#load();
  }

  async #restore(levels: readonly Level[]): Promise<void> {
    // Who is above a restored level is away meanwhile: two that were restored together go on with each other.
    await this.#stop();
    for (const level of levels) await this.#putBack(level);
    this.#network.isForked = levels.includes('site');
    this.#centrals.region = await within(this.#network.startCentral('region').serves, 'the region serves');
    await this.#load();
    this.#centrals.centre = await within(this.#network.startCentral('centre').serves, 'the centre serves');
  }

  async #stop(): Promise<void> {
    if (this.#site !== null) await killed(this.#site);
    this.#site = null;
    await Promise.all(Object.values(this.#centrals).map(ended));
    this.#centrals = {};
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

async function cutToHalf(file: string): Promise<void> {
  const { size } = await stat(file);
  // Not between two pages.
  await truncate(file, Math.floor(size / 2) + 1);
}
