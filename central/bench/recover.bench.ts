import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { endOfProcess, messageOf } from './bench-process.js';
import { compare, prove, type RecoverComparison } from './recover-comparison.js';
import { RecoverFaults } from './recover-faults.js';
import { type CentralLevel, ended, killed, RecoverNetwork, within } from './recover-network.js';
import { SmallDisk } from './small-disk.js';

const KILLS = 200;
/** A victim lives at most so long after it has recovered, at random. */
const SITE_LIFE_MS_MAX = 300;
const CENTRAL_LIFE_MS_MAX = 600;
/** One in so many is killed while it still starts, at a random moment within so many milliseconds. */
const EARLY_KILL_EVERY = 5;
const SITE_START_MS = 400;
const CENTRAL_START_MS = 1500;
/** One in so many kills of a central is one of its PostgreSQL. */
const POSTGRES_KILL_EVERY = 4;
const FLOOR_EVERY = 5;

export interface RecoverBenchmark extends RecoverComparison {
  readonly kills: number;
  readonly siteKills: number;
  /** Of the region and of the centre above it. */
  readonly centralKills: number;
  readonly postgresKills: number;
  /** Alarms whose append was acknowledged and that are missing in the site's log, in a replica, or among the alarms shown. */
  readonly acknowledgedLost: number;
  /** Events that are in a log, in a replica or in a feed more than once, and changes of an alarm that were folded twice. */
  readonly duplicated: number;
  /** Of both kinds of victims. */
  readonly recoveryP99Ms: number;
  /** From the start of a process of the site to its first acknowledged append. */
  readonly siteRecoveryP50Ms: number;
  readonly siteRecoveryP99Ms: number;
  /** From the start of a process of region or centre, which starts its PostgreSQL, to the first batch that it acknowledges. */
  readonly centralRecoveryP50Ms: number;
  readonly centralRecoveryP99Ms: number;
  /** From the start of a bare Node process to one row that it has stored durably with SQLite. */
  readonly floorP50Ms: number;
  readonly floorP99Ms: number;
  /** The site's median by that of the floor. */
  readonly ratio: number;
  /** What `holdfast verify` said of site, region and centre behind the kills, and behind each further fault; or why one was skipped. */
  readonly verified: Readonly<Record<string, string>>;
  readonly passed: boolean;
}

/**
 * Victims under load, killed in loops side by side: a site that appends and replicates, and, in turn, the region that it reports
 * to and the centre above, whole or only their PostgreSQL. Then the faults that no kill is. In the end everything converges and
 * is compared and proven. Each kill takes the start of a process, most of which is loading its program: what one has compiled,
 * the next ones find. Still two hundred do not fit into a minute.
 */
export async function benchRecover(): Promise<RecoverBenchmark> {
  await SmallDisk.unmountLeftOver();
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-recover-'));
  try {
    process.env.NODE_COMPILE_CACHE = path.join(directory, 'compiled');
    await using network = await RecoverNetwork.create(directory);
    const carnage = new Carnage(network);
    await carnage.run();
    const say = (line: string) => void process.stderr.write(`\n${line}`);
    say('all are dead; what is left converges and is compared');
    await settle(network);
    await compare(network);
    const verified = { KILLS: await prove(network), ...(await new RecoverFaults(network, say).run()) };
    say('');
    const compared = await compare(network);
    const passed = compared.acknowledgedLost + compared.duplicated === 0;
    return { ...carnage.figures(), ...compared, verified, passed };
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/** All live in peace until the centre shows everything that the site has recorded. */
async function settle(network: RecoverNetwork): Promise<void> {
  const centrals = await network.startCentrals();
  const { child: site } = network.startSite('REST');
  await network.untilWhole();
  for (const child of [site, centrals.region, centrals.centre]) await ended(child);
}

class Carnage {
  readonly #network: RecoverNetwork;
  readonly #siteMs: number[] = [];
  readonly #centralMs: number[] = [];
  readonly #floorMs: number[] = [];
  readonly #failed = new AbortController();
  /** No site is started any more whose events a central could acknowledge. */
  readonly #enough = Promise.withResolvers<void>();
  #kills = { site: 0, central: 0, postgres: 0 };
  /** While a central that serves waits for a batch, a site that has recovered is let live: else its death is what is measured. */
  #spared: Promise<void> = Promise.resolve();

  constructor(network: RecoverNetwork) {
    this.#network = network;
  }

  get #count(): number {
    return this.#kills.site + this.#kills.central + this.#kills.postgres;
  }

  async run(): Promise<void> {
    const stop = (error: unknown) => {
      this.#failed.abort(error);
      throw error;
    };
    const centrals = await this.#network.startCentrals();
    await Promise.all([this.#killCentrals(centrals).catch(stop), this.#killSites().catch(stop)]);
  }

  figures() {
    const { site, central, postgres } = this.#kills;
    const [siteRecoveryP50Ms, floorP50Ms] = [quantile(this.#siteMs, 0.5), quantile(this.#floorMs, 0.5)];
    return {
      ...{ kills: this.#count, siteKills: site, centralKills: central, postgresKills: postgres },
      recoveryP99Ms: quantile([...this.#siteMs, ...this.#centralMs], 0.99),
      ...{ siteRecoveryP50Ms, siteRecoveryP99Ms: quantile(this.#siteMs, 0.99) },
      centralRecoveryP50Ms: quantile(this.#centralMs, 0.5),
      centralRecoveryP99Ms: quantile(this.#centralMs, 0.99),
      ...{ floorP50Ms, floorP99Ms: quantile(this.#floorMs, 0.99) },
      ratio: Math.round((siteRecoveryP50Ms / floorP50Ms) * 10) / 10,
    };
  }

  async #killSites(): Promise<void> {
    for (let turn = 0; this.#goesOn(); turn += 1) {
      if (turn % FLOOR_EVERY === 0) this.#floorMs.push(await this.#startFloor());
      const beganMs = performance.now();
      const { child, appended } = this.#network.startSite('APPEND');
      const isEarly = turn % EARLY_KILL_EVERY === EARLY_KILL_EVERY - 1;
      if (isEarly) await wait(Math.random() * SITE_START_MS);
      else {
        await within(appended, 'the site appends');
        this.#siteMs.push(performance.now() - beganMs);
        await this.#spared;
        await wait(Math.random() * SITE_LIFE_MS_MAX);
      }
      await killed(child);
      this.#kills.site += 1;
      this.#progress();
    }
  }

  /** In turn, while the other one lives. */
  async #killCentrals(centrals: Record<CentralLevel, ChildProcess>): Promise<void> {
    for (let turn = 0; this.#goesOn(); turn += 1) {
      const level = turn % 2 === 0 ? 'region' : 'centre';
      await wait(Math.random() * CENTRAL_LIFE_MS_MAX);
      if (turn % POSTGRES_KILL_EVERY === POSTGRES_KILL_EVERY - 1) {
        await this.#network.killPostgresOf(level, centrals[level]);
        this.#kills.postgres += 1;
      } else {
        await killed(centrals[level]);
        this.#kills.central += 1;
      }
      this.#progress();
      if (turn % EARLY_KILL_EVERY === EARLY_KILL_EVERY - 1) await this.#killEarly(level);
      const beganMs = performance.now();
      centrals[level] = await within(this.#network.startCentral(level).serves, `the ${level} serves`);
      this.#spared = Promise.race([this.#network.nextAcknowledgement(level), this.#enough.promise]);
      await within(this.#spared, `the ${level} acknowledges`);
      if (this.#goesOn()) this.#centralMs.push(performance.now() - beganMs);
    }
    await Promise.all(Object.values(centrals).map(killed));
  }

  async #killEarly(level: CentralLevel): Promise<void> {
    const { child, serves } = this.#network.startCentral(level);
    serves.catch(() => undefined);
    await wait(Math.random() * CENTRAL_START_MS);
    await killed(child);
    this.#kills.central += 1;
    this.#progress();
  }

  #goesOn(): boolean {
    return this.#count < KILLS && !this.#failed.signal.aborted;
  }

  #progress(): void {
    if (!this.#goesOn()) this.#enough.resolve();
    const { site, central, postgres } = this.#kills;
    process.stderr.write(
      `\r${this.#count} of ${KILLS} kills: site ${site}, region and centre ${central}, PostgreSQL ${postgres}  `,
    );
  }

  async #startFloor(): Promise<number> {
    const beganMs = performance.now();
    const child = fork(path.join(import.meta.dirname, 'recover-floor.process.js'), [
      path.join(this.#network.directory, 'floor.sqlite'),
    ]);
    await messageOf(child);
    const elapsedMs = performance.now() - beganMs;
    await endOfProcess(child);
    return elapsedMs;
  }
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);
}
