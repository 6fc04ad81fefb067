import type { DatabaseSync } from 'node:sqlite';
import { equalBytes, extendEdge, placeKey, placeOfKey } from '@holdfast/core';
import { sha256 } from './sha256.js';
import { SiteLogFileError, type SiteLogState } from './site-log-file.js';
import { EVENT_COLUMNS, type EventRow, examineRow } from './site-log-row.js';

/** Events at the end of a log that are proved before it is written again: where a crash would have left its mark. */
export const TAIL_EVENTS_MAX = 1024;

/**
 * Proves the last events of the current epoch against their leaf hashes and against the tree edge, as far as the edge speaks
 * of them alone. Returns the reading of the last one's clock. Throws `SiteLogFileError` naming the position of what is
 * damaged.
 */
export function verifyTail(db: DatabaseSync, file: string, state: SiteLogState): bigint {
  const { epoch, size } = state;
  const before = Math.max(state.keptAfter, size - TAIL_EVENTS_MAX, 0);
  const rows = db
    .prepare(`SELECT ${EVENT_COLUMNS} FROM event WHERE key > ? ORDER BY key`)
    .all(placeKey({ epoch, position: before })) as unknown as readonly EventRow[];
  let recordedAt = 0n;
  rows.forEach((row, index) => {
    const position = before + 1 + index;
    if (row.key !== placeKey({ epoch, position })) {
      const next = placeOfKey(row.key);
      throw damaged(
        file,
        position,
        `the event is missing; the next one is at ${next.epoch}/${next.position}`,
      );
    }
    const { header, damages } = examineRow(row, state.site);
    const [damage] = damages;
    if (damage !== undefined) throw damaged(file, position, `${damage.code}: ${damage.detail}`);
    recordedAt = header?.recordedAt ?? recordedAt;
  });
  const last = before + rows.length;
  if (last !== size) throw damaged(file, size, `the log ends at ${last}, its size is ${size}`);
  verifyEdge(file, state, rows, before);
  return recordedAt;
}

/** Leaves after the last multiple of 1024 make up the small end of the edge on their own. */
function verifyEdge(file: string, state: SiteLogState, rows: readonly EventRow[], before: number): void {
  const aligned = state.size - (state.size % TAIL_EVENTS_MAX);
  const isKept = aligned >= state.keptAfter;
  const first = isKept ? aligned : state.keptAfter;
  const leafHashes = rows.slice(first - before).map(row => row.leaf_hash);
  const end = isKept
    ? extendEdge([], 0, leafHashes, sha256)
    : extendEdge(state.keptEdge, first, leafHashes, sha256);
  const stored = state.edge.slice(state.edge.length - end.length);
  if (end.every((hash, index) => equalBytes(hash, stored[index]!))) return;
  throw damaged(file, first + 1, `the stored tree edge is not that of the events from here on`);
}

function damaged(file: string, position: number, detail: string): SiteLogFileError {
  return new SiteLogFileError('DAMAGED', file, `position ${position}: ${detail}`, { position });
}
