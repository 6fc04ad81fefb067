import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite';
import { SEAM_MS_MAX } from '@holdfast/core';
import {
  DeletionPolicy,
  DeviceId,
  EventId,
  RecordingCause,
  type RecordingGap,
  type RecordingServerId,
  SegmentId,
  TimeSource,
} from '@holdfast/schema';
import type { MediaSpan, OutgoingFact, SealReport, SegmentOrigin, StoredSegment } from './media-database.js';

/** Raised when the layout changes; an index of another version is rebuilt from the files. */
const indexVersion = 1;
/** As `RecordingSealed` allows. */
const reportSegmentsMax = 200;

const schema = `
  CREATE TABLE meta (recording_server_id TEXT NOT NULL, index_version INTEGER NOT NULL) STRICT;
  CREATE TABLE device (device_key INTEGER PRIMARY KEY, device_id TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE segment (
    segment_id BLOB NOT NULL PRIMARY KEY,
    device_key INTEGER NOT NULL REFERENCES device,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    fragment_count INTEGER NOT NULL,
    byte_length INTEGER NOT NULL,
    file_byte_length INTEGER NOT NULL,
    digest BLOB NOT NULL,
    time_source TEXT NOT NULL,
    began_because TEXT NOT NULL,
    ended_because TEXT NOT NULL,
    origin TEXT NOT NULL,
    gap_from_ms INTEGER,
    gap_to_ms INTEGER,
    gap_cause TEXT,
    reported INTEGER NOT NULL,
    deleted_by TEXT
  ) STRICT, WITHOUT ROWID;
  -- Answers every question about time by itself.
  CREATE INDEX segment_by_time ON segment (device_key, deleted_by, from_ms, segment_id, to_ms, file_byte_length);
  CREATE INDEX segment_unreported ON segment (device_key, from_ms) WHERE reported = 0;
  CREATE INDEX segment_garbage ON segment (deleted_by) WHERE deleted_by IS NOT NULL;
  CREATE TABLE outgoing_fact (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    stream TEXT NOT NULL,
    type TEXT NOT NULL,
    occurred_at_ms INTEGER NOT NULL,
    data TEXT NOT NULL
  ) STRICT;
`;

export class MediaDatabaseInUseError extends Error {
  override readonly name = 'MediaDatabaseInUseError';
  readonly code = 'MEDIA_DATABASE_IN_USE';
}

export class MediaDatabaseForeignError extends Error {
  override readonly name = 'MediaDatabaseForeignError';
  readonly code = 'MEDIA_DATABASE_FOREIGN';
}

/** The file is no SQLite database of this version, or damaged: to be put aside and rebuilt. */
export class SegmentIndexUnusableError extends Error {
  override readonly name = 'SegmentIndexUnusableError';
  readonly code = 'SEGMENT_INDEX_UNUSABLE';
}

export interface IndexedSegment extends StoredSegment {
  readonly gapBefore: RecordingGap | null;
  readonly reported: boolean;
}

/** How a device's newest recorded segment ended. */
export interface RecordingEnd {
  readonly toMs: number;
  readonly cause: RecordingCause;
}

type Row = Record<string, SQLInputValue>;

const columns = `segment_id, device_id, from_ms, to_ms, fragment_count, byte_length, file_byte_length, digest,
  time_source, began_because, ended_because, origin, gap_from_ms, gap_to_ms, gap_cause, reported`;

/** The one index over all segments. Synchronous: each call is a few pages of SQLite. Durable when a write returns. */
export class SegmentIndex {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #deviceKeys = new Map<DeviceId, number>();
  readonly #durationMsMax = new Map<DeviceId, number>();
  readonly wasCreated: boolean;
  #fileBytes = 0;

  constructor(options: { readonly file: string; readonly recordingServerId: RecordingServerId }) {
    this.#database = new DatabaseSync(options.file);
    try {
      this.wasCreated = this.#openSchema(options.recordingServerId);
      this.#loadTotals();
    } catch (error) {
      this.#database.close();
      throw indexFault(error, options.file);
    }
  }

  close(): void {
    this.#database.close();
  }

  transaction<T>(work: () => T): T {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#database.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** False when the segment is there already. */
  insert(indexed: IndexedSegment): boolean {
    const { segment, deviceId, gapBefore } = indexed;
    const { changes } = this.#statement(
      `INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO NOTHING`,
    ).run(
      blobOf(segment.segmentId),
      this.#deviceKey(deviceId),
      segment.fromMs,
      segment.toMs,
      segment.fragmentCount,
      segment.byteLength,
      indexed.fileByteLength,
      Buffer.from(segment.digest, 'hex'),
      segment.timeSource,
      segment.beganBecause,
      segment.endedBecause,
      indexed.origin,
      gapBefore?.fromMs ?? null,
      gapBefore?.toMs ?? null,
      gapBefore?.cause ?? null,
      indexed.reported ? 1 : 0,
    );
    if (changes === 0) return false;
    this.#fileBytes += indexed.fileByteLength;
    this.#durationMsMax.set(
      deviceId,
      Math.max(this.#durationMsMax.get(deviceId) ?? 0, segment.toMs - segment.fromMs),
    );
    return true;
  }

  get(segmentId: SegmentId): IndexedSegment | null {
    const row = this.#statement(
      `SELECT ${columns} FROM segment JOIN device USING (device_key) WHERE segment_id = ? AND deleted_by IS NULL`,
    ).get(blobOf(segmentId));
    return row ? indexedOf(row as Row) : null;
  }

  /** Also finds segments that are marked as deleted. */
  has(segmentId: SegmentId): boolean {
    return this.#statement('SELECT 1 FROM segment WHERE segment_id = ?').get(blobOf(segmentId)) !== undefined;
  }

  /** In order of time, at most `limit`, behind `after`. */
  touching(options: {
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
    readonly after: StoredSegment | null;
    readonly limit: number;
  }): readonly IndexedSegment[] {
    const { deviceId, fromMs, toMs, after, limit } = options;
    const rows = this.#statement(
      `SELECT ${columns} FROM segment JOIN device USING (device_key)
       WHERE device_key = ? AND deleted_by IS NULL AND from_ms >= ? AND from_ms < ? AND to_ms > ?
         AND (from_ms, segment_id) > (?, ?)
       ORDER BY from_ms, segment_id LIMIT ?`,
    ).all(
      ...this.#window(deviceId, fromMs, toMs),
      after?.segment.fromMs ?? -1,
      after ? blobOf(after.segment.segmentId) : Buffer.alloc(0),
      limit,
    );
    return rows.map(row => indexedOf(row as Row));
  }

  spans(options: {
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
  }): readonly MediaSpan[] {
    const rows = this.#statement(
      `SELECT from_ms, to_ms FROM segment
       WHERE device_key = ? AND deleted_by IS NULL AND from_ms >= ? AND from_ms < ? AND to_ms > ? ORDER BY from_ms, to_ms`,
    ).iterate(...this.#window(options.deviceId, options.fromMs, options.toMs));
    const spans: { fromMs: number; toMs: number }[] = [];
    for (const row of rows) {
      const fromMs = Number(row.from_ms);
      const toMs = Number(row.to_ms);
      const last = spans.at(-1);
      if (last && fromMs - last.toMs < SEAM_MS_MAX) last.toMs = Math.max(last.toMs, toMs);
      else spans.push({ fromMs, toMs });
    }
    return spans;
  }

  /** Every segment, device by device and in order of time, in pages: the index may change in between. */
  *all(): Generator<IndexedSegment> {
    const everything = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit: 500 };
    for (const deviceId of this.devices()) {
      let after: IndexedSegment | null = null;
      for (;;) {
        const page: readonly IndexedSegment[] = this.touching({ ...everything, deviceId, after });
        yield* page;
        if (page.length === 0) break;
        after = page.at(-1)!;
      }
    }
  }

  devices(): readonly DeviceId[] {
    return [...this.#deviceKeys.keys()];
  }

  lastRecordingEnd(deviceId: DeviceId): RecordingEnd | null {
    const row = this.#statement(
      `SELECT to_ms, ended_because FROM segment
       WHERE device_key = ? AND deleted_by IS NULL AND origin = 'RECORDED' ORDER BY from_ms DESC LIMIT 1`,
    ).get(this.#deviceKeys.get(deviceId) ?? -1);
    return row ? { toMs: Number(row.to_ms), cause: RecordingCause.parse(row.ended_because) } : null;
  }

  /** Bytes of the files of every segment, marked as deleted or not. */
  fileBytes(): number {
    return this.#fileBytes;
  }

  unreported(deviceId: DeviceId): SealReport {
    const rows = this.#statement(
      `SELECT ${columns} FROM segment JOIN device USING (device_key)
       WHERE device_key = ? AND reported = 0 ORDER BY from_ms LIMIT ${reportSegmentsMax}`,
    ).all(this.#deviceKeys.get(deviceId) ?? -1);
    const segments = rows.map(row => indexedOf(row as Row));
    return {
      deviceId,
      segments: segments.map(indexed => indexed.segment),
      gaps: segments.flatMap(indexed => indexed.gapBefore ?? []),
    };
  }

  markReported(segmentIds: readonly SegmentId[]): void {
    const statement = this.#statement('UPDATE segment SET reported = 1 WHERE segment_id = ?');
    for (const segmentId of segmentIds) statement.run(blobOf(segmentId));
  }

  markDeleted(segmentId: SegmentId, policy: DeletionPolicy): boolean {
    return (
      this.#statement('UPDATE segment SET deleted_by = ? WHERE segment_id = ? AND deleted_by IS NULL').run(
        policy,
        blobOf(segmentId),
      ).changes > 0
    );
  }

  /** Marked as deleted, their files not yet known to be gone. */
  garbage(limit: number): readonly IndexedSegment[] {
    const rows = this.#statement(
      `SELECT ${columns} FROM segment JOIN device USING (device_key) WHERE deleted_by IS NOT NULL LIMIT ?`,
    ).all(limit);
    return rows.map(row => indexedOf(row as Row));
  }

  forgetGarbage(segment: IndexedSegment): void {
    const { changes } = this.#statement(
      'DELETE FROM segment WHERE segment_id = ? AND deleted_by IS NOT NULL',
    ).run(blobOf(segment.segment.segmentId));
    if (changes > 0) this.#fileBytes -= segment.fileByteLength;
  }

  putFact(fact: OutgoingFact): void {
    this.#statement(
      'INSERT INTO outgoing_fact (event_id, stream, type, occurred_at_ms, data) VALUES (?, ?, ?, ?, ?)',
    ).run(fact.eventId, fact.stream, fact.type, fact.occurredAtMs, fact.data);
  }

  facts(limit: number): readonly OutgoingFact[] {
    return this.#statement('SELECT * FROM outgoing_fact ORDER BY sequence LIMIT ?')
      .all(limit)
      .map(row => ({
        eventId: EventId.parse(row.event_id),
        stream: String(row.stream),
        type: String(row.type),
        occurredAtMs: Number(row.occurred_at_ms),
        data: String(row.data),
      }));
  }

  removeFacts(eventIds: readonly EventId[]): void {
    const statement = this.#statement('DELETE FROM outgoing_fact WHERE event_id = ?');
    for (const eventId of eventIds) statement.run(eventId);
  }

  factCount(): number {
    return Number(this.#statement('SELECT count(*) AS count FROM outgoing_fact').get()!.count);
  }

  #openSchema(recordingServerId: RecordingServerId): boolean {
    const database = this.#database;
    // EXCLUSIVE keeps a second process out for as long as this one lives, however it ends.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    const exists = database.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'meta'").get() !== undefined;
    if (!exists) {
      this.transaction(() => {
        database.exec(schema);
        database.prepare('INSERT INTO meta VALUES (?, ?)').run(recordingServerId, indexVersion);
      });
      return true;
    }
    const meta = database.prepare('SELECT * FROM meta').get();
    if (meta?.index_version !== indexVersion) {
      throw new SegmentIndexUnusableError(`index version ${meta?.index_version}, expected ${indexVersion}`);
    }
    if (meta.recording_server_id !== recordingServerId) {
      throw new MediaDatabaseForeignError(
        `this directory belongs to recording server ${meta.recording_server_id}, not to ${recordingServerId}`,
      );
    }
    return false;
  }

  #loadTotals(): void {
    for (const row of this.#database.prepare('SELECT * FROM device').all()) {
      this.#deviceKeys.set(DeviceId.parse(row.device_id), Number(row.device_key));
    }
    const totals = this.#database.prepare(
      `SELECT device_id, sum(file_byte_length) AS bytes, max(to_ms - from_ms) AS duration_ms_max
       FROM segment JOIN device USING (device_key) GROUP BY device_key`,
    );
    for (const row of totals.all()) {
      this.#fileBytes += Number(row.bytes);
      this.#durationMsMax.set(DeviceId.parse(row.device_id), Number(row.duration_ms_max));
    }
  }

  /** Segments are short: one that touches the window cannot begin long before it. */
  #window(deviceId: DeviceId, fromMs: number, toMs: number): [number, number, number, number] {
    const durationMsMax = this.#durationMsMax.get(deviceId) ?? 0;
    return [this.#deviceKeys.get(deviceId) ?? -1, fromMs - durationMsMax, toMs, fromMs];
  }

  #deviceKey(deviceId: DeviceId): number {
    const known = this.#deviceKeys.get(deviceId);
    if (known !== undefined) return known;
    const { lastInsertRowid } = this.#statement('INSERT INTO device (device_id) VALUES (?)').run(deviceId);
    this.#deviceKeys.set(deviceId, Number(lastInsertRowid));
    return Number(lastInsertRowid);
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}

function indexedOf(row: Row): IndexedSegment {
  return {
    deviceId: DeviceId.parse(row.device_id),
    origin: row.origin as SegmentOrigin,
    fileByteLength: Number(row.file_byte_length),
    reported: row.reported === 1,
    gapBefore:
      row.gap_cause === null
        ? null
        : {
            fromMs: Number(row.gap_from_ms),
            toMs: Number(row.gap_to_ms),
            cause: RecordingCause.parse(row.gap_cause),
          },
    segment: {
      segmentId: segmentIdOf(row.segment_id as Uint8Array),
      fromMs: Number(row.from_ms),
      toMs: Number(row.to_ms),
      fragmentCount: Number(row.fragment_count),
      byteLength: Number(row.byte_length),
      digest: Buffer.from(row.digest as Uint8Array).toString('hex'),
      timeSource: TimeSource.parse(row.time_source),
      beganBecause: RecordingCause.parse(row.began_because),
      endedBecause: RecordingCause.parse(row.ended_because),
    },
  };
}

function blobOf(segmentId: SegmentId): Buffer {
  return Buffer.from(segmentId.replaceAll('-', ''), 'hex');
}

function segmentIdOf(blob: Uint8Array): SegmentId {
  const hex = Buffer.from(blob).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as SegmentId;
}

/** SQLite's primary result codes: https://www.sqlite.org/rescode.html */
const sqliteBusy = 5;
const sqliteCorrupt = 11;
const sqliteFull = 13;
const sqliteNotADatabase = 26;

/** What `ENOSPC` is called when the index meets it. */
export function isIndexFull(error: unknown): boolean {
  return (((error as { readonly errcode?: number }).errcode ?? 0) & 0xff) === sqliteFull;
}

/** There is no room: whether a file or the index met it. A quota that is used up counts as a full disk. */
export function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' || isIndexFull(error);
}

function indexFault(error: unknown, file: string): unknown {
  const primary = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
  if (primary === sqliteBusy) {
    return new MediaDatabaseInUseError(`${file} is in use: another process runs on this directory`, {
      cause: error,
    });
  }
  if (primary === sqliteCorrupt || primary === sqliteNotADatabase) {
    return new SegmentIndexUnusableError(`${file}: ${(error as Error).message}`, { cause: error });
  }
  return error;
}
