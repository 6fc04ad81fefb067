import { existsSync, rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import {
  decodeEdge,
  decodeRecordedEvent,
  EnvelopeError,
  encodeEdge,
  equalBytes,
  extendEdge,
  type LogPlace,
  placeKey,
  placeOfKey,
  type RecordedEvent,
  rootOf,
  type SealedEpoch,
  type TreeEdge,
  UUID_BYTES,
  writeUuid,
} from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { primaryCodeOf, sqliteResult } from '../../sqlite-result.js';
import { sha256 } from '../sha256.js';
import { KurrentLogError } from './kurrent-log-error.js';

/** `HFKX`: says to `file` and to us what the file is (SQLite file format §1.3.7). */
const APPLICATION_ID = 0x4846_4b58;
/** As the site has it. */
const INDEX_FILE = 'kurrent-index.sqlite';
/** Another layout is thrown away and read again from the server. */
const USER_VERSION = 2;

const tables = `
  CREATE TABLE stream (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last_revision INTEGER NOT NULL) STRICT;
  CREATE TABLE event (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    stream_id INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    leaf_hash BLOB NOT NULL,
    header BLOB NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (stream_id, revision)
  ) STRICT;
  CREATE TABLE sealed_epoch (epoch INTEGER PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL) STRICT;
  CREATE TABLE log (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    site BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    size INTEGER NOT NULL,
    tree_edge BLOB NOT NULL,
    recorded_at TEXT NOT NULL,
    catalogue TEXT NOT NULL
  ) STRICT;
`;

/** Where a log ends, and what is needed to append to it. */
export interface LogEnd {
  readonly epoch: number;
  readonly size: number;
  readonly edge: TreeEdge;
  readonly recordedAt: bigint;
}

/**
 * What the server cannot be asked quickly: which ids there are, where a stream's events stand, the tree; and a copy of the events
 * for when it cannot be asked at all. It can be thrown away: it is written without syncs and read again from the server from
 * where it ends. One process at a time.
 */
export class KurrentLogIndex implements Disposable {
  readonly #db: DatabaseSync;
  readonly #insertEvent: StatementSync;
  readonly #upsertStream: StatementSync;
  readonly #updateLog: StatementSync;
  readonly #findId: StatementSync;
  readonly #lastRevision: StatementSync;
  readonly #placesOfStream: StatementSync;
  readonly #leafHashes: StatementSync;
  readonly #copies: StatementSync;
  #end: LogEnd;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#insertEvent = db.prepare(
      'INSERT INTO event (key, id, stream_id, revision, leaf_hash, header, data) VALUES (?, ?, ?, ?, ?, ?, ?)',
    );
    this.#upsertStream = db.prepare(
      'INSERT INTO stream (name, last_revision) VALUES (?, ?) ' +
        'ON CONFLICT (name) DO UPDATE SET last_revision = excluded.last_revision RETURNING id',
    );
    this.#updateLog = db.prepare('UPDATE log SET epoch = ?, size = ?, tree_edge = ?, recorded_at = ?');
    this.#findId = db.prepare(
      'SELECT key, name FROM event JOIN stream ON stream.id = stream_id WHERE event.id = ?',
    );
    this.#lastRevision = db.prepare('SELECT last_revision FROM stream WHERE name = ?');
    this.#placesOfStream = db.prepare(
      'SELECT key FROM event WHERE stream_id = (SELECT id FROM stream WHERE name = ?) AND revision > ? ' +
        'ORDER BY revision LIMIT ?',
    );
    this.#leafHashes = db.prepare('SELECT leaf_hash FROM event WHERE key > ? ORDER BY key LIMIT ?');
    this.#copies = db.prepare(
      'SELECT leaf_hash, header, data FROM event WHERE key > ? AND key < ? ORDER BY key LIMIT ?',
    );
    this.#end = this.#readEnd();
  }

  /** In which streams the log is of which the file holds a copy; null: it holds none. */
  static catalogueIn(file: string | null, site: SiteId): readonly string[] | null {
    const db = file === null || !existsSync(file) ? null : usable(file, site, null);
    if (db === null) return null;
    const row = db.prepare('SELECT catalogue FROM log WHERE size > 0').get();
    db.close();
    return row === undefined ? null : (row.catalogue as string).split(',');
  }

  /**
   * Opens the index of a site's log in these streams, or an empty one when there is none that can be used. `null` keeps
   * it in memory.
   */
  static open(file: string | null, site: SiteId, catalogue: readonly string[]): KurrentLogIndex {
    if (file === null) return new KurrentLogIndex(created(':memory:', site, catalogue));
    return new KurrentLogIndex(usable(file, site, catalogue) ?? created(file, site, catalogue));
  }

  get end(): LogEnd {
    return this.#end;
  }

  /** The epochs before the current one, oldest first. */
  epochs(): readonly SealedEpoch[] {
    return this.#db
      .prepare('SELECT epoch, size, root FROM sealed_epoch ORDER BY epoch')
      .all()
      .map(({ epoch, size, root }) => ({
        epoch: epoch as number,
        size: size as number,
        root: root as Uint8Array,
      }));
  }

  /** How many events an epoch has: 0 when there is none. */
  sizeOf(epoch: number): number {
    if (epoch === this.#end.epoch) return this.#end.size;
    const row = this.#db.prepare('SELECT size FROM sealed_epoch WHERE epoch = ?').get(epoch);
    return (row?.size as number | undefined) ?? 0;
  }

  find(id: EventId): (LogPlace & { readonly stream: string }) | null {
    const row = this.#whole(() => this.#findId.get(uuidBytes(id)));
    return row === undefined ? null : { ...placeOfKey(row.key as number), stream: row.name as string };
  }

  lastRevisionOf(stream: string): number | null {
    const row = this.#whole(() => this.#lastRevision.get(stream));
    return (row?.last_revision as number | undefined) ?? null;
  }

  placesOf(stream: string, afterRevision: number, limit: number): readonly LogPlace[] {
    const rows = this.#whole(() => this.#placesOfStream.all(stream, afterRevision, limit));
    return rows.map(({ key }) => placeOfKey(key as number));
  }

  leafHashesAfter(place: LogPlace, count: number): readonly Uint8Array[] {
    const rows = this.#whole(() => this.#leafHashes.all(placeKey(place), count));
    return rows.map(row => row.leaf_hash as Uint8Array);
  }

  /** What the server has acknowledged of one epoch, from the copy; an event that the copy holds no more is named. */
  page(
    after: LogPlace,
    { count, bytesMax }: { readonly count: number; readonly bytesMax: number },
  ): readonly RecordedEvent[] {
    const events: RecordedEvent[] = [];
    let byteLength = 0;
    const nextEpoch = placeKey({ epoch: after.epoch + 1, position: 0 });
    for (const row of this.#copies.iterate(placeKey(after), nextEpoch, count)) {
      const place = `${after.epoch}/${after.position + events.length + 1}`;
      const event = copyOf(row.header as Uint8Array, row.data as Uint8Array, place);
      if (!equalBytes(event.leafHash, row.leaf_hash as Uint8Array)) throw damagedCopy(place);
      events.push(event);
      byteLength += event.data.length;
      if (byteLength >= bytesMax) break;
    }
    return events;
  }

  /** The current epoch is over; the next one is empty. */
  openEpoch(): void {
    this.#seal();
    const { epoch, recordedAt } = this.#end;
    this.#end = { epoch: epoch + 1, size: 0, edge: [], recordedAt };
  }

  /** Takes in what the server has: the next events of the epoch, or the first ones of the next. */
  add(events: readonly RecordedEvent[]): void {
    const last = events.at(-1);
    if (last === undefined) return;
    const before = this.#end;
    const isNextEpoch = last.epoch !== before.epoch;
    const [size, edge] = isNextEpoch ? [0, []] : [before.size, before.edge];
    const end: LogEnd = {
      epoch: last.epoch,
      size: last.position,
      edge: extendEdge(
        edge,
        size,
        events.map(event => event.leafHash),
        sha256,
      ),
      recordedAt: last.recordedAt,
    };
    this.#whole(() => this.#store(events, end, isNextEpoch));
    this.#end = end;
  }

  /** Throws `DAMAGED` when the file cannot be read any more: the next opening makes it anew from the server. */
  #whole<T>(task: () => T): T {
    try {
      return task();
    } catch (cause) {
      if (primaryCodeOf(cause) !== sqliteResult.CORRUPT) throw cause;
      // So that it is not taken for one of ours.
      this.#db.exec('PRAGMA user_version = 0');
      const detail = 'it cannot be read any more: the next start makes it anew from the server';
      throw new KurrentLogError('DAMAGED', INDEX_FILE, detail, { cause });
    }
  }

  #store(events: readonly RecordedEvent[], end: LogEnd, isNextEpoch: boolean): void {
    this.#db.exec('BEGIN');
    try {
      if (isNextEpoch) this.#seal();
      for (const event of events) {
        const streamId = this.#upsertStream.get(event.stream, event.revision)?.id as number;
        const { revision, leafHash, header, data } = event;
        this.#insertEvent.run(
          placeKey(event),
          uuidBytes(event.id),
          streamId,
          revision,
          leafHash,
          header,
          data,
        );
      }
      this.#updateLog.run(end.epoch, end.size, encodeEdge(end.edge), end.recordedAt.toString());
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #seal(): void {
    const { epoch, size, edge } = this.#end;
    this.#db
      .prepare('INSERT INTO sealed_epoch (epoch, size, root) VALUES (?, ?, ?)')
      .run(epoch, size, rootOf(edge, size, sha256));
  }

  #readEnd(): LogEnd {
    const row = this.#db.prepare('SELECT epoch, size, tree_edge, recorded_at FROM log').get()!;
    const size = row.size as number;
    return {
      epoch: row.epoch as number,
      size,
      edge: decodeEdge(row.tree_edge as Uint8Array, size),
      recordedAt: BigInt(row.recorded_at as string),
    };
  }
}

function uuidBytes(id: EventId | SiteId): Uint8Array {
  const bytes = new Uint8Array(UUID_BYTES);
  writeUuid(id, bytes, 0);
  return bytes;
}

function copyOf(header: Uint8Array, data: Uint8Array, place: string): RecordedEvent {
  try {
    return decodeRecordedEvent(header, data, sha256);
  } catch (error) {
    throw error instanceof EnvelopeError ? damagedCopy(place) : error;
  }
}

function damagedCopy(place: string): KurrentLogError {
  return new KurrentLogError('DAMAGED', INDEX_FILE, `the copy of ${place} is not what it was`);
}

/** The database in the file if it is this site's index and whole, else null. `catalogue` null: of whatever streams. */
function usable(file: string, site: SiteId, catalogue: readonly string[] | null): DatabaseSync | null {
  let db: DatabaseSync | null = null;
  try {
    db = connected(file);
    const isOurs =
      db.prepare('PRAGMA application_id').get()?.application_id === APPLICATION_ID &&
      db.prepare('PRAGMA user_version').get()?.user_version === USER_VERSION &&
      db
        .prepare('SELECT count(*) AS count FROM log WHERE site = ? AND catalogue = ifnull(?, catalogue)')
        .get(uuidBytes(site), catalogue?.join() ?? null)?.count === 1;
    if (isOurs) return db;
  } catch {
    // Whatever is wrong with it: it is read again from the server.
  }
  db?.close();
  return null;
}

export function removeKurrentIndex(file: string): void {
  for (const part of ['', '-wal', '-shm']) rmSync(`${file}${part}`, { force: true });
}

function created(file: string, site: SiteId, catalogue: readonly string[]): DatabaseSync {
  if (file !== ':memory:') removeKurrentIndex(file);
  const db = connected(file);
  db.exec('BEGIN');
  db.exec(tables);
  db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  db.exec(`PRAGMA user_version = ${USER_VERSION}`);
  db.prepare(
    'INSERT INTO log (singleton, site, epoch, size, tree_edge, recorded_at, catalogue) VALUES (1, ?, 1, 0, ?, ?, ?)',
  ).run(uuidBytes(site), new Uint8Array(0), '0', catalogue.join());
  db.exec('COMMIT');
  return db;
}

function connected(file: string): DatabaseSync {
  const db = new DatabaseSync(file);
  // What a crash takes from the end of the index is read again; WAL keeps what is left whole.
  db.exec('PRAGMA journal_mode = WAL');
  db.exec('PRAGMA synchronous = NORMAL');
  return db;
}
