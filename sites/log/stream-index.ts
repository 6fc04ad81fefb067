import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** So many events the index falls behind before the next batch: of a busy stream there are some in it, which share a page. */
export const INDEX_BATCH_EVENTS = 8192;

const BEHIND_THE_INDEX = 'key > (SELECT indexed_key FROM log)';

/** The keys of all events of a stream, as a subquery with the parameter `?1`. */
export const KEYS_OF_STREAM = `
  SELECT key FROM stream_index WHERE stream = ?1
  UNION ALL SELECT key FROM event WHERE ${BEHIND_THE_INDEX} AND stream = ?1`;

/**
 * Takes every event into the index that is not in it yet, to be called in a transaction. Throws when some revision of a stream would
 * be there twice.
 */
export function extendStreamIndex(db: DatabaseSync): void {
  // Sorted, so that each page is visited once.
  db.exec(`
    INSERT INTO stream_index (stream, revision, key)
    SELECT stream, revision, key FROM event WHERE ${BEHIND_THE_INDEX} ORDER BY stream, revision;
    UPDATE log SET indexed_key = max(indexed_key, (SELECT coalesce(max(key), 0) FROM event))`);
}

/** Takes events out of the index that are about to be removed. */
export function removeFromStreamIndex(db: DatabaseSync, after: number, upTo: number): void {
  db.prepare(
    `DELETE FROM stream_index
     WHERE (stream, revision) IN (SELECT stream, revision FROM event WHERE key > ? AND key <= ?)`,
  ).run(after, upTo);
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
    for (const row of this.#behind.iterate(this.#end)) {
      const { key, stream: ofStream, revision } = row as unknown as PlaceInStream & { stream: string };
      const places = this.#places.get(ofStream);
      if (places === undefined) this.#places.set(ofStream, [{ key, revision }]);
      else places.push({ key, revision });
      this.#end = key;
    }
    return this.#places.get(stream) ?? [];
  }
}
