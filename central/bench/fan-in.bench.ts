import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createCertificateAuthority } from '@holdfast/interconnect';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { openDatabaseAsItIs } from '../postgres/database.js';
import type { Sql } from '../postgres/sql.js';
import { prepareCentral, type StartedCentral, signIn, startCentral } from './bench-central.js';
import { newBenchIdentity } from './bench-identity.js';
import { cpuUsOf, endOfProcess, messageOf, residentBytesOf } from './bench-process.js';
import type { FanInOrder, FanInReport } from './fan-in-sites.process.js';

const SITES = 1000;
const SITE_PROCESSES = 2;
const SITES_PROGRAM = path.join(import.meta.dirname, 'fan-in-sites.process.js');
const EVENTS_PER_SECOND = 2000;
/** A mass reconnect: far faster than the back-off of the sites allows. */
const DIAL_SPREAD_MS = 8_000;
const WARM_UP_MS = 4_000;
const MEASURED_MS = 15_000;
const SETTLE_MS_MAX = 20_000;
const SAMPLE_MS = 250;
const FLOOR_PAUSE_MS = 50;
const HEARTBEAT_SECONDS = 20;
const MEBIBYTE = 2 ** 20;

export interface FanInBenchmark {
  readonly sites: number;
  /** From the first dial until the first facts of every site are durable and acknowledged. */
  readonly connectSeconds: number;
  /** Folded into the read models, over the measured time. */
  readonly eventsPerSecond: number;
  readonly offeredEventsPerSecond: number;
  /** From the moment at which the site makes the alarm to its arrival at a subscriber over graphql-ws, in another process. */
  readonly alarmLatencyP50Ms: number;
  readonly alarmLatencyP99Ms: number;
  readonly latencyTarget: number;
  /** A row committed on the same PostgreSQL at the same time, until a listener has heard of it: no chain can be faster. */
  readonly floorP50Ms: number;
  readonly floorP99Ms: number;
  readonly ratio: number;
  readonly alarms: number;
  readonly lostAlarms: number;
  /** The most that the central's process had in memory, and what it may have: it does not grow with the events taken in. */
  readonly centralRssMb: number;
  readonly centralRssMbMax: number;
  /** Of the central's process, without PostgreSQL. */
  readonly centralCpuUsPerEvent: number;
}

/** A thousand sites with sessions of their own on one central, which is run as `holdfast run` runs it. */
export async function benchFanIn(): Promise<FanInBenchmark> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-fan-in-'));
  const children: ChildProcess[] = [];
  try {
    const authority = await createCertificateAuthority({ name: 'Benchmark', nowMs: Date.now() });
    const sites = Array.from({ length: SITE_PROCESSES }, () => fork(SITES_PROGRAM));
    children.push(...sites);
    const askAll = async (order: FanInOrder) =>
      summed(await Promise.all(sites.map(site => ask(site, order))));
    const { created } = await askAll({ kind: 'CREATE', authority, count: SITES / SITE_PROCESSES });
    const configuration = await prepareCentral({
      ...{ directory, central: await newBenchIdentity(authority, 'central'), sites: created },
      heartbeatSeconds: HEARTBEAT_SECONDS,
    });
    const central = await startCentral(directory, configuration);
    children.push(central.process);
    const beganMs = performance.now();
    await askAll({ kind: 'DIAL', port: central.listenPort, spreadMs: DIAL_SPREAD_MS });
    const connectSeconds = Math.round((performance.now() - beganMs) / 100) / 10;
    const measured = await measure(directory, central, askAll);
    return { sites: SITES, connectSeconds, ...measured };
  } finally {
    await Promise.all(children.map(endOfProcess));
    rmSync(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

function ask(sites: ChildProcess, order: FanInOrder): Promise<FanInReport> {
  const answer = messageOf<FanInReport>(sites);
  sites.send(order);
  return answer;
}

async function measure(
  directory: string,
  central: StartedCentral,
  askAll: (order: FanInOrder) => Promise<FanInReport>,
) {
  await using database = await openDatabaseAsItIs({ directory: path.join(directory, 'postgres') });
  const { sql } = database;
  const alarms = new HeardAlarms(central.httpPort, await signIn(directory, central.httpPort));
  const memory = new MemoryWatch(central.process.pid!);
  const eventsPerSecond = EVENTS_PER_SECOND / SITE_PROCESSES;
  const append = (durationMs: number) => askAll({ kind: 'APPEND', eventsPerSecond, durationMs });
  await alarms.subscribed;
  const warmed = await append(WARM_UP_MS);
  await alarms.until(warmed.alarms);
  alarms.latenciesMs.length = 0;
  const stopFloor = new AbortController();
  const floor = measureFloor(sql, stopFloor.signal);
  const cpuBefore = cpuUsOf(central.process.pid!);
  const seqBefore = await foldedSeq(sql);
  const beganMs = performance.now();
  const reports = append(MEASURED_MS);
  await wait(MEASURED_MS);
  const folded = (await foldedSeq(sql)) - seqBefore;
  const seconds = (performance.now() - beganMs) / 1000;
  const cpuUs = cpuUsOf(central.process.pid!) - cpuBefore;
  const { appended, alarms: raised } = await reports;
  await alarms.until(raised);
  stopFloor.abort();
  const floors = await floor;
  memory.stop();
  await alarms.close();
  const heard = alarms.latenciesMs;
  return {
    eventsPerSecond: Math.round(folded / seconds),
    offeredEventsPerSecond: Math.round((appended / MEASURED_MS) * 1000),
    alarmLatencyP50Ms: quantile(heard, 0.5),
    alarmLatencyP99Ms: quantile(heard, 0.99),
    latencyTarget: 250,
    floorP50Ms: quantile(floors, 0.5),
    floorP99Ms: quantile(floors, 0.99),
    ratio: Math.round((quantile(heard, 0.5) / quantile(floors, 0.5)) * 10) / 10,
    alarms: raised,
    lostAlarms: raised - heard.length,
    centralRssMb: Math.round(memory.bytesMax / MEBIBYTE),
    centralRssMbMax: 1024,
    centralCpuUsPerEvent: Math.round((cpuUs / folded) * 10) / 10,
  };
}

/** A subscriber as the console is one. */
class HeardAlarms {
  readonly latenciesMs: number[] = [];
  readonly subscribed: Promise<void>;
  readonly #client;

  constructor(httpPort: number, token: string) {
    this.#client = createClient({
      url: `ws://127.0.0.1:${httpPort}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${token}` },
      lazy: false,
    });
    this.subscribed = new Promise(resolve => this.#client.on('connected', () => resolve()));
    void this.#listen();
  }

  async #listen(): Promise<void> {
    const query = 'subscription { alarmChanged { alarm { id raisedAt } } }';
    const changes = this.#client.iterate<{ alarmChanged: { alarm: { raisedAt: string } } }>({ query });
    for await (const { data } of changes) {
      if (data) this.latenciesMs.push(Date.now() - Date.parse(data.alarmChanged.alarm.raisedAt));
    }
  }

  /** Until so many were heard, or long enough for those that come at all. */
  async until(count: number): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_MS_MAX;
    while (this.latenciesMs.length < count && performance.now() < deadlineMs) await wait(10);
  }

  async close(): Promise<void> {
    await this.#client.dispose();
  }
}

class MemoryWatch {
  bytesMax = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(processId: number) {
    this.#timer = setInterval(() => {
      this.bytesMax = Math.max(this.bytesMax, residentBytesOf(processId));
    }, SAMPLE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

async function foldedSeq(sql: Sql): Promise<number> {
  const [row] = await sql<{ seq: number }[]>`select seq from read_model_checkpoint`;
  return row!.seq;
}

async function measureFloor(sql: Sql, signal: AbortSignal): Promise<readonly number[]> {
  const latenciesMs: number[] = [];
  await sql`create table bench_floor (sent_at double precision)`;
  let heard: () => void = () => undefined;
  await sql.listen('bench_floor', () => heard());
  while (!signal.aborted) {
    const beganMs = performance.now();
    const arrived = new Promise<void>(resolve => {
      heard = resolve;
    });
    await sql.begin(async tx => {
      await tx`insert into bench_floor values (${beganMs})`;
      await tx`select pg_notify('bench_floor', '')`;
    });
    await arrived;
    latenciesMs.push(performance.now() - beganMs);
    await wait(FLOOR_PAUSE_MS);
  }
  return latenciesMs;
}

function summed(reports: readonly FanInReport[]): FanInReport {
  return {
    created: reports.flatMap(({ created }) => created),
    appended: reports.reduce((sum, report) => sum + report.appended, 0),
    alarms: reports.reduce((sum, report) => sum + report.alarms, 0),
  };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return value === undefined ? Number.NaN : Math.round(value * 10) / 10;
}
