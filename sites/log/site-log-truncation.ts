import type { DatabaseSync } from 'node:sqlite';
import { comparePlaces, encodeEdge, extendEdge, type LogPlace, placeKey } from '@holdfast/core';
import { sha256 } from './sha256.js';
import { keptAfterOf, readEpochs } from './site-log-file.js';

/** Events removed in one transaction: appends wait for it, some ten milliseconds. */
export const TRUNCATION_SLICE_EVENTS = 1000;
/** Pages given back to the file system behind each slice: more than it has freed, so that it never falls behind. */
const VACUUM_PAGES = 2000;

/** The last revision of a stream, also of one whose events were all removed. */
export const LAST_REVISION = `
  SELECT coalesce(
    (SELECT max(revision) FROM event WHERE stream = :stream),
    (SELECT revision FROM truncated_stream WHERE stream = :stream)
  ) AS revision`;

/**
 * Removes the first events of the file that stand up to `to`: at most one slice, in one transaction, so that a kill leaves a log
 * that is shorter and proved. False when there is nothing left to remove.
 */
export function truncateSlice(db: DatabaseSync, to: LogPlace): boolean {
  const epochs = readEpochs(db, '');
  const state = epochs.find(({ epoch, keptAfter, size }) => epoch <= to.epoch && keptAfter < size);
  if (state === undefined) return false;
  const { epoch, keptAfter } = state;
  const end = Math.min(epoch === to.epoch ? to.position : state.size, keptAfter + TRUNCATION_SLICE_EVENTS);
  if (end <= keptAfter) return false;
  const keys = [placeKey({ epoch, position: keptAfter }), placeKey({ epoch, position: end })] as const;
  db.exec('BEGIN IMMEDIATE');
  try {
    const rows = db
      .prepare('SELECT leaf_hash FROM event WHERE key > ? AND key <= ? ORDER BY key')
      .all(...keys);
    const leafHashes = rows.map(row => row.leaf_hash as Uint8Array);
    if (leafHashes.length !== end - keptAfter) {
      throw new RangeError(`${leafHashes.length} events stand behind ${epoch}/${keptAfter} up to ${end}`);
    }
    db.prepare(
      `INSERT OR REPLACE INTO truncated_stream (stream, revision)
       SELECT stream, max(revision) FROM event WHERE key > ? AND key <= ? GROUP BY stream`,
    ).run(...keys);
    db.prepare('DELETE FROM event WHERE key > ? AND key <= ?').run(...keys);
    const edge = encodeEdge(extendEdge(state.keptEdge, keptAfter, leafHashes, sha256));
    db.prepare('UPDATE epoch SET kept_after = ?, kept_edge = ? WHERE epoch = ?').run(end, edge, epoch);
    // What was signed before can be held against nothing any more. Every later signature is over these events too.
    for (const table of ['checkpoint', 'receipt']) {
      db.prepare(`DELETE FROM ${table} WHERE epoch = ? AND size < ?`).run(epoch, end);
    }
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
  db.prepare(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`).all();
  return comparePlaces(keptAfterOf(readEpochs(db, '')), to) < 0;
}
