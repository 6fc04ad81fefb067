import { generateKeyPairSync, randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { type NewEvent, placeKey } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { WAL_BYTES_KEPT, WAL_CHECKPOINT_PAGES } from '../log/site-log-opening.js';
import { openSqliteSiteLog, type SqliteSiteLog } from '../log/sqlite-site-log.js';

/** Callers that each append one event, await it, and append the next. */
const CALLERS = 16;
/** Streams that the events belong to, as many as a middling site has devices. */
const STREAMS = 500;
/** Bytes of JSON in an event: an alarm or a minute of a recording. */
const DATA_BYTES = 370;
/**
 * Rounds of each side. They are short and alternate, and each round of ours is compared with the one of the floor beside
 * it, so that what else the machine does meets both alike and a busy moment spoils few pairs.
 */
const ROUNDS = 48;
const ROUND_MS = 250;
const WARM_UP_MS = 1000;

export interface AppendBenchmark {
  /** Durable, proved, acknowledged one by one: median of the rounds. */
  readonly eventsPerSecond: number;
  /**
   * Bare `node:sqlite` in the caller's own thread: one table in which SQLite itself keeps ids and the revisions of each stream
   * unique, the same row bytes and pragmas (WAL, `synchronous=FULL`, the same page size and checkpoints), 16 events in a
   * transaction as 16 callers give rise to; no callers to answer, no hashing, no tree. Median of the rounds.
   */
  readonly floorEventsPerSecond: number;
  /** Median of the ratios of the pairs of rounds. */
  readonly ratio: number;
  /** The middle half of those ratios: how far the machine was quiet. */
  readonly ratioQuartiles: readonly [number, number];
  /** Processor time of all threads for one event: it depends less on what else the machine does than the rates. */
  readonly cpuUsPerEvent: number;
  readonly floorCpuUsPerEvent: number;
  /** From the call to the acknowledgement over all rounds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Durable appends per second with full proof against bare SQLite, measured in the same run. Takes some 30 seconds. */
export async function benchAppend(): Promise<AppendBenchmark> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-append-'));
  try {
    // Both files grow over the whole run, so that each side pays for its own checkpoints and deeper indexes.
    await using log = await MeasuredLog.open(path.join(directory, 'log'));
    using floor = new MeasuredFloor(path.join(directory, 'floor'));
    await log.measure(WARM_UP_MS);
    floor.measure(WARM_UP_MS);
    log.latenciesMs.length = 0;
    log.cpu.reset();
    floor.cpu.reset();
    const ours: number[] = [];
    const floors: number[] = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      // Each side begins every other pair, so that neither is always the one after the other's writes.
      if (round % 2 === 0) ours.push(await log.measure(ROUND_MS));
      floors.push(floor.measure(ROUND_MS));
      if (round % 2 === 1) ours.push(await log.measure(ROUND_MS));
    }
    const ratios = ours.map((eventsPerSecond, round) => eventsPerSecond / floors[round]!);
    return {
      eventsPerSecond: Math.round(percentile(ours, 0.5)),
      floorEventsPerSecond: Math.round(percentile(floors, 0.5)),
      ratio: roundedToMilli(percentile(ratios, 0.5)),
      ratioQuartiles: [roundedToMilli(percentile(ratios, 0.25)), roundedToMilli(percentile(ratios, 0.75))],
      cpuUsPerEvent: roundedToMilli(log.cpu.usPerEvent),
      floorCpuUsPerEvent: roundedToMilli(floor.cpu.usPerEvent),
      p50Ms: roundedToMilli(percentile(log.latenciesMs, 0.5)),
      p99Ms: roundedToMilli(percentile(log.latenciesMs, 0.99)),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Sums up what the process spent in the rounds of one side. */
class CpuTime {
  #us = 0;
  #events = 0;

  get usPerEvent(): number {
    return this.#us / this.#events;
  }

  reset(): void {
    this.#us = 0;
    this.#events = 0;
  }

  add(sinceBegin: NodeJS.CpuUsage, events: number): void {
    this.#us += sinceBegin.user + sinceBegin.system;
    this.#events += events;
  }
}

class MeasuredLog implements AsyncDisposable {
  readonly latenciesMs: number[] = [];
  readonly cpu = new CpuTime();
  readonly #log: SqliteSiteLog;
  #count = 0;

  private constructor(log: SqliteSiteLog) {
    this.#log = log;
  }

  static async open(file: string): Promise<MeasuredLog> {
    const signingKey = generateKeyPairSync('ed25519').privateKey;
    return new MeasuredLog(
      await openSqliteSiteLog({ file, site: v7() as SiteId, now: Date.now, signingKey }),
    );
  }

  /** Events per second. */
  async measure(durationMs: number): Promise<number> {
    const firstCount = this.#count;
    const beganCpu = process.cpuUsage();
    const beganMs = performance.now();
    await Promise.all(Array.from({ length: CALLERS }, () => this.#callUntil(beganMs + durationMs)));
    const eventsPerSecond = ((this.#count - firstCount) / (performance.now() - beganMs)) * 1000;
    this.cpu.add(process.cpuUsage(beganCpu), this.#count - firstCount);
    return eventsPerSecond;
  }

  async #callUntil(untilMs: number): Promise<void> {
    for (let calledMs = performance.now(); calledMs < untilMs; calledMs = performance.now()) {
      const event = newEventOf(this.#count);
      const stream = `device-${this.#count % STREAMS}`;
      this.#count += 1;
      const outcome = await this.#log.append([{ stream, expected: 'any', events: [event] }]);
      if (!outcome.appended) throw new Error(`the log refused: ${outcome.refusal.code}`);
      this.latenciesMs.push(performance.now() - calledMs);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#log[Symbol.asyncDispose]();
  }
}

/** What anyone would write who wants to find an event by its place, its id and its stream. */
const floorTable = `
  CREATE TABLE event (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    header BLOB NOT NULL,
    data BLOB NOT NULL,
    leaf_hash BLOB NOT NULL,
    UNIQUE (stream, revision)
  ) STRICT`;

class MeasuredFloor implements Disposable {
  readonly cpu = new CpuTime();
  readonly #db: DatabaseSync;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #insert: StatementSync;
  // The bytes that the log would have written: a header of a device's event has 113 to 120 of them.
  readonly #header = randomFillSync(new Uint8Array(113));
  readonly #leafHash = randomFillSync(new Uint8Array(32));
  readonly #id = Uint8Array.from(Buffer.from(idOf(0).replaceAll('-', ''), 'hex'));
  #count = 0;

  constructor(file: string) {
    this.#db = new DatabaseSync(file);
    this.#db.exec('PRAGMA auto_vacuum = INCREMENTAL');
    this.#db.exec('PRAGMA journal_mode = WAL');
    this.#db.exec('PRAGMA synchronous = FULL');
    this.#db.exec(`PRAGMA wal_autocheckpoint = ${WAL_CHECKPOINT_PAGES}`);
    this.#db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`);
    this.#db.exec(floorTable);
    this.#begin = this.#db.prepare('BEGIN IMMEDIATE');
    this.#commit = this.#db.prepare('COMMIT');
    this.#insert = this.#db.prepare(
      'INSERT INTO event (key, id, stream, revision, header, data, leaf_hash) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
  }

  /** Events per second. */
  measure(durationMs: number): number {
    const firstCount = this.#count;
    const beganCpu = process.cpuUsage();
    const beganMs = performance.now();
    const untilMs = beganMs + durationMs;
    while (performance.now() < untilMs) {
      this.#begin.run();
      for (let index = 0; index < CALLERS; index += 1) this.#insertNext();
      this.#commit.run();
    }
    const eventsPerSecond = ((this.#count - firstCount) / (performance.now() - beganMs)) * 1000;
    this.cpu.add(process.cpuUsage(beganCpu), this.#count - firstCount);
    return eventsPerSecond;
  }

  #insertNext(): void {
    const count = this.#count;
    this.#count += 1;
    new DataView(this.#id.buffer).setUint32(12, count);
    const key = placeKey({ epoch: 1, position: count + 1 });
    const revision = Math.floor(count / STREAMS);
    const stream = `device-${count % STREAMS}`;
    this.#insert.run(key, this.#id, stream, revision, this.#header, dataOf(count), this.#leafHash);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

function newEventOf(count: number): NewEvent {
  return {
    id: idOf(count),
    type: 'AlarmRaised',
    version: 1,
    data: dataOf(count),
    actor: 'server:benchmark',
    occurredAtMs: Date.now(),
    clockQuality: 'NTP',
    causationId: null,
    correlationId: null,
  };
}

/** Ids that grow like those of UUIDv7, for next to nothing: making them is not what is measured. */
function idOf(count: number): EventId {
  return `0198f3a2-7c1d-7e2a-9b3c-0000${count.toString(16).padStart(8, '0')}` as EventId;
}

const encoder = new TextEncoder();
const padding = 'x'.repeat(DATA_BYTES - '{"count":000000000,"text":""}'.length);

function dataOf(count: number): Uint8Array {
  return encoder.encode(`{"count":${String(count).padStart(9, '0')},"text":"${padding}"}`);
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function roundedToMilli(value: number): number {
  return Math.round(value * 1000) / 1000;
}
