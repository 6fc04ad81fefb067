import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { createCertificateAuthority } from '@holdfast/interconnect';
import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { openDatabaseAsItIs } from '../postgres/database.js';
import type { Sql } from '../postgres/sql.js';
import { prepareCentral, type StartedCentral, signIn, startCentral } from './bench-central.js';
import { newBenchIdentity } from './bench-identity.js';
import { endOfProcess, messageOf, residentBytesOf } from './bench-process.js';
import { type CoreShares, CpuShares } from './cpu-shares.js';
import type { FanInOrder, FanInReport, SentAlarm } from './fan-in-sites.process.js';

const SITES = 1000;
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
const SIMULATED =
  'The sites are one process. What each says was recorded, signed and packed before the run by the code of a site, and is sent in time over a mutual TLS, HTTP/2 and gRPC session of its own; a site does not check receipts. The central, PostgreSQL and the subscriber are real.';

export interface FanInBenchmark {
  /** What stands in for the sites, so that the reader can judge. */
  readonly simulated: string;
  readonly sites: number;
  /** From the first dial until the first facts of every site are durable and acknowledged. */
  readonly connectSeconds: number;
  /** Folded into the read models, over the measured time. */
  readonly eventsPerSecond: number;
  readonly offeredEventsPerSecond: number;
  /** What they came in: each a frame of gRPC with a checkpoint that its site has signed. */
  readonly messagesPerSecond: number;
  /** From the moment at which a site has the alarm in its log to its arrival at a subscriber over graphql-ws, in another process. */
  readonly alarmLatencyP50Ms: number;
  readonly alarmLatencyP99Ms: number;
  readonly latencyTarget: number;
  /** A row committed on the same PostgreSQL at the same time, until a listener has heard of it: no chain can be faster. */
  readonly floorP50Ms: number;
  readonly floorP99Ms: number;
  readonly ratio: number;
  /** How far the simulated sites were behind their plan: not part of the latency. */
  readonly sitesLateP99Ms: number;
  readonly alarms: number;
  readonly lostAlarms: number;
  /** The most that the central's process had in memory, and what it may have: it does not grow with the events taken in. */
  readonly centralRssMb: number;
  readonly centralRssMbMax: number;
  /** CPU time per event, in microseconds. */
  readonly centralCpuUsPerEvent: number;
  readonly postgresCpuUsPerEvent: number;
  readonly sitesCpuUsPerEvent: number;
  /** How the cores were divided over the measured time: one is a whole core. `subscriber` is also the floor, `others` what is not of this run. */
  readonly cores: CoreShares<'central' | 'sites' | 'subscriber'> & { readonly available: number };
}

/** A thousand sites with sessions of their own on one central, which is run as `holdfast run` runs it. */
export async function benchFanIn(): Promise<FanInBenchmark> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-fan-in-'));
  const children: ChildProcess[] = [];
  try {
    const authority = await createCertificateAuthority({ name: 'Benchmark', nowMs: Date.now() });
    const sites = fork(SITES_PROGRAM);
    children.push(sites);
    const { created } = await ask(sites, {
      ...{ kind: 'CREATE', authority, count: SITES, eventsPerSecond: EVENTS_PER_SECOND },
      durationMs: WARM_UP_MS + MEASURED_MS,
    });
    const configuration = await prepareCentral({
      ...{ directory, central: await newBenchIdentity(authority, 'central'), sites: created },
      heartbeatSeconds: HEARTBEAT_SECONDS,
    });
    const central = await startCentral(directory, configuration);
    children.push(central.process);
    const beganMs = performance.now();
    await ask(sites, { kind: 'DIAL', port: central.listenPort, spreadMs: DIAL_SPREAD_MS });
    const connectSeconds = Math.round((performance.now() - beganMs) / 100) / 10;
    const measured = await measure(directory, central, sites);
    return { simulated: SIMULATED, sites: SITES, connectSeconds, ...measured };
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

async function measure(directory: string, central: StartedCentral, sites: ChildProcess) {
  await using database = await openDatabaseAsItIs({ directory: path.join(directory, 'postgres') });
  const { sql } = database;
  const heard = new HeardAlarms(central.httpPort, await signIn(directory, central.httpPort));
  const memory = new MemoryWatch(central.process.pid!);
  await heard.subscribed;
  const warmed = await ask(sites, { kind: 'PLAY', fromMs: 0, toMs: WARM_UP_MS });
  await heard.all(warmed.alarms);
  const stopFloor = new AbortController();
  const floor = measureFloor(sql, stopFloor.signal);
  const processIds = { central: central.process.pid!, sites: sites.pid!, subscriber: process.pid };
  const cpu = await CpuShares.begin(sql, processIds);
  const seqBefore = await foldedSeq(sql);
  const toMs = WARM_UP_MS + MEASURED_MS;
  const playing = ask(sites, { kind: 'PLAY', fromMs: WARM_UP_MS, toMs });
  await wait(MEASURED_MS);
  const folded = (await foldedSeq(sql)) - seqBefore;
  const { seconds, cores, usOf } = await cpu.end();
  const { alarms, events, messages, lateMs } = await playing;
  await heard.all(alarms);
  stopFloor.abort();
  const floors = await floor;
  memory.stop();
  await heard.close();
  const latencies = heard.latenciesOf(alarms);
  return {
    eventsPerSecond: Math.round(folded / seconds),
    offeredEventsPerSecond: Math.round((events / MEASURED_MS) * 1000),
    messagesPerSecond: Math.round((messages / MEASURED_MS) * 1000),
    alarmLatencyP50Ms: quantile(latencies, 0.5),
    alarmLatencyP99Ms: quantile(latencies, 0.99),
    latencyTarget: 250,
    floorP50Ms: quantile(floors, 0.5),
    floorP99Ms: quantile(floors, 0.99),
    ratio: tenths(quantile(latencies, 0.5) / quantile(floors, 0.5)),
    sitesLateP99Ms: quantile(lateMs, 0.99),
    alarms: alarms.length,
    lostAlarms: alarms.length - latencies.length,
    centralRssMb: Math.round(memory.bytesMax / MEBIBYTE),
    centralRssMbMax: 1024,
    centralCpuUsPerEvent: tenths(usOf('central') / folded),
    postgresCpuUsPerEvent: tenths(usOf('postgres') / folded),
    sitesCpuUsPerEvent: tenths(usOf('sites') / events),
    cores: { ...cores, available: availableParallelism() },
  };
}

/** A subscriber as the console is one. */
class HeardAlarms {
  readonly subscribed: Promise<void>;
  /** By alarm: when it was heard first. */
  readonly #heardAtMs = new Map<string, number>();
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
    const query = 'subscription { alarmChanged { alarm { id } } }';
    const changes = this.#client.iterate<{ alarmChanged: { alarm: { id: string } } }>({ query });
    for await (const { data } of changes) {
      const id = data?.alarmChanged.alarm.id;
      if (id !== undefined && !this.#heardAtMs.has(id)) this.#heardAtMs.set(id, Date.now());
    }
  }

  /** Until these were heard, or long enough for those that come at all. */
  async all(alarms: readonly SentAlarm[]): Promise<void> {
    const deadlineMs = performance.now() + SETTLE_MS_MAX;
    while (this.latenciesOf(alarms).length < alarms.length && performance.now() < deadlineMs) await wait(50);
  }

  latenciesOf(alarms: readonly SentAlarm[]): readonly number[] {
    return alarms.flatMap(({ alarmId, sentAtMs }) => {
      const heardAtMs = this.#heardAtMs.get(alarmId);
      return heardAtMs === undefined ? [] : heardAtMs - sentAtMs;
    });
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

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return value === undefined ? Number.NaN : tenths(value);
}
