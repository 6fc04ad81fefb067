import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import {
  CheckpointError,
  decodeHeader,
  type EpochTree,
  epochOpening,
  extendEdge,
  HistoryProof,
  HistoryUnprovenError,
  LOG_STREAM,
  type LogPlace,
  type NoteSigner,
  openCheckpoint,
  type PulledHistory,
  placeKey,
  type ReopenRefusal,
  rootOf,
  signCheckpoint,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { type EventStatements, prepareEventStatements } from './append-group.js';
import { verifyNote } from './ed25519-notes.js';
import { ReopenedEpoch, recordTailAgain, storeEpoch, storeProven } from './reopened-epoch.js';
import { sha256 } from './sha256.js';
import { type EpochState, readEpochs } from './site-log-file.js';
import { openSiteLogForWriting } from './site-log-opening.js';
import {
  extendStreamIndex,
  rebuildStreamIndex,
  removeFromStreamIndex,
  streamIndexDamage,
} from './stream-index.js';

export interface SiteLogReopening {
  readonly file: string;
  readonly site: SiteId;
  /** The site's own key: what it did not sign is not its history. */
  readonly signer: NoteSigner;
  /** Wall clock. */
  readonly nowMs: number;
  readonly history: PulledHistory;
  readonly onIndexRebuilt?: ((detail: string) => void) | undefined;
}

/**
 * Carries out `ReopenableLog.reopenAs` on a log file that nobody writes, in one transaction. It may last as long as the history
 * takes to come. Null when it was done.
 */
export async function reopenSiteLogFile(reopening: SiteLogReopening): Promise<ReopenRefusal | null> {
  using opened = openSiteLogForWriting(reopening.file, reopening.site);
  const { db } = opened;
  // The history is pulled once: what its end would meet is mended before.
  const damage = streamIndexDamage(db);
  if (damage !== null) {
    rebuildStreamIndex(db);
    reopening.onIndexRebuilt?.(damage.message);
  }
  db.exec('BEGIN IMMEDIATE');
  try {
    const refusal = await reopen(db, reopening);
    db.exec(refusal === null ? 'COMMIT' : 'ROLLBACK');
    return refusal;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    if (!(error instanceof HistoryUnprovenError || error instanceof CheckpointError)) throw error;
    return { code: 'HISTORY_UNPROVEN', detail: error.message };
  }
}

async function reopen(db: DatabaseSync, reopening: SiteLogReopening): Promise<ReopenRefusal | null> {
  const { file, site, history, nowMs, signer } = reopening;
  const { common, checkpoint } = history;
  const signed = openCheckpoint(checkpoint.note, { publicKey: signer.publicKey, verify: verifyNote }, sha256);
  const tree = treeAt(db, readEpochs(db, file), common);
  if (tree === null) {
    const detail = `this log does not hold its first ${common.position} events of epoch ${common.epoch}`;
    return { code: 'COMMON_NOT_HELD', detail };
  }
  const proof = new HistoryProof({ site, common: tree, recordedAt: recordedAtOf(db, tree), sha256 });
  extendStreamIndex(db);
  setTailAside(db, tree);
  const statements = prepareEventStatements(db);
  await takeBack(history.events, proof, statements);
  extendStreamIndex(db);
  const trees = proof.finish(signed);
  const storeNote = db.prepare(
    'INSERT OR REPLACE INTO checkpoint (epoch, size, note, signed_at_ms) VALUES (?, ?, ?, ?)',
  );
  for (const pulled of trees) {
    storeEpoch(db, pulled);
    // Of an epoch that was over, its end is signed by what is signed of the next; a proof of an event needs a checkpoint of its own.
    const { epoch, size, edge } = pulled;
    const note =
      epoch === signed.epoch
        ? checkpoint.note
        : signCheckpoint({ site, epoch, size, root: rootOf(edge, size, sha256) }, signer, sha256);
    storeNote.run(epoch, size, note, Math.floor(nowMs));
  }
  const context = { site, nowMs, sha256 };
  const log = new ReopenedEpoch(db, statements, { ...context, epoch: signed.epoch + 1, proof });
  const { epoch, size, edge } = trees.at(-1)!;
  log.record(
    LOG_STREAM,
    epochOpening({ epoch, size, root: rootOf(edge, size, sha256) }, history.reason, context),
  );
  const account = await recordTailAgain(db, log);
  log.record(LOG_STREAM, account.recovered(common, proof, log.tree(), context));
  extendStreamIndex(db);
  storeEpoch(db, log.tree());
  return null;
}

/** The tree up to a place; null when the log does not reach so far, or has removed what the tree is made of. */
function treeAt(db: DatabaseSync, epochs: readonly EpochState[], place: LogPlace): EpochTree | null {
  if (place.position === 0) {
    const before = epochs.findLast(({ epoch }) => epoch < place.epoch);
    if (before !== undefined) return before;
    return epochs[0]?.keptAfter === 0 ? { epoch: 0, size: 0, edge: [] } : null;
  }
  const held = epochs.find(({ epoch }) => epoch === place.epoch);
  if (held === undefined || place.position < held.keptAfter || place.position > held.size) return null;
  const { epoch, keptAfter } = held;
  const leaves = db.prepare('SELECT leaf_hash FROM event WHERE key > ? AND key <= ? ORDER BY key');
  const rows = leaves.iterate(placeKey({ epoch, position: keptAfter }), placeKey(place));
  const edge = extendEdge(held.keptEdge, keptAfter, leafHashesOf(rows), sha256);
  return { epoch, size: place.position, edge };
}

function* leafHashesOf(rows: Iterable<Record<string, unknown>>): Generator<Uint8Array> {
  for (const row of rows) yield row.leaf_hash as Uint8Array;
}

/** The clock at the end of the tree; its beginning when that event is not there (any more). */
function recordedAtOf(db: DatabaseSync, { epoch, size: position }: EpochTree): bigint {
  const row = db.prepare('SELECT header FROM event WHERE key = ?').get(placeKey({ epoch, position }));
  return row === undefined ? 0n : decodeHeader(row.header as Uint8Array).recordedAt;
}

function setTailAside(db: DatabaseSync, { epoch, size }: EpochTree): void {
  const key = placeKey({ epoch, position: size });
  db.prepare('CREATE TEMP TABLE tail AS SELECT key, header, data FROM event WHERE key > ?').run(key);
  removeFromStreamIndex(db, key, Number.MAX_SAFE_INTEGER);
  db.prepare('UPDATE log SET indexed_key = ?').run(key);
  db.prepare('DELETE FROM event WHERE key > ?').run(key);
  db.prepare('DELETE FROM epoch WHERE epoch > ?').run(epoch);
  for (const table of ['checkpoint', 'receipt']) {
    db.prepare(`DELETE FROM ${table} WHERE epoch > ? OR (epoch = ? AND size > ?)`).run(epoch, epoch, size);
  }
}

async function takeBack(
  events: PulledHistory['events'],
  proof: HistoryProof,
  statements: EventStatements,
): Promise<void> {
  for await (const batch of events) {
    for (const pulled of batch) storeProven(proof.take(pulled), statements);
    await turn();
  }
}
