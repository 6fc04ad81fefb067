import type { DatabaseSync } from 'node:sqlite';
import { type LogPlace, placeOfKey } from '@holdfast/core';

export type StreamDamage =
  | 'REVISION_MISSING'
  /** The index of the streams has not exactly the events up to its end, each under its stream and revision. */
  | 'STREAM_INDEX_MISMATCH';

interface Damages {
  add(code: StreamDamage, at: LogPlace | null, detail: string): void;
}

interface PlaceInStream {
  readonly key: number;
  readonly stream: string;
  readonly revision: number;
}

/**
 * Proves that every event up to the end of the index stands in it where it says itself, which no two can, and that nothing else
 * does; and that in each stream the revisions follow one another, in the order of the log.
 */
export function checkStreams(db: DatabaseSync, damages: Damages): void {
  const mismatch = (row: PlaceInStream, detail: string) =>
    damages.add('STREAM_INDEX_MISMATCH', placeOfKey(row.key), `${detail} ${row.revision} of '${row.stream}'`);
  const unindexed = db
    .prepare(
      `SELECT event.key, event.stream, event.revision FROM event
       LEFT JOIN stream_index USING (stream, revision)
       WHERE event.key <= (SELECT indexed_key FROM log) AND stream_index.key IS NOT event.key`,
    )
    .iterate() as Iterable<PlaceInStream>;
  for (const row of unindexed) mismatch(row, 'the index does not lead here for revision');
  const { placeCount, eventCount } = db
    .prepare(
      `SELECT (SELECT count(*) FROM stream_index) AS placeCount,
       (SELECT count(*) FROM event WHERE key <= (SELECT indexed_key FROM log)) AS eventCount`,
    )
    .get() as { placeCount: number; eventCount: number };
  if (placeCount !== eventCount) {
    const astray = db
      .prepare(
        `SELECT key, stream, revision FROM stream_index WHERE NOT EXISTS (
           SELECT 1 FROM event WHERE event.key = stream_index.key
           AND event.stream = stream_index.stream AND event.revision = stream_index.revision)`,
      )
      .iterate() as Iterable<PlaceInStream>;
    for (const row of astray) mismatch(row, 'the index leads here for what is not here: revision');
  }
  checkRevisions(db, damages);
}

/** In the order of the streams: each revision follows the one before, and stands later in the log. */
function checkRevisions(db: DatabaseSync, damages: Damages): void {
  let before = { stream: '', revision: -1, key: 0, truncated: null as number | null };
  const places = (table: string, where: string) =>
    `SELECT ${table}.stream, ${table}.revision, key, truncated_stream.revision AS truncated
     FROM ${table} LEFT JOIN truncated_stream USING (stream) ${where}`;
  const rows = db
    .prepare(
      `${places('stream_index', '')} UNION ALL
       ${places('event', 'WHERE key > (SELECT indexed_key FROM log)')} ORDER BY 1, 2`,
    )
    .iterate();
  for (const row of rows as Iterable<typeof before>) {
    const isSameStream = row.stream === before.stream;
    const expected = isSameStream ? before.revision + 1 : (row.truncated ?? -1) + 1;
    if (row.revision !== expected) {
      const detail = `revision ${row.revision} of '${row.stream}' stands where ${expected} should be`;
      damages.add('REVISION_MISSING', placeOfKey(row.key), detail);
    } else if (isSameStream && row.key <= before.key) {
      const detail = `revision ${row.revision} stands before ${before.revision}`;
      damages.add('REVISION_MISSING', placeOfKey(row.key), detail);
    }
    before = row;
  }
}
