import { type ChildProcess, fork } from 'node:child_process';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import {
  createCertificateAuthority,
  createGrpcServer,
  createReplicationService,
  processTimers,
  type ReplicaIntake,
} from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import {
  newUuid,
  noteSigner,
  openSqliteSiteLog,
  SOFTWARE,
  sha256,
  verifyNoteOffThread,
} from '@holdfast/sites';
import { createPostgresReplicaIntake } from '../intake/postgres-replica-intake.js';
import { createPostgresReplicaReader } from '../intake/postgres-replica-reader.js';
import { openDatabase } from '../postgres/database.js';
import type { Sql } from '../postgres/sql.js';
import { benchLogger, logKeyOf, newBenchIdentity } from './bench-identity.js';
import { endOfProcess, messageOf } from './bench-process.js';
import { type CoreShares, CpuShares } from './cpu-shares.js';
import type { ReplicateOrder, ReplicateReport } from './replicate-sites.process.js';

/** Catch-ups, each of a site of its own, each beside a round of the floor. */
const ROUNDS = 3;
const EVENTS_PER_ROUND = 200_000;
/** The best that rows and transactions of such sizes give. */
const FLOOR_ROWS_PER_INSERT = 500;
const FLOOR_ROWS_PER_COMMIT = 1000;
const CATCH_UP_MS_MAX = 60_000;

export interface ReplicateBenchmark {
  /** Of each catch-up. */
  readonly events: number;
  /** From the dialling of a site until PostgreSQL has all of its events, every hash and signature checked. Median. */
  readonly eventsPerSecond: number;
  readonly target: number;
  /** From the site to the central, as TCP carries them: TLS, HTTP/2 and gRPC included. */
  readonly bytesPerEvent: number;
  readonly bytesTarget: number;
  /** Header and data of an event, as the log stores them. */
  readonly rawBytesPerEvent: number;
  /**
   * The same rows into the same table (indexes, constraints) by the same client, ready in memory: inserts of 500 rows,
   * two in a transaction. Nothing is read, sent, decompressed, hashed, decoded or compared. Median.
   */
  readonly floorEventsPerSecond: number;
  /** Median of the ratios of the pairs of rounds. */
  readonly ratio: number;
  readonly ratioTarget: number;
  /** CPU time per event: of the site, of the central, and of PostgreSQL for both it and the floor. */
  readonly siteCpuUs: number;
  readonly centralCpuUs: number;
  readonly postgresCpuUs: number;
  readonly floorCpuUs: number;
  readonly floorPostgresCpuUs: number;
  /** Of all three together, and how many events two cores could take by it if nothing else ran on them and nobody waited. */
  readonly cpuUs: number;
  readonly eventsPerSecondOfTwoCores: number;
  /** How the cores were divided in the median round: one is a whole core, `others` what is not of this run. */
  readonly cores: CoreShares<'central' | 'sites'> & { readonly available: number };
}

interface Round {
  readonly eventsPerSecond: number;
  readonly cpuUs: number;
  readonly postgresCpuUs: number;
  readonly siteCpuUs: number;
  readonly bytes: number;
  readonly cores: CoreShares<'central' | 'sites'>;
}

/** Logs of sites in SQLite to a central's PostgreSQL over gRPC with mutual TLS: the sites in a process of their own. */
export async function benchReplicate(): Promise<ReplicateBenchmark> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-replicate-'));
  const sites = fork(path.join(import.meta.dirname, 'replicate-sites.process.js'), [directory]);
  try {
    await using central = await openCentral(directory);
    const filled: FilledSite[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const identity = await newBenchIdentity(central.authority, 'site');
      const { size } = await ask(sites, { kind: 'FILL', identity, eventCount: EVENTS_PER_ROUND });
      filled.push({ siteId: identity.siteId, size: size! });
    }
    const ours: Round[] = [];
    const floors: Round[] = [];
    for (const site of filled) {
      ours.push(await measureCatchUp(central, sites, site));
      floors.push(await measureFloor(central, sites, site.siteId));
    }
    return summed(ours, floors, await rawBytesPerEvent(central.sql));
  } finally {
    await endOfProcess(sites);
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

interface FilledSite {
  readonly siteId: SiteId;
  readonly size: number;
}

async function ask(sites: ChildProcess, order: ReplicateOrder): Promise<ReplicateReport> {
  const answer = messageOf<ReplicateReport>(sites);
  sites.send(order);
  return answer;
}

type MeasuredCentral = Awaited<ReturnType<typeof openCentral>>;

async function openCentral(directory: string) {
  await using stack = new AsyncDisposableStack();
  const authority = await createCertificateAuthority({ name: 'Benchmark', nowMs: Date.now() });
  const identity = await newBenchIdentity(authority, 'central');
  const file = path.join(directory, 'central.log');
  const { sql } = stack.use(
    await openDatabase({ directory: path.join(directory, 'postgres'), databaseUrl: null }),
  );
  const log = stack.use(
    await openSqliteSiteLog({ file, site: identity.siteId, now: Date.now, signingKey: logKeyOf(identity) }),
  );
  const grpc = stack.use(createGrpcServer({ credentials: identity.credentials, logger: benchLogger }));
  const taken = new TakenIn();
  const keys = new Map<SiteId, Uint8Array>();
  const replication = stack.use(
    createReplicationService({
      ...{ log, logger: benchLogger, sha256, verify: verifyNoteOffThread, software: SOFTWARE, now: Date.now },
      ...{ timers: processTimers, signer: noteSigner(logKeyOf(identity)), enrolled: () => true },
      intake: taken.watch(createPostgresReplicaIntake(sql)),
      replicas: createPostgresReplicaReader(sql),
      keys: {
        keyOf: async site => keys.get(site) ?? null,
        pin: async (site, key) => void keys.set(site, key),
      },
      links: { established: () => undefined, lost: () => undefined, measured: () => undefined },
    }),
  );
  replication.register(grpc);
  const { port } = await grpc.listen({ host: '127.0.0.1', port: 0 });
  const wire = stack.use(new WireCounter());
  const parts = stack.move();
  return { authority, sql, port, taken, wire, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** Bytes that came in on accepted connections, below TLS. */
class WireCounter implements Disposable {
  readonly #sockets: Socket[] = [];
  readonly #count = (message: unknown) => {
    this.#sockets.push((message as { readonly socket: Socket }).socket);
  };

  constructor() {
    subscribe('net.server.socket', this.#count);
  }

  get bytes(): number {
    return this.#sockets.reduce((sum, socket) => sum + socket.bytesRead, 0);
  }

  [Symbol.dispose](): void {
    unsubscribe('net.server.socket', this.#count);
  }
}

/** Says when a site has been taken in to a position. */
class TakenIn {
  #awaited: { readonly site: SiteId; readonly position: number; readonly reached: () => void } | null = null;

  watch(intake: ReplicaIntake): ReplicaIntake {
    return {
      openSession: site => intake.openSession(site),
      commit: async batch => {
        const outcome = await intake.commit(batch);
        const awaited = this.#awaited;
        if (batch.site === awaited?.site && batch.after.position >= awaited.position) awaited.reached();
        return outcome;
      },
    };
  }

  until(site: SiteId, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`a catch-up took more than ${CATCH_UP_MS_MAX} ms`)),
        CATCH_UP_MS_MAX,
      );
      const reached = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#awaited = { site, position, reached };
    });
  }
}

async function measureCatchUp(
  { port, taken, wire, sql }: MeasuredCentral,
  sites: ChildProcess,
  { siteId, size }: FilledSite,
): Promise<Round> {
  const done = taken.until(siteId, size);
  const task = async () => {
    sites.send({ kind: 'REPLICATE', siteId, port } satisfies ReplicateOrder);
    await done;
  };
  const started = messageOf(sites);
  const measured = await measure({ sql, wire, sites, eventCount: size }, task);
  await started;
  await ask(sites, { kind: 'STOP' });
  return measured;
}

async function measure(
  of: {
    readonly sql: Sql;
    readonly wire: WireCounter;
    readonly sites: ChildProcess;
    readonly eventCount: number;
  },
  task: () => Promise<void>,
): Promise<Round> {
  const { sql, wire, sites, eventCount } = of;
  const bytesBefore = wire.bytes;
  const cpu = await CpuShares.begin(sql, { central: process.pid, sites: sites.pid! });
  await task();
  const { seconds, cores, usOf } = await cpu.end();
  return {
    eventsPerSecond: eventCount / seconds,
    cpuUs: usOf('central') / eventCount,
    postgresCpuUs: usOf('postgres') / eventCount,
    siteCpuUs: usOf('sites') / eventCount,
    bytes: (wire.bytes - bytesBefore) / eventCount,
    cores,
  };
}

/** The rows of a site once more, as those of another one. */
async function measureFloor(
  { sql, wire }: MeasuredCentral,
  sites: ChildProcess,
  site: SiteId,
): Promise<Round> {
  const floorSite = newUuid<SiteId>();
  const stored = await sql`
    select seq, epoch, position, id, stream, revision, type, version, recorded_at::text, occurred_at_ms, clock_quality, actor,
           causation_id, correlation_id, header, data, leaf_hash
    from replica_event where site = ${site} order by seq`;
  const [head] = await sql<{ seq: number }[]>`select seq from feed_head`;
  const rows = stored.map((row, index) => ({
    ...snakeCased(row),
    site: floorSite,
    seq: head!.seq + 1 + index,
  }));
  const round = await measure({ sql, wire, sites, eventCount: rows.length }, async () => {
    for (let from = 0; from < rows.length; from += FLOOR_ROWS_PER_COMMIT) {
      await insertRows(sql, rows.slice(from, from + FLOOR_ROWS_PER_COMMIT));
    }
  });
  await sql`update feed_head set seq = seq + ${rows.length}`;
  return round;
}

async function insertRows(sql: Sql, rows: readonly object[]): Promise<void> {
  await sql.begin(async tx => {
    for (let from = 0; from < rows.length; from += FLOOR_ROWS_PER_INSERT) {
      await tx`insert into replica_event ${tx(rows.slice(from, from + FLOOR_ROWS_PER_INSERT) as never)}`;
    }
  });
}

function snakeCased(row: object): object {
  return Object.fromEntries(
    Object.entries(row).map(([key, value]) => [
      key.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`),
      value,
    ]),
  );
}

async function rawBytesPerEvent(sql: Sql): Promise<number> {
  const [row] = await sql<{ bytes: number }[]>`
    select avg(octet_length(header) + octet_length(data))::float8 as bytes from replica_event`;
  return row!.bytes;
}

function summed(ours: readonly Round[], floors: readonly Round[], rawBytes: number): ReplicateBenchmark {
  const median = (values: readonly number[]) =>
    [...values].sort((one, other) => one - other)[Math.floor(values.length / 2)]!;
  const tenths = (values: readonly number[]) => Math.round(median(values) * 10) / 10;
  const ratios = ours.map(({ eventsPerSecond }, round) => eventsPerSecond / floors[round]!.eventsPerSecond);
  const allCpuUs = median(ours.map(round => round.siteCpuUs + round.cpuUs + round.postgresCpuUs));
  const middle = ours.toSorted((one, other) => one.eventsPerSecond - other.eventsPerSecond)[
    ours.length >> 1
  ]!;
  return {
    events: EVENTS_PER_ROUND,
    eventsPerSecond: Math.round(median(ours.map(round => round.eventsPerSecond))),
    target: 40_000,
    bytesPerEvent: tenths(ours.map(({ bytes }) => bytes)),
    bytesTarget: 110,
    rawBytesPerEvent: Math.round(rawBytes * 10) / 10,
    floorEventsPerSecond: Math.round(median(floors.map(round => round.eventsPerSecond))),
    ratio: Math.round(median(ratios) * 100) / 100,
    ratioTarget: 0.6,
    siteCpuUs: tenths(ours.map(({ siteCpuUs }) => siteCpuUs)),
    centralCpuUs: tenths(ours.map(({ cpuUs }) => cpuUs)),
    postgresCpuUs: tenths(ours.map(round => round.postgresCpuUs)),
    floorCpuUs: tenths(floors.map(({ cpuUs }) => cpuUs)),
    floorPostgresCpuUs: tenths(floors.map(round => round.postgresCpuUs)),
    cpuUs: tenths([allCpuUs]),
    eventsPerSecondOfTwoCores: Math.round(2_000_000 / allCpuUs),
    cores: { ...middle.cores, available: availableParallelism() },
  };
}
