import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createCertificateAuthority } from '@holdfast/interconnect';
import type { AlarmId, EventId, SiteId } from '@holdfast/schema';
import { readSiteLogFile, siteLogFileOf, verifySiteLog } from '@holdfast/sites';
import { openDatabaseAsItIs } from '../postgres/database.js';
import type { Sql } from '../postgres/sql.js';
import { forkCentral, prepareCentral } from './bench-central.js';
import { type BenchIdentity, logKeyOf, newBenchIdentity } from './bench-identity.js';
import { endOfProcess, messageOf } from './bench-process.js';
import type { RecoverSiteReport } from './recover-site.process.js';

const KILLS = 200;
/** A victim lives at most so long after it has recovered, at random. */
const SITE_LIFE_MS_MAX = 300;
const CENTRAL_LIFE_MS_MAX = 600;
/** One in so many is killed while it still starts, at a random moment within so many milliseconds. */
const EARLY_KILL_EVERY = 5;
const SITE_START_MS = 400;
const CENTRAL_START_MS = 1500;
/** One in so many kills of the central is one of its PostgreSQL. */
const POSTGRES_KILL_EVERY = 4;
const FLOOR_EVERY = 5;
/** Whoever has not recovered by then never will, also where many others use the machine. */
const RECOVERY_MS_MAX = 180_000;
const SETTLE_MS_MAX = 180_000;
const PAGE_EVENTS = 2_000;
const POLL_MS = 10;

export interface RecoverBenchmark {
  readonly kills: number;
  readonly siteKills: number;
  readonly centralKills: number;
  readonly postgresKills: number;
  /** Alarms whose append was acknowledged and that are missing in the site's log, in the replica, or among the alarms shown. */
  readonly acknowledgedLost: number;
  /** Events that are in a log, in the replica or in the feed more than once, and changes of an alarm that were folded twice. */
  readonly duplicated: number;
  readonly acknowledged: number;
  readonly events: number;
  /** Of both kinds of victims. */
  readonly recoveryP99Ms: number;
  /** From the start of a process of the site to its first acknowledged append. */
  readonly siteRecoveryP50Ms: number;
  readonly siteRecoveryP99Ms: number;
  /** From the start of a process of the central, which starts its PostgreSQL, to the first batch that it acknowledges. */
  readonly centralRecoveryP50Ms: number;
  readonly centralRecoveryP99Ms: number;
  /** From the start of a bare Node process to one row that it has stored durably with SQLite. */
  readonly floorP50Ms: number;
  readonly floorP99Ms: number;
  /** The site's median by that of the floor. */
  readonly ratio: number;
}

/**
 * Two victims under load, killed in loops side by side: a site that appends and replicates, and the central that it reports
 * to, whole or only its PostgreSQL. In the end everything converges and is compared. Each kill takes the start of a process,
 * most of which is loading its program: what one has compiled, the next ones find. Still two hundred do not fit into a minute.
 */
export async function benchRecover(): Promise<RecoverBenchmark> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-recover-'));
  try {
    process.env.NODE_COMPILE_CACHE = path.join(directory, 'compiled');
    const authority = await createCertificateAuthority({ name: 'Benchmark', nowMs: Date.now() });
    const [site, central] = [
      await newBenchIdentity(authority, 'site'),
      await newBenchIdentity(authority, 'central'),
    ];
    const sites = [{ siteId: site.siteId, certificatePem: site.credentials.certificatePem }];
    const configuration = await prepareCentral({ directory, central, sites, heartbeatSeconds: 5 });
    const carnage = new Carnage(directory, site, configuration);
    await carnage.run();
    process.stderr.write('\nall are dead; what is left converges and is compared\n');
    await carnage.settle();
    return { ...(await compare(directory, { site, central }, carnage.appended)), ...carnage.figures() };
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

class Carnage {
  readonly appended = new Map<EventId, { readonly alarmId: AlarmId; readonly position: number }>();
  readonly #directory: string;
  readonly #site: BenchIdentity;
  readonly #configuration: { readonly listen: object };
  readonly #siteMs: number[] = [];
  readonly #centralMs: number[] = [];
  readonly #floorMs: number[] = [];
  /** Of the central, when it was up first. */
  readonly #port = Promise.withResolvers<number>();
  readonly #failed = new AbortController();
  /** No site is started any more whose events a central could acknowledge. */
  readonly #enough = Promise.withResolvers<void>();
  #kills = { site: 0, central: 0, postgres: 0 };
  /** Up to where the central has ever acknowledged the log, and where it ended when the site last spoke. */
  #acknowledged: number | null = null;
  #size = 0;
  #listenPort = 0;
  #onAcknowledged: () => void = () => undefined;
  /** While a central that serves waits for a batch, a site that has recovered is let live: else its death is what is measured. */
  #spared: Promise<void> = Promise.resolve();

  constructor(directory: string, site: BenchIdentity, configuration: object) {
    this.#directory = directory;
    this.#site = site;
    this.#configuration = configuration as { readonly listen: object };
  }

  get #count(): number {
    return this.#kills.site + this.#kills.central + this.#kills.postgres;
  }

  async run(): Promise<void> {
    const stop = (error: unknown) => {
      this.#failed.abort(error);
      throw error;
    };
    await Promise.all([this.#killCentrals().catch(stop), this.#killSites().catch(stop)]);
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
    const port = await this.#port.promise;
    for (let turn = 0; this.#goesOn(); turn += 1) {
      if (turn % FLOOR_EVERY === 0) this.#floorMs.push(await this.#startFloor());
      const beganMs = performance.now();
      const { child, appended } = this.#startSite(port, 'APPEND');
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

  async #killCentrals(): Promise<void> {
    for (let turn = 0; this.#goesOn(); turn += 1) {
      const beganMs = performance.now();
      const starting = this.#startCentral();
      const isEarly = turn > 0 && turn % EARLY_KILL_EVERY === EARLY_KILL_EVERY - 1;
      if (isEarly) {
        const { child } = starting;
        starting.serves.catch(() => undefined);
        await wait(Math.random() * CENTRAL_START_MS);
        await killed(child);
        this.#kills.central += 1;
      } else {
        const { process: child, listenPort } = await within(starting.serves, 'the central serves');
        this.#port.resolve(listenPort);
        this.#spared = Promise.race([this.#nextAcknowledgement(), this.#enough.promise]);
        await within(this.#spared, 'the central acknowledges');
        if (!this.#goesOn()) return killed(child);
        this.#centralMs.push(performance.now() - beganMs);
        await wait(Math.random() * CENTRAL_LIFE_MS_MAX);
        if (turn % POSTGRES_KILL_EVERY === POSTGRES_KILL_EVERY - 1) await this.#killPostgres(child);
        else {
          await killed(child);
          this.#kills.central += 1;
        }
      }
      this.#progress();
    }
  }

  /** Both live in peace until the central shows everything that the site has recorded. */
  async settle(): Promise<void> {
    const { process: central, listenPort } = await within(this.#startCentral().serves, 'the central serves');
    const { child: site } = this.#startSite(listenPort, 'REST');
    try {
      await using database = await openDatabaseAsItIs({ directory: path.join(this.#directory, 'postgres') });
      await untilFolded(database.sql, this.#site.siteId, () => this.#size);
    } finally {
      await Promise.all([ended(site), ended(central)]);
    }
  }

  #goesOn(): boolean {
    return this.#count < KILLS && !this.#failed.signal.aborted;
  }

  #progress(): void {
    if (!this.#goesOn()) this.#enough.resolve();
    const { site, central, postgres } = this.#kills;
    process.stderr.write(
      `\r${this.#count} of ${KILLS} kills: site ${site}, central ${central}, PostgreSQL ${postgres}  `,
    );
  }

  #startSite(port: number, mayAppend: 'APPEND' | 'REST') {
    const file = siteLogFileOf(path.join(this.#directory, 'site'));
    const child = fork(path.join(import.meta.dirname, 'recover-site.process.js'), [
      ...[file, JSON.stringify(this.#site), String(port), mayAppend],
    ]);
    const appended = new Promise<void>(resolve => {
      child.on('message', (report: RecoverSiteReport) => {
        for (const [event, alarmId, position] of report.appended)
          this.appended.set(event, { alarmId, position });
        this.#size = report.size;
        if (report.appended.length > 0) resolve();
        if (report.acknowledged === null || report.acknowledged <= (this.#acknowledged ?? 0)) return;
        this.#acknowledged = report.acknowledged;
        this.#onAcknowledged();
      });
    });
    return { child, appended };
  }

  #startCentral() {
    const listen = {
      ...this.#configuration.listen,
      ...(this.#listenPort === 0 ? {} : { port: this.#listenPort }),
    };
    const { child, serves } = forkCentral(this.#directory, { ...this.#configuration, listen });
    return {
      child,
      serves: serves.then(report => {
        // Where the site finds it again.
        this.#listenPort = report.listenPort;
        return { process: child, ...report };
      }),
    };
  }

  #nextAcknowledgement(): Promise<void> {
    return new Promise(resolve => {
      this.#onAcknowledged = resolve;
    });
  }

  async #killPostgres(central: ChildProcess): Promise<void> {
    const pidFile = path.join(this.#directory, 'postgres', 'cluster', 'postmaster.pid');
    const ending = once(central, 'exit');
    process.kill(Number.parseInt(await readFile(pidFile, 'utf8'), 10), 'SIGKILL');
    await within(ending, 'a central without its PostgreSQL ends');
    this.#kills.postgres += 1;
  }

  async #startFloor(): Promise<number> {
    const beganMs = performance.now();
    const child = fork(path.join(import.meta.dirname, 'recover-floor.process.js'), [
      path.join(this.#directory, 'floor.sqlite'),
    ]);
    await messageOf(child);
    const elapsedMs = performance.now() - beganMs;
    await endOfProcess(child);
    return elapsedMs;
  }
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // After the last message that it managed to send.
  const closed = once(child, 'close');
  child.kill('SIGKILL');
  await closed;
}

async function ended(child: ChildProcess): Promise<void> {
  const closed = once(child, 'exit');
  child.kill('SIGTERM');
  await within(closed, 'a victim that is left alone ends');
}

function within<Value>(promise: Promise<Value>, what: string): Promise<Value> {
  const late = new AbortController();
  const limit = wait(RECOVERY_MS_MAX, undefined, { signal: late.signal }).then(() => {
    throw new Error(`not within ${RECOVERY_MS_MAX} ms: ${what}`);
  });
  limit.catch(() => undefined);
  return Promise.race([promise, limit]).finally(() => late.abort());
}

async function untilFolded(sql: Sql, site: SiteId, size: () => number): Promise<void> {
  const deadlineMs = performance.now() + SETTLE_MS_MAX;
  for (;;) {
    const [row] = await sql<
      { position: number }[]
    >`select position from site_progress where site_id = ${site}`;
    if (size() > 0 && row?.position === size()) return;
    if (performance.now() > deadlineMs) {
      throw new Error(`the central shows ${row?.position} of ${size()} events after ${SETTLE_MS_MAX} ms`);
    }
    await wait(POLL_MS);
  }
}

/** The site's log, the replica, the feed and the alarms that are shown, against each other and what was acknowledged. */
async function compare(
  directory: string,
  { site, central }: { readonly site: BenchIdentity; readonly central: BenchIdentity },
  appended: Carnage['appended'],
): Promise<Pick<RecoverBenchmark, 'acknowledged' | 'acknowledgedLost' | 'duplicated' | 'events'>> {
  const siteFile = siteLogFileOf(path.join(directory, 'site'));
  await prove(siteFile, site);
  await prove(siteLogFileOf(directory), central);
  await using database = await openDatabaseAsItIs({ directory: path.join(directory, 'postgres') });
  const { sql } = database;
  const replica = await compareReplica(sql, site.siteId, siteFile);
  const shown = await sql<{ id: AlarmId; folded: number }[]>`
    select alarm.id, coalesce(change.folded, 0)::int as folded
    from alarm left join (
      select state->>'id' as id, count(*) as folded from change where kind = 'alarm' group by 1
    ) change on change.id = alarm.id::text
    where site_id = ${site.siteId}`;
  const alarms = new Map(shown.map(({ id, folded }) => [id, folded]));
  let acknowledgedLost = 0;
  for (const [id, { alarmId, position }] of appended) {
    if (replica.positions.get(id) !== position || !alarms.has(alarmId)) acknowledgedLost += 1;
  }
  const twiceShown = shown.filter(({ folded }) => folded > 1).length;
  const missing = replica.alarms - alarms.size;
  if (missing !== 0) throw new Error(`${missing} alarms of the log are not shown`);
  return {
    ...{ acknowledged: appended.size, acknowledgedLost, duplicated: replica.duplicated + twiceShown },
    events: replica.positions.size,
  };
}

async function prove(file: string, identity: BenchIdentity): Promise<void> {
  const { damages } = await verifySiteLog({ file, key: logKeyOf(identity) });
  if (damages.length > 0) throw new Error(`${file} is damaged: ${JSON.stringify(damages)}`);
}

/** Throws when the replica is not the log, byte for byte, or the feed has a hole. */
async function compareReplica(sql: Sql, site: SiteId, file: string) {
  using log = readSiteLogFile(file);
  const positions = new Map<EventId, number>();
  let duplicated = 0;
  let alarms = 0;
  for (let after = { epoch: 1, position: 0 }; ; ) {
    const page = await log.read({ after, limit: PAGE_EVENTS });
    const last = page.at(-1);
    if (last === undefined) break;
    const rows = await sql<{ header: Buffer; data: Buffer; leafHash: Buffer }[]>`
      select header, data, leaf_hash from replica_event
      where site = ${site} and epoch = ${last.epoch} and position > ${after.position} and position <= ${last.position}
      order by position`;
    for (const [index, event] of page.entries()) {
      if (positions.has(event.id)) duplicated += 1;
      positions.set(event.id, event.position);
      if (event.type === 'AlarmRaised') alarms += 1;
      const row = rows[index];
      const same =
        row?.header.equals(event.header) &&
        row.data.equals(event.data) &&
        row.leafHash.equals(event.leafHash);
      if (!same) throw new Error(`the replica differs at ${event.epoch}/${event.position}`);
    }
    after = { epoch: last.epoch, position: last.position };
  }
  const [feed] = await sql<{ count: number; first: number; last: number; ofSite: number; twice: number }[]>`
    select count(*)::int as count, min(seq) as first, max(seq) as last,
           (count(*) filter (where site = ${site}))::int as of_site, (count(*) - count(distinct (site, id)))::int as twice
    from replica_event`;
  const isDense = feed!.first === 1 && feed!.last === feed!.count;
  if (!isDense || feed!.ofSite !== positions.size)
    throw new Error(`the feed has holes: ${JSON.stringify(feed)}`);
  return { positions, alarms, duplicated: duplicated + feed!.twice };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN);
}
