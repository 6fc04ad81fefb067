import path from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  encodeEdge,
  extendEdge,
  firstEventOf,
  placeKey,
  type StoredReceipt,
  type TreeEdge,
} from '@holdfast/core';
import { makeFolder } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { Ballast } from '../ballast.js';
import { primaryCodeOf, sqliteResult } from '../sqlite-result.js';
import { type AppendFrame, decodeAppendFrame, encodeAppendFrame, frameBytesBound } from './append-frame.js';
import {
  AppendGroup,
  type EventStatements,
  prepareEventStatements,
  type WrittenAppend,
} from './append-group.js';
import { sha256 } from './sha256.js';
import type { SiteLogState } from './site-log-file.js';
import { openSiteLogForWriting, type SiteLogForWriting } from './site-log-opening.js';
import { storeReceipt } from './site-log-receipts.js';
import { type Cut, prepareLastRevision, truncateSlice } from './site-log-truncation.js';
import {
  extendStreamIndex,
  INDEX_BATCH_EVENTS,
  isIndexDamage,
  readUnindexedStreams,
  rebuildStreamIndex,
} from './stream-index.js';

/** The first append of a group waits at most this long for the commit to begin. */
export const GROUP_MS_MAX = 2;
/** Streams whose last revision is remembered; the others are looked up in the index. About 10 MB when full. */
const REMEMBERED_STREAMS_MAX = 65_536;
/** After the ballast was thrown off, this long until it is tried to take it again. */
const BALLAST_RETRY_MS = 60_000;
/** After the disk had no room for a batch of the index, it is tried again when there are so many events more. */
const INDEX_RETRY_EVENTS = 512;

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
  /** The index of streams was damaged, how it showed, and it was built anew from the events. */
  readonly onIndexRebuilt: (detail: string) => void;
}

/**
 * Opens a log file for writing and creates it when it is not there; its first event is `LogEpochOpened`. Throws
 * `SiteLogFileError`: another process writes it, it belongs to another site, its tail is damaged. Also opens on a disk that
 * is full: what makes room there wants to say so here.
 */
export function openSiteLogWriter(options: SiteLogWriterOptions): SiteLogWriter {
  makeFolder(path.dirname(path.resolve(options.file)));
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
  const opened = openSiteLogForWriting(options.file, options.site);
  try {
    const { monotonicMs, onIndexRebuilt } = options;
    const writer = new SiteLogWriter({ ...opened, ballast, openingBallast, monotonicMs, onIndexRebuilt });
    if (opened.state.size === 0) writer.writeFirstEvent(options.nowMs);
    return writer;
  } catch (error) {
    opened[Symbol.dispose]();
    throw error;
  }
}

/** The one writer of a log file. Synchronous: it lives in a thread of its own. */
export class SiteLogWriter implements Disposable {
  readonly #db: DatabaseSync;
  readonly #opened: Disposable;
  readonly #ballast: Ballast;
  readonly #openingBallast: Ballast;
  readonly #monotonicMs: () => number;
  readonly #onIndexRebuilt: (detail: string) => void;
  readonly #statements: EventStatements;
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #updateEpoch: StatementSync;
  readonly #indexedRevisionOf: (stream: string) => number | null;
  readonly #truncatedIdBehind: StatementSync;
  readonly #revisions = new Map<string, number>();
  /** The last revisions of the streams of events that are not in the index: those nothing else knows. */
  readonly #unindexedRevisions: Map<string, number>;
  #unindexedCount: number;
  #indexAtCount = INDEX_BATCH_EVENTS;
  #state: SiteLogState;
  #recordedAt: bigint;
  #takeBallastAtMs = 0;
  /** Null: not known. */
  #hasTruncated: boolean | null = null;

  constructor(
    opened: SiteLogForWriting & {
      readonly ballast: Ballast;
      readonly openingBallast: Ballast;
    } & Pick<SiteLogWriterOptions, 'monotonicMs' | 'onIndexRebuilt'>,
  ) {
    this.#db = opened.db;
    this.#opened = opened;
    this.#ballast = opened.ballast;
    this.#openingBallast = opened.openingBallast;
    this.#state = opened.state;
    this.#recordedAt = opened.recordedAt;
    this.#monotonicMs = opened.monotonicMs;
    this.#onIndexRebuilt = opened.onIndexRebuilt;
    this.#statements = prepareEventStatements(this.#db);
    this.#begin = this.#db.prepare('BEGIN IMMEDIATE');
    this.#commit = this.#db.prepare('COMMIT');
    this.#updateEpoch = this.#db.prepare('UPDATE epoch SET size = ?, tree_edge = ? WHERE epoch = ?');
    this.#indexedRevisionOf = prepareLastRevision(this.#db);
    this.#truncatedIdBehind = this.#db.prepare(
      'SELECT 1 FROM event CROSS JOIN truncated_id USING (id) WHERE event.key > ? LIMIT 1',
    );
    const { eventCount, revisions } = readUnindexedStreams(this.#db);
    this.#unindexedCount = eventCount;
    this.#unindexedRevisions = revisions;
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
    let indexDamage: Error | null = null;
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
      if (isIndexDamage(error)) indexDamage = error;
      else if (!isRepeatedId(error) && !this.#makesRoom(error)) {
        throw new GroupNotWrittenError(frames.length, error);
      }
    }
    try {
      if (indexDamage !== null) this.rebuildStreamIndex(indexDamage.message);
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

  /** Takes what was appended into the index of streams, when it is enough for a batch. That there is no room for it now is no fault. */
  indexStreams(): void {
    if (this.#unindexedCount < this.#indexAtCount) return;
    try {
      this.#mendingIndex(() => this.#extendIndex());
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#indexAtCount = this.#unindexedCount + INDEX_RETRY_EVENTS;
      return;
    }
    this.#allIsIndexed();
  }

  #extendIndex(): void {
    this.#begin.run();
    try {
      extendStreamIndex(this.#db);
      this.#commit.run();
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Builds the index of streams anew from the events. Throws, and changes nothing, when they are damaged too or the disk is full. */
  rebuildStreamIndex(damage: string): void {
    const beganMs = this.#monotonicMs();
    const unreturned = rebuildStreamIndex(this.#db);
    this.#allIsIndexed();
    const took = `it was built anew from the events in ${Math.round(this.#monotonicMs() - beganMs)} ms`;
    const space =
      unreturned === null ? '' : `, the space of the old one is lost until the next time: ${unreturned}`;
    this.#onIndexRebuilt(`${damage}: ${took}${space}`);
  }

  #mendingIndex<T>(task: () => T): T {
    try {
      return task();
    } catch (error) {
      if (!isIndexDamage(error)) throw error;
      this.rebuildStreamIndex(error.message);
      return task();
    }
  }

  #allIsIndexed(): void {
    this.#remember(this.#unindexedRevisions);
    this.#unindexedRevisions.clear();
    this.#unindexedCount = 0;
    this.#indexAtCount = INDEX_BATCH_EVENTS;
  }

  storeCheckpoint(checkpoint: {
    readonly size: number;
    readonly note: string;
    readonly signedAtMs: number;
  }): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO checkpoint (epoch, size, note, signed_at_ms) VALUES (?, ?, ?, ?)')
      .run(this.#state.epoch, checkpoint.size, checkpoint.note, checkpoint.signedAtMs);
  }

  /** False: there is nothing more to do. */
  storeReceipt(receipt: StoredReceipt): false {
    storeReceipt(this.#db, receipt);
    return false;
  }

  /** True when there is more to remove. */
  truncateSlice(cut: Cut): boolean {
    this.#hasTruncated = null;
    return this.#mendingIndex(() => truncateSlice(this.#db, cut));
  }

  [Symbol.dispose](): void {
    this.#opened[Symbol.dispose]();
  }

  #transact(fill: (group: AppendGroup) => void): WrittenGroup {
    const before = this.#state;
    this.#begin.run();
    try {
      const group = new AppendGroup(this.#statements, {
        epoch: before.epoch,
        size: before.size,
        recordedAt: this.#recordedAt,
        lastRevisionOf: stream => this.#lastRevisionOf(stream),
      });
      fill(group);
      group.flush();
      if (this.#repeatsTruncated(before)) throw new RepeatedIdError();
      const edge = extendEdge(before.edge, before.size, group.leafHashes, sha256);
      if (group.size > before.size) this.#updateEpoch.run(group.size, encodeEdge(edge), before.epoch);
      const committingMs = this.#monotonicMs();
      this.#commit.run();
      const commitMs = this.#monotonicMs() - committingMs;
      this.#state = { ...before, size: group.size, edge };
      this.#recordedAt = group.recordedAt;
      for (const [stream, revision] of group.revisions) this.#unindexedRevisions.set(stream, revision);
      this.#unindexedCount += group.size - before.size;
      this.#restoreBallast();
      return { outcomes: group.outcomes, size: group.size, edge, commitMs };
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  /** Whether some event behind this end of the log has the id of one that was truncated. */
  #repeatsTruncated({ epoch, size }: SiteLogState): boolean {
    this.#hasTruncated ??= this.#db.prepare('SELECT 1 FROM truncated_id LIMIT 1').get() !== undefined;
    return (
      this.#hasTruncated && this.#truncatedIdBehind.get(placeKey({ epoch, position: size })) !== undefined
    );
  }

  #restoreBallast(): void {
    const nowMs = this.#monotonicMs();
    if (nowMs < this.#takeBallastAtMs) return;
    const hasAll = this.#openingBallast.take() && this.#ballast.take();
    this.#takeBallastAtMs = hasAll ? Number.POSITIVE_INFINITY : nowMs + BALLAST_RETRY_MS;
  }

  #lastRevisionOf(stream: string): number | null {
    const known = this.#unindexedRevisions.get(stream) ?? this.#revisions.get(stream);
    return known ?? this.#indexedRevisionOf(stream);
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

/** Some event of a group has the id of one that was truncated. */
class RepeatedIdError extends Error {}

function isRepeatedId(error: unknown): boolean {
  return error instanceof RepeatedIdError || primaryCodeOf(error) === sqliteResult.CONSTRAINT;
}

function isDiskFull(error: unknown): boolean {
  return primaryCodeOf(error) === sqliteResult.FULL || (error instanceof Error && isDiskFull(error.cause));
}
