import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { encodeEdge, extendEdge, firstEventOf, type TreeEdge, UUID_BYTES, writeUuid } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { Ballast } from '../ballast.js';
import { type AppendFrame, decodeAppendFrame, encodeAppendFrame, frameBytesBound } from './append-frame.js';
import {
  AppendGroup,
  type EventStatements,
  prepareEventStatements,
  type WrittenAppend,
} from './append-group.js';
import { lockFile, primaryCodeOf } from './file-lock.js';
import { sha256 } from './sha256.js';
import {
  assertSiteLogFile,
  pragma,
  readSiteLogState,
  SITE_LOG_APPLICATION_ID,
  SITE_LOG_USER_VERSION,
  SiteLogFileError,
  type SiteLogState,
  siteLogTables,
} from './site-log-file.js';
import { verifyTail } from './site-log-tail.js';

/** The first append of a group waits at most this long for the commit to begin. */
export const GROUP_MS_MAX = 2;
/** Streams whose last revision is remembered; the others are looked up in the index. About 10 MB when full. */
const REMEMBERED_STREAMS_MAX = 65_536;
/** Pages (of 4 KiB) in the write-ahead log before they are moved into the file: SQLite's 1000 stalls commits more often. */
export const WAL_CHECKPOINT_PAGES = 4000;
/** The write-ahead log is cut back to this many bytes after a burst. */
export const WAL_BYTES_KEPT = 64 * 1024 * 1024;
/** A reader may hold the file for a moment; a second writer is caught by the lock file long before. */
const BUSY_TIMEOUT_MS = 5000;
/** Primary result codes of SQLite. */
const SQLITE_FULL = 13;
const SQLITE_CONSTRAINT = 19;
/** After the ballast was thrown off, this long until it is tried to take it again. */
const BALLAST_RETRY_MS = 60_000;
const EPOCH = 1;

export interface WrittenGroup {
  readonly outcomes: readonly WrittenAppend[];
  readonly size: number;
  readonly edge: TreeEdge;
  /** What making it durable took. */
  readonly commitMs: number;
}

/** A group that was not committed: nothing of it is in the log, unless the disk failed during the commit itself. */
export class GroupNotWrittenError extends Error {
  override readonly name = 'GroupNotWrittenError';
  readonly code = 'GROUP_NOT_WRITTEN';
  readonly appendCount: number;

  constructor(appendCount: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.appendCount = appendCount;
  }
}

export interface SiteLogWriterOptions {
  readonly file: string;
  readonly site: SiteId;
  /** Wall clock at opening, for the first event of a new log. */
  readonly nowMs: number;
  /** Milliseconds of a clock that never runs back, for `GROUP_MS_MAX`. */
  readonly monotonicMs: () => number;
}

/**
 * Opens a log file for writing and creates it when it is not there; its first event is `LogEpochOpened`. Throws
 * `SiteLogFileError`: another process writes it, it belongs to another site, its tail is damaged. Also opens on a disk that
 * is full: what makes room there wants to say so here.
 */
export function openSiteLogWriter(options: SiteLogWriterOptions): SiteLogWriter {
  mkdirSync(path.dirname(path.resolve(options.file)), { recursive: true, mode: 0o700 });
  const ballast = new Ballast(`${options.file}.ballast`);
  // Kept for this moment only: the other may have been thrown off to say that the disk is full, before a kill.
  const openingBallast = new Ballast(`${options.file}.opening-ballast`);
  for (;;) {
    try {
      return openWriter(options, [ballast, openingBallast]);
    } catch (error) {
      if (!isDiskFull(error) || !(ballast.throwOff() || openingBallast.throwOff())) throw error;
    }
  }
}

function openWriter(
  options: SiteLogWriterOptions,
  [ballast, openingBallast]: readonly [Ballast, Ballast],
): SiteLogWriter {
  const { file, site } = options;
  const lock = lockLog(file);
  let db: DatabaseSync | null = null;
  try {
    db = openForWriting(file);
    createTables(db, file, site);
    const state = readSiteLogState(db, file);
    if (state.site !== site) {
      throw new SiteLogFileError('WRONG_SITE', file, `it is the log of ${state.site}, not of ${site}`);
    }
    const recordedAt = verifyTail(db, file, state);
    const { monotonicMs } = options;
    const writer = new SiteLogWriter({ db, lock, ballast, openingBallast, state, recordedAt, monotonicMs });
    if (state.size === 0) writer.writeFirstEvent(options.nowMs);
    return writer;
  } catch (error) {
    db?.close();
    lock[Symbol.dispose]();
    throw error;
  }
}

/** The one writer of a log file. Synchronous: it lives in a thread of its own. */
export class SiteLogWriter implements Disposable {
  readonly #db: DatabaseSync;
  readonly #lock: Disposable;
  readonly #ballast: Ballast;
  readonly #openingBallast: Ballast;
  readonly #monotonicMs: () => number;
  readonly #statements: EventStatements;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #updateLog: StatementSync;
  readonly #lastRevision: StatementSync;
  readonly #revisions = new Map<string, number>();
  #state: SiteLogState;
  #recordedAt: bigint;
  #takeBallastAtMs = 0;

  constructor(opened: {
    readonly db: DatabaseSync;
    readonly lock: Disposable;
    readonly ballast: Ballast;
    readonly openingBallast: Ballast;
    readonly state: SiteLogState;
    readonly recordedAt: bigint;
    readonly monotonicMs: () => number;
  }) {
    this.#db = opened.db;
    this.#lock = opened.lock;
    this.#ballast = opened.ballast;
    this.#openingBallast = opened.openingBallast;
    this.#state = opened.state;
    this.#recordedAt = opened.recordedAt;
    this.#monotonicMs = opened.monotonicMs;
    this.#statements = prepareEventStatements(this.#db);
    this.#begin = this.#db.prepare('BEGIN IMMEDIATE');
    this.#commit = this.#db.prepare('COMMIT');
    this.#updateLog = this.#db.prepare('UPDATE log SET size = ?, tree_edge = ?');
    this.#lastRevision = this.#db.prepare('SELECT max(revision) AS revision FROM event WHERE stream = ?');
  }

  get state(): SiteLogState {
    return this.#state;
  }

  /**
   * Commits what `next` gives, until it gives nothing more or the group is full. Throws `GroupNotWrittenError` when the
   * file cannot be written.
   */
  commitGroup(next: () => AppendFrame | undefined): WrittenGroup {
    const frames: AppendFrame[] = [];
    try {
      return this.#transact(group => {
        const beganMs = this.#monotonicMs();
        for (let frame = next(); frame !== undefined; frame = next()) {
          frames.push(frame);
          group.write(frame);
          if (group.isFull || this.#monotonicMs() - beganMs >= GROUP_MS_MAX) break;
        }
      });
    } catch (error) {
      if (primaryCodeOf(error) !== SQLITE_CONSTRAINT && !this.#makesRoom(error)) {
        throw new GroupNotWrittenError(frames.length, error);
      }
    }
    try {
      // Some id may be in the log already. That is rare, so only now is each one looked up before it is written.
      return this.#transact(group => {
        for (const frame of frames) group.writeOnce(frame);
      });
    } catch (error) {
      throw new GroupNotWrittenError(frames.length, error);
    }
  }

  /** True when the disk is full and there was ballast to throw off. */
  #makesRoom(error: unknown): boolean {
    if (!isDiskFull(error) || !this.#ballast.throwOff()) return false;
    this.#takeBallastAtMs = this.#monotonicMs() + BALLAST_RETRY_MS;
    return true;
  }

  writeFirstEvent(nowMs: number): void {
    const appends = [firstEventOf(this.#state.site, nowMs, sha256)];
    const bytes = Buffer.alloc(frameBytesBound(appends));
    encodeAppendFrame(appends, { ...this.#state, nowMs }, bytes);
    const frames = [decodeAppendFrame(bytes)];
    this.commitGroup(() => frames.shift());
  }

  storeCheckpoint(checkpoint: {
    readonly size: number;
    readonly note: string;
    readonly signedAtMs: number;
  }): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO checkpoint (size, note, signed_at_ms) VALUES (?, ?, ?)')
      .run(checkpoint.size, checkpoint.note, checkpoint.signedAtMs);
  }

  [Symbol.dispose](): void {
    this.#db.close();
    this.#lock[Symbol.dispose]();
  }

  #transact(fill: (group: AppendGroup) => void): WrittenGroup {
    const before = this.#state;
    this.#begin.run();
    try {
      const group = new AppendGroup(this.#statements, {
        size: before.size,
        recordedAt: this.#recordedAt,
        lastRevisionOf: stream => this.#lastRevisionOf(stream),
      });
      fill(group);
      const edge = extendEdge(before.edge, before.size, group.leafHashes, sha256);
      if (group.size > before.size) this.#updateLog.run(group.size, encodeEdge(edge));
      const committingMs = this.#monotonicMs();
      this.#commit.run();
      const commitMs = this.#monotonicMs() - committingMs;
      this.#state = { ...before, size: group.size, edge };
      this.#recordedAt = group.recordedAt;
      this.#remember(group.revisions);
      this.#restoreBallast();
      return { outcomes: group.outcomes, size: group.size, edge, commitMs };
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  #restoreBallast(): void {
    const nowMs = this.#monotonicMs();
    if (nowMs < this.#takeBallastAtMs) return;
    const hasAll = this.#openingBallast.take() && this.#ballast.take();
    this.#takeBallastAtMs = hasAll ? Number.POSITIVE_INFINITY : nowMs + BALLAST_RETRY_MS;
  }

  #lastRevisionOf(stream: string): number | null {
    const known = this.#revisions.get(stream);
    if (known !== undefined) return known;
    return (this.#lastRevision.get(stream)?.revision as number | null | undefined) ?? null;
  }

  #remember(revisions: ReadonlyMap<string, number>): void {
    for (const [stream, revision] of revisions) this.#revisions.set(stream, revision);
    // The stream that was met first is forgotten first: looking it up again costs one step in the index.
    if (this.#revisions.size <= REMEMBERED_STREAMS_MAX) return;
    for (const stream of this.#revisions.keys()) {
      if (this.#revisions.size <= REMEMBERED_STREAMS_MAX) break;
      this.#revisions.delete(stream);
    }
  }
}

function isDiskFull(error: unknown): boolean {
  return primaryCodeOf(error) === SQLITE_FULL || (error instanceof Error && isDiskFull(error.cause));
}

/** Two writers would each believe in their own tail. */
function lockLog(file: string): Disposable {
  const lock = lockFile(`${file}.lock`);
  if (lock === null) throw new SiteLogFileError('IN_USE', file, 'another process writes this log');
  return lock;
}

function openForWriting(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    // Must stand before the first table; lets retention give pages back in small steps.
    db.exec('PRAGMA auto_vacuum = INCREMENTAL');
    db.exec('PRAGMA journal_mode = WAL');
    // An acknowledged event survives a power cut. Group commit makes this cheap.
    db.exec('PRAGMA synchronous = FULL');
    db.exec(`PRAGMA wal_autocheckpoint = ${WAL_CHECKPOINT_PAGES}`);
    db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`);
    return db;
  } catch (cause) {
    db.close();
    throw new SiteLogFileError('UNREADABLE', file, String(cause), { cause });
  }
}

/** Gives an empty file its tables; of any other it demands that they are ours. */
function createTables(db: DatabaseSync, file: string, site: SiteId): void {
  const tableCount = db.prepare('SELECT count(*) AS count FROM sqlite_schema').get()?.count;
  if (tableCount !== 0 || pragma(db, 'application_id') !== 0) {
    assertSiteLogFile(db, file);
    return;
  }
  const siteBytes = new Uint8Array(UUID_BYTES);
  if (!writeUuid(site, siteBytes, 0)) throw new TypeError(`'${site}' is not a lower-case UUID`);
  db.exec('BEGIN IMMEDIATE');
  db.exec(siteLogTables);
  db.exec(`PRAGMA application_id = ${SITE_LOG_APPLICATION_ID}`);
  db.exec(`PRAGMA user_version = ${SITE_LOG_USER_VERSION}`);
  db.prepare('INSERT INTO log (singleton, site, epoch, size, tree_edge) VALUES (1, ?, ?, 0, ?)').run(
    siteBytes,
    EPOCH,
    new Uint8Array(0),
  );
  db.exec('COMMIT');
}
