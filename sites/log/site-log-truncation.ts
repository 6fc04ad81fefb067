import type { DatabaseSync } from 'node:sqlite';
import {
  comparePlaces,
  decodeHeader,
  EnvelopeError,
  encodeEdge,
  extendEdge,
  HASH_BYTES,
  hashesIn,
  type LogPlace,
  placeKey,
  rootOf,
  type TreeEdge,
} from '@holdfast/core';
import { sha256 } from './sha256.js';
import { type EpochState, keptAfterOf, readEpochs } from './site-log-file.js';
import { indexDamage, namingIndexDamage, removeFromStreamIndex } from './stream-index.js';

/** Events removed in one transaction: appends wait for it, some ten milliseconds. */
export const TRUNCATION_SLICE_EVENTS = 1000;
/** Pages given back to the file system behind each slice: more than it has freed, so that it never falls behind. */
const VACUUM_PAGES = 2000;

/** What is removed: every event up to a place, and what is kept of it. */
export interface Cut {
  readonly to: LogPlace;
  /** Events of these types leave nothing but their leaf hashes; others are carried over the cut. */
  readonly passingTypes: readonly string[];
}

/**
 * Looks up the last revision of a stream that the index knows, also of one whose events were all removed; null: it knows none.
 * Throws `INDEX_DAMAGED`, also when the index leads elsewhere.
 */
export function prepareLastRevision(db: DatabaseSync): (stream: string) => number | null {
  const indexed = db.prepare(
    `SELECT stream_index.revision, event.stream = ?1 AND event.revision = stream_index.revision AS isThere
     FROM stream_index LEFT JOIN event USING (key)
     WHERE stream_index.stream = ?1 ORDER BY stream_index.revision DESC LIMIT 1`,
  );
  const truncated = db.prepare('SELECT revision FROM truncated_stream WHERE stream = ?');
  return stream => {
    const last = namingIndexDamage(db, () => indexed.get(stream));
    if (last === undefined) return (truncated.get(stream)?.revision as number | undefined) ?? null;
    if (last.isThere === 1) return last.revision as number;
    throw indexDamage(db, `it leads elsewhere for revision ${last.revision} of '${stream}'`);
  };
}

/**
 * Removes the first events of the file that stand up to `to`: at most one slice, in one transaction, so that a kill leaves a log
 * that is shorter and proved. Of each event its leaf hash and its id stay; an event that is not of a passing type is carried over the cut.
 * False when there is nothing left to remove.
 */
export function truncateSlice(db: DatabaseSync, { to, passingTypes }: Cut): boolean {
  const epochs = readEpochs(db, '');
  const state = epochs.find(({ epoch, keptAfter, size }) => epoch <= to.epoch && keptAfter < size);
  if (state === undefined) return false;
  const { epoch, keptAfter } = state;
  const end = Math.min(epoch === to.epoch ? to.position : state.size, keptAfter + TRUNCATION_SLICE_EVENTS);
  if (end <= keptAfter) return false;
  db.exec('BEGIN IMMEDIATE');
  try {
    removeSlice(db, state, { end, passingTypes: new Set(passingTypes) });
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
  // It moves pages, and so reads those that lead to them.
  namingIndexDamage(db, () => db.prepare(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`).all());
  return comparePlaces(keptAfterOf(readEpochs(db, '')), to) < 0;
}

function removeSlice(
  db: DatabaseSync,
  { epoch, keptAfter, keptEdge }: EpochState,
  { end, passingTypes }: { readonly end: number; readonly passingTypes: ReadonlySet<string> },
): void {
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
  for (const { key, header } of rows) if (!isOfType(passingTypes, header)) carry.run(key);
  const leafHashes = rows.map(row => row.leaf_hash);
  db.prepare('INSERT INTO truncated_leaves (first_key, hashes) VALUES (?, ?)').run(
    ...[keys[0] + 1, Buffer.concat(leafHashes, rows.length * HASH_BYTES)],
  );
  removeFromStreamIndex(db, ...keys);
  db.prepare('DELETE FROM event WHERE key > ? AND key <= ?').run(...keys);
  const edge = encodeEdge(extendEdge(keptEdge, keptAfter, leafHashes, sha256));
  db.prepare('UPDATE epoch SET kept_after = ?, kept_edge = ? WHERE epoch = ?').run(end, edge, epoch);
  // A later signature is over these events too. Receipts stay: they say when a witness had seen what is carried.
  db.prepare('DELETE FROM checkpoint WHERE epoch = ? AND size < ?').run(epoch, end);
}

function isOfType(types: ReadonlySet<string>, header: Uint8Array): boolean {
  try {
    return types.has(decodeHeader(header).type);
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    return false;
  }
}

export interface CarriedTree {
  readonly count: number;
  readonly root: Uint8Array;
}

/** The tree over what a cut has carried over it, in the order of the log. */
export function carriedTree(db: DatabaseSync, to: LogPlace): CarriedTree {
  const rows = db
    .prepare('SELECT leaf_hash FROM carried_event WHERE key <= ? ORDER BY key')
    .iterate(placeKey(to)) as Iterable<{ leaf_hash: Uint8Array }>;
  const tree = new GrowingTree();
  for (const { leaf_hash } of rows) tree.add([leaf_hash]);
  return tree.grown();
}

/** The same of a cut that has yet to be made, page by page. */
export async function carriedTreeAhead(
  db: DatabaseSync,
  { to, passingTypes }: Cut,
  signal: AbortSignal,
): Promise<CarriedTree> {
  const page = db.prepare(
    `SELECT key, NULL AS header, leaf_hash FROM carried_event WHERE key > ?1 AND key <= ?2
     UNION ALL SELECT key, header, leaf_hash FROM event WHERE key > ?1 AND key <= ?2
     ORDER BY key LIMIT ${TRUNCATION_SLICE_EVENTS}`,
  );
  const passing = new Set(passingTypes);
  const tree = new GrowingTree();
  for (let after: number | undefined = 0; after !== undefined; ) {
    signal.throwIfAborted();
    const rows = page.all(after, placeKey(to)) as unknown as readonly {
      readonly key: number;
      readonly header: Uint8Array | null;
      readonly leaf_hash: Uint8Array;
    }[];
    tree.add(
      rows.filter(({ header }) => header === null || !isOfType(passing, header)).map(row => row.leaf_hash),
    );
    after = rows.at(-1)?.key;
    await new Promise(resolve => setImmediate(resolve));
  }
  return tree.grown();
}

class GrowingTree {
  #edge: TreeEdge = [];
  #size = 0;

  add(leafHashes: readonly Uint8Array[]): void {
    this.#edge = extendEdge(this.#edge, this.#size, leafHashes, sha256);
    this.#size += leafHashes.length;
  }

  grown(): CarriedTree {
    return { count: this.#size, root: rootOf(this.#edge, this.#size, sha256) };
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
  if (removed !== undefined && removed.length >= HASH_BYTES) return hashesIn(removed);
  const rows = db
    .prepare('SELECT key, leaf_hash FROM event WHERE key >= ? AND key < ? ORDER BY key')
    .all(next, next + limit) as { key: number; leaf_hash: Uint8Array }[];
  if (rows.length === 0 || rows.at(-1)!.key !== next + rows.length - 1) return [];
  return rows.map(row => row.leaf_hash);
}
