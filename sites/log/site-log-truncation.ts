import type { DatabaseSync } from 'node:sqlite';
import {
  comparePlaces,
  decodeHeader,
  EnvelopeError,
  encodeEdge,
  extendEdge,
  HASH_BYTES,
  type LogPlace,
  placeKey,
} from '@holdfast/core';
import { isPassingEvent } from '@holdfast/schema';
import { sha256 } from './sha256.js';
import { type EpochState, keptAfterOf, readEpochs } from './site-log-file.js';

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
 * that is shorter and proved. Of each event its leaf hash and its id stay; an event that is not passing is carried over the cut.
 * False when there is nothing left to remove.
 */
export function truncateSlice(db: DatabaseSync, to: LogPlace): boolean {
  const epochs = readEpochs(db, '');
  const state = epochs.find(({ epoch, keptAfter, size }) => epoch <= to.epoch && keptAfter < size);
  if (state === undefined) return false;
  const { epoch, keptAfter } = state;
  const end = Math.min(epoch === to.epoch ? to.position : state.size, keptAfter + TRUNCATION_SLICE_EVENTS);
  if (end <= keptAfter) return false;
  db.exec('BEGIN IMMEDIATE');
  try {
    removeSlice(db, state, end);
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
  db.prepare(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`).all();
  return comparePlaces(keptAfterOf(readEpochs(db, '')), to) < 0;
}

function removeSlice(db: DatabaseSync, { epoch, keptAfter, keptEdge }: EpochState, end: number): void {
  const keys = [placeKey({ epoch, position: keptAfter }), placeKey({ epoch, position: end })] as const;
  const rows = db
    .prepare('SELECT key, header, leaf_hash FROM event WHERE key > ? AND key <= ? ORDER BY key')
    .all(...keys) as { key: number; header: Uint8Array; leaf_hash: Uint8Array }[];
  if (rows.length !== end - keptAfter) {
    throw new RangeError(`${rows.length} events stand behind ${epoch}/${keptAfter} up to ${end}`);
  }
  db.prepare(
    `INSERT INTO truncated_stream (stream, revision)
     SELECT stream, max(revision) FROM event WHERE key > ? AND key <= ? GROUP BY stream
     ON CONFLICT (stream) DO UPDATE SET revision = excluded.revision`,
  ).run(...keys);
  db.prepare(
    `INSERT INTO truncated_id (id, key, stream)
     SELECT id, key, number FROM event JOIN truncated_stream ON truncated_stream.stream = event.stream
     WHERE key > ? AND key <= ?`,
  ).run(...keys);
  const carry = db.prepare(
    `INSERT INTO carried_event (key, id, stream, revision, header, data, leaf_hash)
     SELECT key, id, stream, revision, header, data, leaf_hash FROM event WHERE key = ?`,
  );
  for (const { key, header } of rows) if (!isPassing(header)) carry.run(key);
  const leafHashes = rows.map(row => row.leaf_hash);
  db.prepare('INSERT INTO truncated_leaves (first_key, hashes) VALUES (?, ?)').run(
    ...[keys[0] + 1, Buffer.concat(leafHashes, rows.length * HASH_BYTES)],
  );
  db.prepare('DELETE FROM event WHERE key > ? AND key <= ?').run(...keys);
  const edge = encodeEdge(extendEdge(keptEdge, keptAfter, leafHashes, sha256));
  db.prepare('UPDATE epoch SET kept_after = ?, kept_edge = ? WHERE epoch = ?').run(end, edge, epoch);
  // A later signature is over these events too.
  for (const table of ['checkpoint', 'receipt']) {
    db.prepare(`DELETE FROM ${table} WHERE epoch = ? AND size < ?`).run(epoch, end);
  }
}

function isPassing(header: Uint8Array): boolean {
  try {
    return isPassingEvent(decodeHeader(header).type);
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    return false;
  }
}

/**
 * The hashes of leaves behind the first `after` of an epoch, as many of them as stand together: of events that were truncated, or
 * else of the first `limit` that are there. Empty when the next leaf is not there.
 */
export function leafHashesAfter(
  db: DatabaseSync,
  { epoch, position }: LogPlace,
  limit: number,
): readonly Uint8Array[] {
  const next = placeKey({ epoch, position: position + 1 });
  const chunk = db
    .prepare(
      'SELECT first_key, hashes FROM truncated_leaves WHERE first_key <= ? ORDER BY first_key DESC LIMIT 1',
    )
    .get(next) as { first_key: number; hashes: Uint8Array } | undefined;
  const removed = chunk?.hashes.subarray((next - chunk.first_key) * HASH_BYTES);
  if (removed !== undefined && removed.length >= HASH_BYTES) {
    return Array.from({ length: Math.floor(removed.length / HASH_BYTES) }, (_, index) =>
      removed.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES),
    );
  }
  const rows = db
    .prepare('SELECT key, leaf_hash FROM event WHERE key >= ? AND key < ? ORDER BY key')
    .all(next, next + limit) as { key: number; leaf_hash: Uint8Array }[];
  if (rows.length === 0 || rows.at(-1)!.key !== next + rows.length - 1) return [];
  return rows.map(row => row.leaf_hash);
}
