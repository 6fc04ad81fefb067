import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { comparePlaces, type LogPlace } from '@holdfast/core';
import {
  type AcknowledgedLevels,
  createCertificateAuthority,
  serverNameOfRole,
} from '@holdfast/interconnect';
import type { AlarmId, EventId } from '@holdfast/schema';
import { openDatabaseAsItIs } from '../postgres/database.js';
import { forkCentral, prepareCentral, writeLogKey } from './bench-central.js';
import { type BenchIdentity, newBenchIdentity } from './bench-identity.js';
import { within as withinSeconds } from './bench-process.js';
import type { RecoverSiteReport } from './recover-site.process.js';
import { withClockOf } from './stepped-clock.js';

/** Whoever has not recovered by then never will, also where many others use the machine. Less than a message is waited for: it says who. */
const RECOVERY_SECONDS_MAX = 170;
/** What was refused is offered again less and less often, down to once a minute, at each level: some minutes where others use the machine. */
const SETTLE_SECONDS_MAX = 600;
const POLL_MS = 20;
const HEARTBEAT_SECONDS = 5;
/** Five seconds and more: a site appends each few milliseconds. */
const STANDSTILL_POLLS = 250;

/** A central below a central, with the site below it. */
export type CentralLevel = 'region' | 'centre';
export type Level = 'site' | CentralLevel;

/** An alarm whose append was acknowledged. */
export interface AppendedAlarm {
  readonly alarmId: AlarmId;
  /** Null: recorded by a log that had lost its end, and recorded again behind that when it had it back. */
  readonly place: LogPlace | null;
}

type Configuration = Awaited<ReturnType<typeof prepareCentral>> & { readonly listen: object };

/** Processes to kill: a site that appends and replicates, the region that it reports to, and the centre above. */
export class RecoverNetwork {
  readonly directory: string;
  readonly identities: Readonly<Record<Level, BenchIdentity>>;
  readonly appended = new Map<EventId, AppendedAlarm>();
  readonly #configurations: Record<CentralLevel, Configuration>;
  readonly #ports: Record<CentralLevel, number> = { region: 0, centre: 0 };
  readonly #processes = new Set<ChildProcess>();
  #site: ChildProcess | null = null;
  #levels: AcknowledgedLevels = { parent: null, top: null };
  #head: RecoverSiteReport['head'] = { epoch: 1, size: 0 };
  #reached: AcknowledgedLevels = { parent: null, top: null };
  #onReached: Record<keyof AcknowledgedLevels, () => void> = {
    parent: () => undefined,
    top: () => undefined,
  };
  /** While true, what the site appends may be recorded once more, at another place. */
  isForked = false;
  /** Of the processes that are started from now on. */
  hasClocksToStep = false;

  private constructor(
    directory: string,
    identities: RecoverNetwork['identities'],
    configurations: Record<CentralLevel, Configuration>,
  ) {
    this.directory = directory;
    this.identities = identities;
    this.#configurations = configurations;
  }

  static async create(directory: string): Promise<RecoverNetwork> {
    const authority = await createCertificateAuthority({ name: 'Benchmark', nowMs: Date.now() });
    const identities = {
      site: await newBenchIdentity(authority, 'site'),
      region: await newBenchIdentity(authority, 'central'),
      centre: await newBenchIdentity(authority, 'central'),
    };
    const prepare = (level: CentralLevel, child: BenchIdentity) =>
      prepareCentral({
        ...{ directory: path.join(directory, level), central: identities[level] },
        sites: [{ siteId: child.siteId, certificatePem: child.credentials.certificatePem }],
        heartbeatSeconds: HEARTBEAT_SECONDS,
      }) as Promise<Configuration>;
    const configurations = {
      region: await prepare('region', identities.site),
      centre: await prepare('centre', identities.region),
    };
    await writeLogKey(path.join(directory, 'site'), identities.site);
    return new RecoverNetwork(directory, identities, configurations);
  }

  directoryOf(level: Level): string {
    return path.join(this.directory, level);
  }

  /** The promise is kept by the first append that is acknowledged. */
  startSite(mayAppend: 'APPEND' | 'REST') {
    const child = fork(
      path.join(import.meta.dirname, 'recover-site.process.js'),
      [
        ...[this.directoryOf('site'), JSON.stringify(this.identities.site)],
        ...[String(this.#ports.region), mayAppend],
      ],
      this.#clockOf('site'),
    );
    this.#watch(child);
    this.#site = child;
    this.#levels = { parent: null, top: null };
    const appended = new Promise<void>(resolve => {
      child.on('message', (report: RecoverSiteReport) => {
        this.#note(report);
        if (report.appended.length > 0) resolve();
      });
    });
    return { child, appended };
  }

  startCentral(level: CentralLevel) {
    const own = this.#configurations[level];
    const parent = {
      ...{ siteId: this.identities.centre.siteId, host: '127.0.0.1', port: this.#ports.centre },
      serverName: serverNameOfRole('central'),
    };
    const port = this.#ports[level];
    const configuration = {
      ...{ ...own, listen: { ...own.listen, port } },
      ...(level === 'region' ? { parent } : {}),
    };
    const { child, serves } = forkCentral(this.directoryOf(level), configuration, this.#clockOf(level));
    this.#watch(child);
    return {
      child,
      serves: serves.then(({ listenPort }) => {
        // Where its child finds it again.
        this.#ports[level] = listenPort;
        return child;
      }),
    };
  }

  /** Region and centre serve, the centre first. */
  async startCentrals() {
    const centre = await within(this.startCentral('centre').serves, 'the centre serves');
    const region = await within(this.startCentral('region').serves, 'the region serves');
    return { region, centre };
  }

  /** Kept when a level that was not asked before acknowledges more than ever: the region, or the centre through it. */
  nextAcknowledgement(level: CentralLevel): Promise<void> {
    return new Promise(resolve => {
      this.#onReached[level === 'region' ? 'parent' : 'top'] = resolve;
    });
  }

  /** With a site that rests: until region and centre hold its log to the end, and the centre shows it. */
  async untilWhole(): Promise<void> {
    const isHeld = (place: LogPlace | null) =>
      place !== null &&
      this.#head.size > 0 &&
      comparePlaces(place, { epoch: this.#head.epoch, position: this.#head.size }) === 0;
    let shown: LogPlace | null = null;
    await using database = await openDatabaseAsItIs({
      directory: path.join(this.directoryOf('centre'), 'postgres'),
    });
    const isWhole = async () => {
      if (!isHeld(this.#levels.parent) || !isHeld(this.#levels.top)) return false;
      const [row] = await database.sql<LogPlace[]>`
        select epoch, position from site_progress where site_id = ${this.identities.site.siteId}`;
      shown = row ?? null;
      return isHeld(shown);
    };
    const stands = () => JSON.stringify({ head: this.#head, ...this.#levels, shown });
    await until(isWhole, () => `whole at all levels: ${stands()}`, SETTLE_SECONDS_MAX);
  }

  /** Of the site that appends now. */
  async untilAppended(count: number): Promise<void> {
    const size = this.appended.size + count;
    await until(
      () => this.appended.size >= size,
      () => `the site appends ${count} events`,
    );
  }

  /** Until nothing of that level has been acknowledged for so long that it can do nothing more. */
  async untilStandstill(level: Level): Promise<void> {
    const acknowledged = {
      site: () => this.appended.size,
      region: () => this.#reached.parent,
      centre: () => this.#reached.top,
    }[level];
    let before = acknowledged();
    let polls = 0;
    await until(
      () => {
        polls = acknowledged() === before ? polls + 1 : 0;
        before = acknowledged();
        return polls >= STANDSTILL_POLLS;
      },
      () => `nothing more of the ${level} is acknowledged`,
    );
  }

  /** By so much against what is right. In processes that were started with a clock to step. */
  async stepClock(level: Level, stepMs: number): Promise<void> {
    await writeFile(this.#clockFileOf(level), String(stepMs));
  }

  #clockFileOf(level: Level): string {
    return path.join(this.directory, `${level}.clock`);
  }

  #clockOf(level: Level): ForkOptions {
    return this.hasClocksToStep ? withClockOf(this.#clockFileOf(level)) : {};
  }

  /** Kills the PostgreSQL below it, which ends the central. */
  async killPostgresOf(level: CentralLevel, central: ChildProcess): Promise<void> {
    const pidFile = path.join(this.directoryOf(level), 'postgres', 'cluster', 'postmaster.pid');
    const ending = once(central, 'exit');
    process.kill(Number.parseInt(await readFile(pidFile, 'utf8'), 10), 'SIGKILL');
    await within(ending, 'a central without its PostgreSQL ends');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#processes].map(killed));
  }

  #watch(child: ChildProcess): void {
    this.#processes.add(child);
    child.once('exit', () => this.#processes.delete(child));
  }

  #note({ appended, levels, head }: RecoverSiteReport): void {
    for (const [event, alarmId, epoch, position] of appended) {
      this.appended.set(event, { alarmId, place: this.isForked ? null : { epoch, position } });
    }
    this.#head = head;
    this.#levels = levels;
    for (const level of ['parent', 'top'] as const) {
      const [now, before] = [levels[level], this.#reached[level]];
      if (now === null || (before !== null && comparePlaces(now, before) <= 0)) continue;
      this.#reached = { ...this.#reached, [level]: now };
      this.#onReached[level]();
    }
  }
}

/** Counted by polls, as `within` counts by seconds. */
async function until(
  condition: () => boolean | Promise<boolean>,
  what: () => string,
  secondsMax = RECOVERY_SECONDS_MAX,
): Promise<void> {
  for (let polls = 0; !(await condition()); polls += 1) {
    if (polls * POLL_MS > secondsMax * 1_000) throw new Error(`not within ${secondsMax} s: ${what()}`);
    await wait(POLL_MS);
  }
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

export async function killed(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  // After the last message that it managed to send.
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

export async function ended(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const closed = once(child, 'exit');
  child.kill('SIGTERM');
  await within(closed, 'a victim that is left alone ends');
}

export function within<Value>(promise: Promise<Value>, what: string): Promise<Value> {
  return withinSeconds(promise, what, RECOVERY_SECONDS_MAX);
}
