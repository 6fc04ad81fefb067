import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { primaryCodeOf, sqliteResult } from '../sqlite-result.js';
import { SiteLogFileError, streamIndexTable } from './site-log-file.js';
import { setDefensive } from './site-log-migration.js';

/** So many events the index falls behind before the next batch: of a busy stream there are some in it, which share a page. */
export const INDEX_BATCH_EVENTS = 8192;

const BEHIND_THE_INDEX = 'key > (SELECT indexed_key FROM log)';

/** The keys of all events of a stream, as a subquery with the parameter `?1`. */
export const KEYS_OF_STREAM = `
  SELECT key FROM stream_index WHERE stream = ?1
  UNION ALL SELECT key FROM event WHERE ${BEHIND_THE_INDEX} AND stream = ?1`;

/**
 * Takes every event into the index that is not in it yet, to be called in a transaction. Throws `INDEX_DAMAGED`, also when some
 * revision of a stream would be there twice.
 */
export function extendStreamIndex(db: DatabaseSync): void {
  namingIndexDamage(db, () => insertUnindexed(db));
}

function insertUnindexed(db: DatabaseSync): void {
  // Sorted, so that each page is visited once.
  db.exec(`
    INSERT INTO stream_index (stream, revision, key)
    SELECT stream, revision, key FROM event WHERE ${BEHIND_THE_INDEX} ORDER BY stream, revision;
    UPDATE log SET indexed_key = max(indexed_key, (SELECT coalesce(max(key), 0) FROM event))`);
}

/** Takes events out of the index that are about to be removed. Throws `INDEX_DAMAGED`. */
export function removeFromStreamIndex(db: DatabaseSync, after: number, upTo: number): void {
  const remove = db.prepare(
    `DELETE FROM stream_index
     WHERE (stream, revision) IN (SELECT stream, revision FROM event WHERE key > ? AND key <= ?)`,
  );
  namingIndexDamage(db, () => remove.run(after, upTo));
}

/** What the index is needed for: that it cannot be read, or holds what cannot be, is thrown as `INDEX_DAMAGED`. */
export function namingIndexDamage<T>(db: DatabaseSync, task: () => T): T {
  try {
    return task();
  } catch (cause) {
    const code = primaryCodeOf(cause);
    if (code !== sqliteResult.CORRUPT && code !== sqliteResult.CONSTRAINT) throw cause;
    throw indexDamage(db, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

export function indexDamage(db: DatabaseSync, detail: string, cause?: unknown): SiteLogFileError {
  return new SiteLogFileError('INDEX_DAMAGED', db.location() ?? '', `the index of streams: ${detail}`, {
    cause,
  });
}

/** What reading all of its pages meets; null: each can be read. */
export function streamIndexDamage(db: DatabaseSync): SiteLogFileError | null {
  try {
    namingIndexDamage(db, () => db.prepare('SELECT count(*) FROM stream_index').get());
    return null;
  } catch (error) {
    if (isIndexDamage(error)) return error;
    throw error;
  }
}

export function isIndexDamage(error: unknown): error is SiteLogFileError {
  return error instanceof SiteLogFileError && error.fault === 'INDEX_DAMAGED';
}

/**
 * Builds the index anew from the events, whatever became of its pages. Throws, and changes nothing, when the events cannot be read, when
 * some revision of a stream is there twice, or for want of room. Returns why the pages of the old index were not given back: the
 * log does without them; null when they were.
 */
export function rebuildStreamIndex(db: DatabaseSync): string | null {
  db.exec('BEGIN IMMEDIATE');
  setDefensive(db, false);
  try {
    // To drop the table, SQLite would read its pages.
    db.exec(`
      PRAGMA writable_schema = ON;
      DELETE FROM sqlite_schema WHERE name = 'stream_index';
      PRAGMA writable_schema = RESET;
      ${streamIndexTable}
      UPDATE log SET indexed_key = 0`);
    insertUnindexed(db);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  } finally {
    db.exec('PRAGMA writable_schema = RESET');
    setDefensive(db, true);
  }
  try {
    db.exec('VACUUM');
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The streams of the events that are not in the index yet. */
export interface UnindexedStreams {
  readonly eventCount: number;
  /** The last revision of each. */
  readonly revisions: Map<string, number>;
}

export function readUnindexedStreams(db: DatabaseSync): UnindexedStreams {
  const rows = db
    .prepare(
      `SELECT stream, max(revision) AS revision, count(*) AS event_count FROM event
       WHERE ${BEHIND_THE_INDEX} GROUP BY stream`,
    )
    .all() as unknown as readonly { stream: string; revision: number; event_count: number }[];
  return {
    eventCount: rows.reduce((sum, row) => sum + row.event_count, 0),
    revisions: new Map(rows.map(({ stream, revision }) => [stream, revision])),
  };
}

interface PlaceInStream {
  readonly key: number;
  readonly revision: number;
}

/** As `iterate`: but a statement that has failed with a damaged page would fail once more with it, wherever it reads next. */
export function* rowsOf(
  statement: StatementSync,
  ...parameters: readonly SQLInputValue[]
): Generator<Record<string, unknown>, void, undefined> {
  const rows = statement.iterate(...parameters);
  try {
    yield* rows;
  } finally {
    rows.return?.();
  }
}

/** A reader's own index of what is not in the one of the file yet. Each look reads on from where the last one ended. */
export class UnindexedPlaces {
  readonly #indexedKey: StatementSync;
  readonly #behind: StatementSync;
  readonly #places = new Map<string, PlaceInStream[]>();
  #begin = 0;
  #end = 0;

  constructor(db: DatabaseSync) {
    this.#indexedKey = db.prepare('SELECT indexed_key FROM log');
    this.#behind = db.prepare('SELECT key, stream, revision FROM event WHERE key > ? ORDER BY key');
  }

  /** In the transaction in which the index of the file is read too. */
  of(stream: string): readonly PlaceInStream[] {
    const begin = this.#indexedKey.get()?.indexed_key as number;
    if (begin !== this.#begin) {
      this.#places.clear();
      this.#begin = begin;
      this.#end = begin;
    }
    for (const row of rowsOf(this.#behind, this.#end)) {
      const { key, stream: ofStream, revision } = row as unknown as PlaceInStream & { stream: string };
      const places = this.#places.get(ofStream);
      if (places === undefined) this.#places.set(ofStream, [{ key, revision }]);
      else places.push({ key, revision });
      this.#end = key;
    }
    return this.#places.get(stream) ?? [];
  }
}
