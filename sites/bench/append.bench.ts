import { generateKeyPairSync, randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { NewEvent } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { siteLogTables } from '../log/site-log-file.js';
import { WAL_BYTES_KEPT, WAL_CHECKPOINT_PAGES } from '../log/site-log-writer.js';
import { openSqliteSiteLog } from '../log/sqlite-site-log.js';

/** Callers that each append one event, await it, and append the next. */
const CALLERS = 16;
/** Streams that the events belong to, as many as a middling site has devices. */
const STREAMS = 500;
/** Bytes of JSON in an event: an alarm or a minute of a recording. */
const DATA_BYTES = 370;
/** Rounds of each side, alternating, so that a busy moment of the machine does not decide. */
const ROUNDS = 7;
const ROUND_MS = 1500;
const WARM_UP_MS = 500;

export interface AppendBenchmark {
  /** Durable, proved, acknowledged one by one: median of the rounds. */
  readonly eventsPerSecond: number;
  /**
   * Bare `node:sqlite` in the caller's own thread: the same tables, indexes, row bytes and durability (WAL,
   * `synchronous=FULL`), 16 events in a transaction as 16 callers give rise to, no hashing, no ids to check, no tree.
   */
  readonly floorEventsPerSecond: number;
  readonly ratio: number;
  /** From the call to the acknowledgement, 99th percentile over all rounds. */
  readonly p99Ms: number;
}

/** Durable appends per second with full proof against bare SQLite, measured in the same run. Takes some 25 seconds. */
export async function benchAppend(): Promise<AppendBenchmark> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-append-'));
  try {
    const ours: number[] = [];
    const floors: number[] = [];
    const latenciesMs: number[] = [];
    await measureLog(path.join(directory, 'warm-up'), WARM_UP_MS);
    measureFloor(path.join(directory, 'warm-up-floor'), WARM_UP_MS);
    for (let round = 0; round < ROUNDS; round += 1) {
      const measured = await measureLog(path.join(directory, `log-${round}`), ROUND_MS);
      ours.push(measured.eventsPerSecond);
      for (const latencyMs of measured.latenciesMs) latenciesMs.push(latencyMs);
      floors.push(measureFloor(path.join(directory, `floor-${round}`), ROUND_MS));
    }
    const eventsPerSecond = Math.round(median(ours));
    const floorEventsPerSecond = Math.round(median(floors));
    return {
      eventsPerSecond,
      floorEventsPerSecond,
      ratio: Math.round((eventsPerSecond / floorEventsPerSecond) * 1000) / 1000,
      p99Ms: Math.round(percentile(latenciesMs, 0.99) * 1000) / 1000,
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function measureLog(
  file: string,
  durationMs: number,
): Promise<{ readonly eventsPerSecond: number; readonly latenciesMs: readonly number[] }> {
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  await using log = await openSqliteSiteLog({ file, site: v7() as SiteId, now: Date.now, signingKey });
  const latenciesMs: number[] = [];
  let count = 0;
  const beganMs = performance.now();
  const untilMs = beganMs + durationMs;
  await Promise.all(
    Array.from({ length: CALLERS }, async () => {
      for (let calledMs = performance.now(); calledMs < untilMs; calledMs = performance.now()) {
        const event = newEventOf(count);
        const stream = `device-${count % STREAMS}`;
        count += 1;
        const outcome = await log.append([{ stream, expected: 'any', events: [event] }]);
        if (!outcome.appended) throw new Error(`the log refused: ${outcome.refusal.code}`);
        latenciesMs.push(performance.now() - calledMs);
      }
    }),
  );
  return { eventsPerSecond: (count / (performance.now() - beganMs)) * 1000, latenciesMs };
}

function measureFloor(file: string, durationMs: number): number {
  const db = new DatabaseSync(file);
  try {
    db.exec('PRAGMA auto_vacuum = INCREMENTAL');
    db.exec('PRAGMA journal_mode = WAL');
    db.exec('PRAGMA synchronous = FULL');
    db.exec(`PRAGMA wal_autocheckpoint = ${WAL_CHECKPOINT_PAGES}`);
    db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`);
    db.exec(siteLogTables);
    const begin = db.prepare('BEGIN IMMEDIATE');
    const commit = db.prepare('COMMIT');
    const insert = db.prepare(
      'INSERT INTO event (position, id, stream, revision, header, data, leaf_hash) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    // The bytes that the log would have written: a header of a device's event has 113 to 120 of them.
    const header = randomFillSync(new Uint8Array(113));
    const leafHash = randomFillSync(new Uint8Array(32));
    const id = Uint8Array.from(Buffer.from(idOf(0).replaceAll('-', ''), 'hex'));
    let count = 0;
    const beganMs = performance.now();
    const untilMs = beganMs + durationMs;
    while (performance.now() < untilMs) {
      begin.run();
      for (let index = 0; index < CALLERS; index += 1) {
        new DataView(id.buffer).setUint32(12, count);
        const stream = `device-${count % STREAMS}`;
        insert.run(count + 1, id, stream, Math.floor(count / STREAMS), header, dataOf(count), leafHash);
        count += 1;
      }
      commit.run();
    }
    return (count / (performance.now() - beganMs)) * 1000;
  } finally {
    db.close();
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

function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
