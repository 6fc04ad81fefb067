import { DatabaseSync, type StatementSync } from 'node:sqlite';
import {
  checkReadLimit,
  comparePlaces,
  decodeEventData,
  decodeHeader,
  decodeRecordedEvent,
  EnvelopeError,
  equalBytes,
  extendEdge,
  HASH_BYTES,
  headerOffsets,
  LOG_STREAM,
  type LogHead,
  type LogPlace,
  LogTruncatedError,
  type OverTheCut,
  placeKey,
  placeOfKey,
  READ_BYTES_MAX,
  READ_EVENTS_MAX,
  type RecordedEvent,
  rootOf,
  type SealedEpoch,
  type StoredReceipt,
  type TreeEdge,
} from '@holdfast/core';
import type { EventOf, LogTruncated } from '@holdfast/schema';
import { isUnreadable } from '../sqlite-result.js';
import { sha256 } from './sha256.js';
import {
  assertSiteLogFile,
  keptAfterOf,
  readEpochs,
  readSiteLogState,
  SiteLogFileError,
  type SiteLogState,
} from './site-log-file.js';
import { readReceipts } from './site-log-receipts.js';
import { type CarriedTree, type Cut, carriedTreeAhead } from './site-log-truncation.js';
import { indexDamage, KEYS_OF_STREAM, namingIndexDamage, rowsOf, UnindexedPlaces } from './stream-index.js';

/** A writer may hold the file for the blink of a WAL reset. */
const BUSY_TIMEOUT_MS = 5000;

/** In one run of bytes: memory for three takes as long as all else that reading a row takes. The leaf hash proves that they came so. */
const READ_COLUMNS =
  'key, octet_length(header) AS headerLength, CAST(leaf_hash || header || data AS BLOB) AS bytes';

type ReadOptions = {
  readonly after: LogPlace;
  readonly limit: number;
  readonly without?: readonly string[];
} & OverTheCut;
type ReadStreamOptions = {
  readonly stream: string;
  readonly afterRevision: number | null;
  readonly limit: number;
} & OverTheCut;

/**
 * A reading connection. Each page is a query of its own that is finished before it is returned: an open one would keep
 * the write-ahead log from being cut back.
 */
export class SiteLogReader implements Disposable {
  readonly #file: string;
  readonly #db: DatabaseSync;
  readonly #eventAt: StatementSync;
  readonly #streamPage: StatementSync;
  readonly #carriedStreamPage: StatementSync;
  readonly #unindexed: UnindexedPlaces;
  readonly #leafHashes: StatementSync;
  readonly #truncatedRevision: StatementSync;
  /** By the number of types that are left out, and whether carried events are read too. */
  readonly #pages = new Map<string, StatementSync>();

  constructor(file: string) {
    this.#file = file;
    this.#db = openForReading(file);
    try {
      assertSiteLogFile(this.#db, file);
      this.#leafHashes = this.#db.prepare('SELECT leaf_hash FROM event WHERE key > ? ORDER BY key LIMIT ?');
      this.#truncatedRevision = this.#db.prepare('SELECT revision FROM truncated_stream WHERE stream = ?');
      this.#eventAt = this.#db.prepare(`SELECT ${READ_COLUMNS} FROM event WHERE key = ?`);
      this.#streamPage = this.#db.prepare(
        `SELECT ${READ_COLUMNS} FROM stream_index JOIN event USING (key)
         WHERE stream_index.stream = ? AND stream_index.revision > ? ORDER BY stream_index.revision LIMIT ?`,
      );
      this.#carriedStreamPage = this.#db.prepare(
        `SELECT ${READ_COLUMNS} FROM carried_event
         WHERE stream = ? AND revision > ? ORDER BY revision LIMIT ?`,
      );
      this.#unindexed = new UnindexedPlaces(this.#db);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  state(): SiteLogState {
    return readSiteLogState(this.#db, this.#file);
  }

  /** The epochs before the current one. */
  epochs(): readonly SealedEpoch[] {
    return readEpochs(this.#db, this.#file)
      .slice(0, -1)
      .map(({ epoch, size, edge }) => ({ epoch, size, root: rootOf(edge, size, sha256) }));
  }

  /** Reading after it gives the last `count` events. */
  placeBeforeLast(count: number): LogPlace {
    const row = this.#db.prepare('SELECT key FROM event ORDER BY key DESC LIMIT 1 OFFSET ?').get(count);
    return row === undefined ? this.keptAfter() : placeOfKey(row.key as number);
  }

  read({ after, limit, without = [], carried = false }: ReadOptions): readonly RecordedEvent[] {
    checkReadLimit(limit);
    const key = placeKey(after);
    const page = this.#page(without.length, carried);
    const events = this.#events(rowsOf(page, key, ...without.map(typeInHeader), limit));
    if (carried) return events;
    const [first] = events;
    // Positions are dense: the next one is elsewhere only at the end of an epoch, or when it was removed.
    if (first !== undefined && placeKey(first) !== key + 1) this.#assertNotTruncated(after);
    return events;
  }

  readStream(options: ReadStreamOptions): readonly RecordedEvent[] {
    checkReadLimit(options.limit);
    const revision = (options.afterRevision ?? -1) + 1;
    // Its parts are read from one state of the file, also while events are indexed or truncated.
    this.#db.exec('BEGIN');
    try {
      const events = this.#events(this.#rowsOfStream({ ...options, afterRevision: revision - 1 }));
      if (!options.carried && events[0]?.revision !== revision) {
        this.#assertStreamNotTruncated(options.stream, revision);
      }
      this.#assertOfStream(events, { ...options, afterRevision: revision - 1 });
      this.#db.exec('COMMIT');
      return events;
    } catch (error) {
      // Either was being read when the fault showed: the index, or what it leads to.
      if (error instanceof SiteLogFileError)
        namingIndexDamage(this.#db, () => this.#readIndex(options.stream));
      throw error;
    } finally {
      // SQLite does not commit what has met a damaged page, even if nothing was written.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    }
  }

  /** What was carried over the cut, what the index has of the stream, and what it does not have yet. */
  *#rowsOfStream({
    stream,
    afterRevision,
    limit,
    carried = false,
  }: ReadStreamOptions): Iterable<Record<string, unknown>> {
    let left = limit;
    for (const page of carried ? [this.#carriedStreamPage, this.#streamPage] : [this.#streamPage]) {
      for (const row of rowsOf(page, stream, afterRevision, left)) {
        left -= 1;
        yield row;
      }
    }
    if (left === 0) return;
    for (const { key, revision } of this.#unindexed.of(stream)) {
      const row = revision > afterRevision! ? this.#eventAt.get(key) : undefined;
      if (row === undefined) continue;
      yield row;
      left -= 1;
      if (left === 0) return;
    }
  }

  /** The revisions of a stream are dense, but for what was not carried over the cut: else the index leads astray. */
  #assertOfStream(
    events: readonly RecordedEvent[],
    { stream, afterRevision, carried = false }: ReadStreamOptions,
  ): void {
    events.forEach((event, index) => {
      const isNext = carried || event.revision === afterRevision! + 1 + index;
      if (event.stream === stream && isNext) return;
      const found = `revision ${event.revision} of '${event.stream}'`;
      throw indexDamage(this.#db, `it leads to ${found} where '${stream}' goes on after ${afterRevision}`);
    });
  }

  #readIndex(stream: string): void {
    this.#db.prepare('SELECT count(key) FROM stream_index WHERE stream = ?').get(stream);
  }

  receipts(): readonly StoredReceipt[] {
    return readReceipts(this.#db);
  }

  /** Where the events begin that are in the file. */
  keptAfter(): LogPlace {
    return keptAfterOf(readEpochs(this.#db, this.#file));
  }

  /** The last event that was recorded before this moment; null when none that is in the file was. */
  lastRecordedBefore(ms: number): LogPlace | null {
    const lastUpTo = this.#db.prepare(
      'SELECT key, header FROM event WHERE key <= ? ORDER BY key DESC LIMIT 1',
    );
    const bounds = this.#db.prepare('SELECT min(key) AS first, max(key) AS last FROM event').get();
    let low = ((bounds?.first ?? 1) as number) - 1;
    let high = (bounds?.last ?? 0) as number;
    let found: LogPlace | null = null;
    // `recordedAt` grows with the places: halving finds it, also over the holes between epochs.
    while (low < high) {
      const middle = low + Math.ceil((high - low) / 2);
      const row = lastUpTo.get(middle) as { key: number; header: Uint8Array };
      if (Number(decodeHeader(row.header).recordedAt >> 16n) < ms) {
        found = placeOfKey(row.key);
        low = middle;
      } else {
        high = row.key - 1;
      }
    }
    return found;
  }

  /** What the last `LogTruncated` says; null when there is none. */
  lastTruncation(): EventOf<typeof LogTruncated>['data'] | null {
    return namingIndexDamage(this.#db, () => this.#lastTruncation());
  }

  #lastTruncation(): EventOf<typeof LogTruncated>['data'] | null {
    const rows = this.#db
      .prepare(`SELECT ${READ_COLUMNS} FROM event WHERE key IN (${KEYS_OF_STREAM}) ORDER BY key DESC`)
      .iterate(LOG_STREAM);
    for (const row of rows) {
      const event = this.#event(row);
      const truncated = event.type === 'LogTruncated' ? decodeEventData(event) : null;
      if (truncated?.type === 'LogTruncated') return truncated.data;
    }
    return null;
  }

  /** What a cut that has yet to be made will carry over it. */
  carriedTreeAhead(cut: Cut, signal: AbortSignal): Promise<CarriedTree> {
    return carriedTreeAhead(this.#db, cut, signal);
  }

  /** The tree over the first events of an epoch, page by page. */
  async edgeAt({ epoch, position }: LogPlace, signal: AbortSignal): Promise<TreeEdge> {
    const state = readEpochs(this.#db, this.#file).find(known => known.epoch === epoch);
    if (state === undefined) throw new RangeError(`the log has no epoch ${epoch}`);
    let { keptAfter: size, keptEdge: edge } = state;
    while (size < position) {
      signal.throwIfAborted();
      const limit = Math.min(READ_EVENTS_MAX, position - size);
      const rows = this.#leafHashes.all(placeKey({ epoch, position: size }), limit);
      if (rows.length < limit) throw new RangeError(`the log ends before ${epoch}/${position}`);
      edge = extendEdge(
        edge,
        size,
        rows.map(row => row.leaf_hash as Uint8Array),
        sha256,
      );
      size += rows.length;
      await new Promise(resolve => setImmediate(resolve));
    }
    return edge;
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  /** SQLite leaves the rows out itself: making objects of them would cost ten times as much as passing them. */
  #page(typeCount: number, carried: boolean): StatementSync {
    const name = `${typeCount} ${carried}`;
    const known = this.#pages.get(name);
    if (known !== undefined) return known;
    // The type stands behind the stream, each behind two bytes of length: ENVELOPE.md. SQLite counts from 1.
    const start = `${headerOffsets.stream + 3} + octet_length(stream)`;
    const conditions = Array.from(
      { length: typeCount },
      (_, index) => `AND substr(header, ${start}, length(?${index + 2})) <> ?${index + 2}`,
    );
    // One statement reads one state of the file, also while a slice is truncated.
    const tables = carried ? ['carried_event', 'event'] : ['event'];
    const selects = tables.map(
      table => `SELECT ${READ_COLUMNS} FROM ${table} WHERE key > ?1 ${conditions.join(' ')}`,
    );
    const statement = this.#db.prepare(`${selects.join(' UNION ALL ')} ORDER BY key LIMIT ?${typeCount + 2}`);
    this.#pages.set(name, statement);
    return statement;
  }

  #assertNotTruncated(after: LogPlace): void {
    const keptAfter = this.keptAfter();
    if (comparePlaces(after, keptAfter) < 0) throw new LogTruncatedError(keptAfter);
  }

  #assertStreamNotTruncated(stream: string, revision: number): void {
    const row = this.#truncatedRevision.get(stream);
    if (row !== undefined && (row.revision as number) >= revision) {
      throw new LogTruncatedError(this.keptAfter());
    }
  }

  #events(rows: Iterable<Record<string, unknown>>): readonly RecordedEvent[] {
    const events: RecordedEvent[] = [];
    let byteLength = 0;
    try {
      for (const row of rows) {
        const event = this.#event(row);
        events.push(event);
        byteLength += event.data.length;
        if (byteLength >= READ_BYTES_MAX) break;
      }
    } catch (cause) {
      if (!isUnreadable(cause)) throw cause;
      throw new SiteLogFileError('DAMAGED', this.#file, String(cause), { cause });
    }
    return events;
  }

  /** Damaged bytes are never handed on as facts: what is read is proved to be what was written. */
  #event(row: Record<string, unknown>): RecordedEvent {
    const { epoch, position } = placeOfKey(row.key as number);
    const damaged = (detail: string, cause?: unknown) =>
      new SiteLogFileError('DAMAGED', this.#file, `position ${epoch}/${position}: ${detail}`, {
        position,
        cause,
      });
    const { bytes, headerLength } = row;
    if (!(bytes instanceof Uint8Array)) throw damaged('a column holds nothing');
    const dataOffset = HASH_BYTES + (headerLength as number);
    let event: RecordedEvent;
    try {
      event = decodeRecordedEvent(bytes.subarray(HASH_BYTES, dataOffset), bytes.subarray(dataOffset), sha256);
    } catch (cause) {
      throw cause instanceof EnvelopeError ? damaged(cause.message, cause) : cause;
    }
    if (!equalBytes(event.leafHash, bytes.subarray(0, HASH_BYTES))) {
      throw damaged('header and data are not the bytes that were hashed when they were written');
    }
    // A reader goes on behind the place of the last event: one that stands elsewhere would send it round in circles.
    if (event.epoch !== epoch || event.position !== position) throw damaged('its header names another place');
    return event;
  }
}

/** A type as it stands in a header. */
function typeInHeader(type: string): Uint8Array {
  const bytes = Buffer.from(type);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 0xff]), bytes]);
}

/** A log file opened for reading only, also while a site writes it: for the command line. */
export interface SiteLogFile extends Disposable {
  head(): LogHead;
  read(options: ReadOptions): readonly RecordedEvent[];
  readStream(options: ReadStreamOptions): readonly RecordedEvent[];
  /** Reading after it gives the last `count` events. */
  placeBeforeLast(count: number): LogPlace;
  /** Where the events begin that are in the file: `LOG_START` unless some were removed. */
  keptAfter(): LogPlace;
}

/** Opens a site's log file for reading. Throws `SiteLogFileError`. */
export function readSiteLogFile(file: string): SiteLogFile {
  const reader = new SiteLogReader(file);
  return {
    head() {
      const { site, epoch, size, edge } = reader.state();
      return { site, epoch, size, root: rootOf(edge, size, sha256) };
    },
    read: options => reader.read(options),
    readStream: options => reader.readStream(options),
    placeBeforeLast: count => reader.placeBeforeLast(count),
    keptAfter: () => reader.keptAfter(),
    [Symbol.dispose]: () => reader[Symbol.dispose](),
  };
}

export function openForReading(file: string): DatabaseSync {
  try {
    const db = new DatabaseSync(file, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    db.prepare('SELECT count(*) FROM sqlite_schema').get();
    return db;
  } catch (cause) {
    throw new SiteLogFileError('UNREADABLE', file, cause instanceof Error ? cause.message : String(cause), {
      cause,
    });
  }
}
