import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { SEAM_MS_MAX } from '@holdfast/core';
import {
  DeletionPolicy,
  DeviceId,
  EventId,
  RecordingCause,
  RecordingServerId,
  SegmentId,
} from '@holdfast/schema';
import { openingFaultOf } from './index-faults.js';
import type { LastTold, MediaSpan, OutgoingFact, StoredSegment } from './media-database.js';
import { createIndex, INDEX_VERSION, migrateIndex } from './segment-index-schema.js';
import { blobOf, columns, type IndexedSegment, indexedOf, type Row } from './segment-row.js';

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

/** How a device's newest recorded segment ended. */
export interface RecordingEnd {
  readonly toMs: number;
  readonly cause: RecordingCause;
}

/** The one index over all segments. Synchronous: each call is a few pages of SQLite. Durable when a write returns. */
export class SegmentIndex {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #deviceKeys = new Map<DeviceId, number>();
  readonly #durationMsMax = new Map<DeviceId, number>();
  readonly recordingServerId: RecordingServerId;
  readonly wasCreated: boolean;

  /** `recordingServerId` null: whose it is, is read, and nothing can be written. */
  constructor(options: { readonly file: string; readonly recordingServerId: RecordingServerId | null }) {
    const { recordingServerId } = options;
    this.#database = new DatabaseSync(options.file, { readOnly: recordingServerId === null });
    try {
      this.wasCreated = recordingServerId !== null && this.#openSchema(recordingServerId);
      this.recordingServerId = this.#owner();
      this.#loadDevices();
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
      `INSERT INTO segment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? * (SELECT log_number FROM meta), NULL, ?, ?) ON CONFLICT DO NOTHING`,
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
      this.#stageKey(indexed.stage),
      indexed.reducedFrom === null ? null : Buffer.from(indexed.reducedFrom, 'hex'),
    );
    if (changes === 0) return false;
    this.#durationMsMax.set(
      deviceId,
      Math.max(this.#durationMsMax.get(deviceId) ?? 0, segment.toMs - segment.fromMs),
    );
    return true;
  }

  /** Until when recordings are encrypted with a key; null: none. */
  noteKey(keyId: string | null, { toMs }: Pick<StoredSegment['segment'], 'toMs'>): void {
    if (keyId === null) return;
    this.#statement(
      `INSERT INTO media_key VALUES (?, ?) ON CONFLICT (key_id) DO UPDATE SET to_ms = max(to_ms, excluded.to_ms)
       WHERE excluded.to_ms > to_ms`,
    ).run(keyId, toMs);
  }

  /** Keys of which there may be recordings still: there are some as old. */
  keysInUse(): readonly string[] {
    const oldest = this.devices().map(deviceId => {
      const row = this.#statement(
        'SELECT min(from_ms) AS from_ms FROM segment WHERE device_key = ? AND deleted_by IS NULL',
      ).get(this.#deviceKeys.get(deviceId) ?? -1);
      return row!.from_ms === null ? Number.POSITIVE_INFINITY : Number(row!.from_ms);
    });
    const sinceMs = oldest.reduce((left, right) => Math.min(left, right), Number.POSITIVE_INFINITY);
    return this.#statement('SELECT key_id, to_ms FROM media_key')
      .all()
      .flatMap(row => (Number(row.to_ms) > sinceMs ? [String(row.key_id)] : []));
  }

  get(segmentId: SegmentId): IndexedSegment | null {
    const row = this.#statement(
      `SELECT ${columns} FROM segment JOIN device USING (device_key) JOIN stage USING (stage_key) WHERE segment_id = ? AND deleted_by IS NULL`,
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
      `SELECT ${columns} FROM segment JOIN device USING (device_key) JOIN stage USING (stage_key)
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

  /** Bytes of the files that touch a window. */
  fileBytesTouching(window: {
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
  }): number {
    const row = this.#statement(
      `SELECT coalesce(sum(file_byte_length), 0) AS bytes FROM segment
       WHERE device_key = ? AND deleted_by IS NULL AND from_ms >= ? AND from_ms < ? AND to_ms > ?`,
    ).get(...this.#window(window.deviceId, window.fromMs, window.toMs));
    return Number(row!.bytes);
  }

  /** Of the files in one stage that touch any of these spans, each once. Spans in order of time, and without overlap. */
  fileBytesTouchingIn(
    stage: string,
    deviceId: DeviceId,
    spans: readonly { readonly fromMs: number; readonly toMs: number }[],
  ): number {
    const statement = this.#statement(
      `SELECT coalesce(sum(file_byte_length), 0) AS bytes FROM segment
       WHERE device_key = ? AND deleted_by IS NULL AND from_ms >= ? AND from_ms < ? AND to_ms > ? AND from_ms >= ?
         AND stage_key = (SELECT stage_key FROM stage WHERE path = ?)`,
    );
    let bytes = 0;
    // What begins before the end of the span before touches that as well.
    let countedToMs = 0;
    for (const { fromMs, toMs } of spans) {
      bytes += Number(statement.get(...this.#window(deviceId, fromMs, toMs), countedToMs, stage)!.bytes);
      countedToMs = toMs;
    }
    return bytes;
  }

  /** The newest of a device in one stage. */
  newestIn(stage: string, deviceId: DeviceId): IndexedSegment | null {
    const row = this.#statement(
      `SELECT ${columns} FROM segment INDEXED BY segment_by_stage
         JOIN device USING (device_key) JOIN stage USING (stage_key)
       WHERE segment.stage_key = (SELECT stage_key FROM stage WHERE path = ?) AND segment.device_key = ?
         AND deleted_by IS NULL ORDER BY from_ms DESC, segment_id DESC LIMIT 1`,
    ).get(stage, this.#deviceKeys.get(deviceId) ?? -1);
    return row ? indexedOf(row as Row) : null;
  }

  /** Every segment, device by device and in order of time, in pages: the index may change in between. */
  *all(): Generator<IndexedSegment> {
    for (const deviceId of this.devices()) yield* this.allOf(deviceId);
  }

  *allOf(deviceId: DeviceId): Generator<IndexedSegment> {
    for (const page of this.pagesOf(deviceId, 500)) yield* page;
  }

  *pagesOf(deviceId: DeviceId, limit: number): Generator<readonly IndexedSegment[]> {
    const everything = { deviceId, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, limit };
    let after: IndexedSegment | null = null;
    for (;;) {
      const page: readonly IndexedSegment[] = this.touching({ ...everything, after });
      if (page.length === 0) return;
      yield page;
      after = page.at(-1)!;
    }
  }

  devices(): readonly DeviceId[] {
    return [...this.#deviceKeys.keys()];
  }

  /** Of what was recorded here, kept or deleted. */
  lastRecordingEnd(deviceId: DeviceId): RecordingEnd | null {
    const row = this.#statement(
      `SELECT to_ms, ended_because FROM segment
       WHERE device_key = ? AND deleted_by IS NULL AND origin = 'RECORDED' ORDER BY from_ms DESC LIMIT 1`,
    ).get(this.#deviceKeys.get(deviceId) ?? -1);
    const kept = row ? { toMs: Number(row.to_ms), cause: RecordingCause.parse(row.ended_because) } : null;
    const gone = this.#goneEnd(deviceId);
    return kept === null || (gone !== null && gone.toMs > kept.toMs) ? gone : kept;
  }

  /** Where the newest recording of a device ends, kept wherever it was recorded, or deleted; null when there was none. */
  newestEndMs(deviceId: DeviceId): number | null {
    const row = this.#statement(
      `SELECT to_ms FROM segment WHERE device_key = ? AND deleted_by IS NULL ORDER BY from_ms DESC LIMIT 1`,
    ).get(this.#deviceKeys.get(deviceId) ?? -1);
    const gone = this.#goneEnd(deviceId)?.toMs ?? null;
    return row ? Math.max(Number(row.to_ms), gone ?? 0) : gone;
  }

  #goneEnd(deviceId: DeviceId): RecordingEnd | null {
    const row = this.#statement('SELECT gone_to_ms, gone_because FROM device WHERE device_key = ?').get(
      this.#deviceKeys.get(deviceId) ?? -1,
    );
    if (row === undefined || row.gone_to_ms === null) return null;
    return { toMs: Number(row.gone_to_ms), cause: RecordingCause.parse(row.gone_because) };
  }

  /** The newest sealed recording of a device, wherever it was recorded. */
  newest(deviceId: DeviceId): IndexedSegment | null {
    const row = this.#statement(
      `SELECT ${columns} FROM segment JOIN device USING (device_key) JOIN stage USING (stage_key)
       WHERE device_key = ? AND deleted_by IS NULL ORDER BY from_ms DESC LIMIT 1`,
    ).get(this.#deviceKeys.get(deviceId) ?? -1);
    return row ? indexedOf(row as Row) : null;
  }

  /** Bytes of the files of every segment, marked as deleted or not. */
  fileBytes(): number {
    return Number(this.#statement('SELECT sum(total_byte_length) AS bytes FROM stage').get()!.bytes);
  }

  /** As `fileBytes`, of the files in one stage. */
  fileBytesIn(stage: string): number {
    const row = this.#statement('SELECT total_byte_length FROM stage WHERE path = ?').get(stage);
    return Number(row?.total_byte_length ?? 0);
  }

  /** Every stage that ever was ready or held a segment. */
  stages(): readonly string[] {
    return this.#statement('SELECT path FROM stage ORDER BY stage_key')
      .all()
      .map(row => String(row.path));
  }

  /** The oldest of a device in one stage, behind `after`. */
  oldestIn(options: {
    readonly stage: string;
    readonly deviceId: DeviceId;
    readonly after: StoredSegment | null;
    readonly limit: number;
  }): readonly IndexedSegment[] {
    const { stage, deviceId, after, limit } = options;
    const rows = this.#statement(
      `SELECT ${columns} FROM segment INDEXED BY segment_by_stage
         JOIN device USING (device_key) JOIN stage USING (stage_key)
       WHERE segment.stage_key = (SELECT stage_key FROM stage WHERE path = ?) AND segment.device_key = ?
         AND deleted_by IS NULL AND (from_ms, segment_id) > (?, ?)
       ORDER BY from_ms, segment_id LIMIT ?`,
    ).all(
      stage,
      this.#deviceKeys.get(deviceId) ?? -1,
      after?.segment.fromMs ?? -1,
      after ? blobOf(after.segment.segmentId) : Buffer.alloc(0),
      limit,
    );
    return rows.map(row => indexedOf(row as Row));
  }

  setStage(segmentId: SegmentId, stage: string): void {
    this.#statement('UPDATE segment SET stage_key = ? WHERE segment_id = ?').run(
      this.#stageKey(stage),
      blobOf(segmentId),
    );
  }

  putUnneeded(stage: string, path: string): void {
    this.#statement('INSERT INTO unneeded_file VALUES (?, ?) ON CONFLICT DO NOTHING').run(
      this.#stageKey(stage),
      path,
    );
  }

  removeUnneeded(path: string): void {
    this.#statement('DELETE FROM unneeded_file WHERE path = ?').run(path);
  }

  isUnneeded(path: string): boolean {
    return this.#statement('SELECT 1 FROM unneeded_file WHERE path = ?').get(path) !== undefined;
  }

  unneeded(): readonly { readonly stage: string; readonly path: string }[] {
    return this.#statement(
      'SELECT stage.path AS stage, unneeded_file.path FROM unneeded_file JOIN stage USING (stage_key)',
    )
      .all()
      .map(row => ({ stage: String(row.stage), path: String(row.path) }));
  }

  /** False: rows were made from files, and what the log was told of them must be read there. */
  agreesWithLog(): boolean {
    return this.#statement('SELECT agrees_with_log FROM meta').get()!.agrees_with_log === 1;
  }

  setAgreesWithLog(agrees: boolean): void {
    this.#statement('UPDATE meta SET agrees_with_log = ?').run(agrees ? 1 : 0);
  }

  /** What the log has not been told of, also when it is deleted by now. */
  unreported(deviceId: DeviceId, limit: number): readonly IndexedSegment[] {
    const rows = this.#statement(
      `SELECT ${columns} FROM segment JOIN device USING (device_key) JOIN stage USING (stage_key)
       WHERE device_key = ? AND reported = 0 ORDER BY from_ms LIMIT ?`,
    ).all(this.#deviceKeys.get(deviceId) ?? -1, limit);
    return rows.map(row => indexedOf(row as Row));
  }

  /** That they were sealed, or, where they are `reduced`, that they were reduced: what is reduced and told as sealed alone is to be told. */
  markReported(segmentIds: readonly SegmentId[], { reduced }: { readonly reduced: boolean }): void {
    const statement = this.#statement(
      `UPDATE segment SET reported = ((reduced_from IS NOT NULL) = ?1) * (SELECT log_number FROM meta)
       WHERE segment_id = ?2 AND reported < (SELECT log_number FROM meta)`,
    );
    for (const segmentId of segmentIds) statement.run(reduced ? 1 : 0, blobOf(segmentId));
  }

  /** In no time, however many there are. */
  disownAll(): void {
    this.#database.exec(`
      UPDATE meta SET log_number = log_number + 1;
      UPDATE device SET disowned_to_ms = (
        SELECT to_ms FROM segment WHERE segment.device_key = device.device_key AND deleted_by IS NULL
        ORDER BY from_ms DESC LIMIT 1)`);
  }

  /** Nothing is disowned any more. */
  ownAll(): void {
    this.#database.exec('UPDATE device SET disowned_to_ms = NULL');
  }

  /** Up to where all that there is of a device is disowned; null: nothing is. */
  disownedToMs(deviceId: DeviceId): number | null {
    const row = this.#statement('SELECT disowned_to_ms FROM device WHERE device_key = ?').get(
      this.#deviceKeys.get(deviceId) ?? -1,
    );
    return row === undefined || row.disowned_to_ms === null ? null : Number(row.disowned_to_ms);
  }

  lastTold(): LastTold | null {
    const row = this.#statement('SELECT told_epoch, told_position, told_event_id FROM meta').get()!;
    if (row.told_event_id === null) return null;
    const [epoch, position] = [Number(row.told_epoch), Number(row.told_position)];
    return { epoch, position, eventId: EventId.parse(row.told_event_id) };
  }

  setLastTold({ epoch, position, eventId }: LastTold): void {
    this.#statement('UPDATE meta SET told_epoch = ?, told_position = ?, told_event_id = ?').run(
      ...[epoch, position, eventId],
    );
  }

  /** In its new stage, with its new digest; the log is to be told. */
  setReduced({ segment, stage, fileByteLength, reducedFrom }: IndexedSegment): void {
    this.#statement(
      `UPDATE segment SET stage_key = ?, fragment_count = ?, byte_length = ?, file_byte_length = ?, digest = ?,
         reduced_from = ?, reported = 0 WHERE segment_id = ?`,
    ).run(
      ...[this.#stageKey(stage), segment.fragmentCount, segment.byteLength, fileByteLength],
      ...[Buffer.from(segment.digest, 'hex'), Buffer.from(reducedFrom ?? '', 'hex')],
      blobOf(segment.segmentId),
    );
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
      `SELECT ${columns} FROM segment JOIN device USING (device_key) JOIN stage USING (stage_key) WHERE deleted_by IS NOT NULL LIMIT ?`,
    ).all(limit);
    return rows.map(row => indexedOf(row as Row));
  }

  /** Bytes of the files in one stage that are marked as deleted, and not known to be gone. */
  garbageBytesIn(stage: string): number {
    const row = this.#statement(
      `SELECT coalesce(sum(file_byte_length), 0) AS bytes FROM segment INDEXED BY segment_garbage
       WHERE deleted_by IS NOT NULL AND stage_key = (SELECT stage_key FROM stage WHERE path = ?)`,
    ).get(stage);
    return Number(row!.bytes);
  }

  forgetGarbage(segment: IndexedSegment): void {
    this.#statement('DELETE FROM segment WHERE segment_id = ? AND deleted_by IS NOT NULL').run(
      blobOf(segment.segment.segmentId),
    );
  }

  /** As if it had never been there: its file is gone, or is to be indexed anew. */
  forget(segmentId: SegmentId): void {
    this.#statement('DELETE FROM segment WHERE segment_id = ?').run(blobOf(segmentId));
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
      this.transaction(() => createIndex(database, recordingServerId));
      return true;
    }
    const version = Number(database.prepare('SELECT index_version FROM meta').get()?.index_version);
    if (version < INDEX_VERSION) this.transaction(() => migrateIndex(database, version));
    const owner = this.#owner();
    if (owner !== recordingServerId) {
      throw new MediaDatabaseForeignError(
        `this directory belongs to recording server ${owner}, not to ${recordingServerId}`,
      );
    }
    return false;
  }

  #owner(): RecordingServerId {
    const meta = this.#database.prepare('SELECT * FROM meta').get();
    if (meta?.index_version !== INDEX_VERSION) {
      throw new SegmentIndexUnusableError(`index version ${meta?.index_version}, expected ${INDEX_VERSION}`);
    }
    return RecordingServerId.parse(meta.recording_server_id);
  }

  #loadDevices(): void {
    for (const row of this.#database.prepare('SELECT * FROM device').all()) {
      const deviceId = DeviceId.parse(row.device_id);
      this.#deviceKeys.set(deviceId, Number(row.device_key));
      this.#durationMsMax.set(deviceId, Number(row.duration_ms_max));
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

  putStage(path: string): void {
    this.#statement('INSERT INTO stage (path) VALUES (?) ON CONFLICT DO NOTHING').run(path);
  }

  #stageKey(path: string): number {
    this.putStage(path);
    return Number(this.#statement('SELECT stage_key FROM stage WHERE path = ?').get(path)!.stage_key);
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

function indexFault(error: unknown, file: string): unknown {
  switch (openingFaultOf(error)) {
    case 'IN_USE':
      return new MediaDatabaseInUseError(`${file} is in use: another process runs on this directory`, {
        cause: error,
      });
    case 'UNUSABLE':
      return new SegmentIndexUnusableError(`${file}: ${(error as Error).message}`, { cause: error });
    case null:
      return error;
  }
}
