import type { DatabaseSync } from 'node:sqlite';
import { equalBytes, extendEdge } from '@holdfast/core';
import { sha256 } from './sha256.js';
import { SiteLogFileError, type SiteLogState } from './site-log-file.js';
import { EVENT_COLUMNS, type EventRow, examineRow } from './site-log-row.js';

/** Events at the end of a log that are proved before it is written again: where a crash would have left its mark. */
export const TAIL_EVENTS_MAX = 1024;

/**
 * Proves the last events against their leaf hashes and against the tree edge, as far as the edge speaks of them alone.
 * Returns the reading of the last one's clock. Throws `SiteLogFileError` naming the position of what is damaged.
 */
export function verifyTail(db: DatabaseSync, file: string, state: SiteLogState): bigint {
  const rows = db
    .prepare(`SELECT ${EVENT_COLUMNS} FROM event WHERE position > ? ORDER BY position`)
    .all(Math.max(0, state.size - TAIL_EVENTS_MAX)) as unknown as readonly EventRow[];
  const first = Math.max(0, state.size - TAIL_EVENTS_MAX) + 1;
  let recordedAt = 0n;
  rows.forEach((row, index) => {
    const position = first + index;
    if (row.position !== position) {
      throw damaged(file, position, `the event is missing; the next one is at ${row.position}`);
    }
    const { header, damages } = examineRow(row, state);
    const [damage] = damages;
    if (damage !== undefined) throw damaged(file, position, `${damage.code}: ${damage.detail}`);
    recordedAt = header?.recordedAt ?? recordedAt;
  });
  const last = rows.at(-1)?.position ?? 0;
  if (last !== state.size)
    throw damaged(file, state.size, `the log ends at ${last}, its size is ${state.size}`);
  verifyEdge(file, state, rows);
  return recordedAt;
}

/** Leaves after the last multiple of 1024 make up the small end of the edge on their own. */
function verifyEdge(file: string, state: SiteLogState, rows: readonly EventRow[]): void {
  const count = state.size % TAIL_EVENTS_MAX;
  const leafHashes = rows.slice(rows.length - count).map(row => row.leaf_hash);
  const end = count === 0 ? [] : extendEdge([], 0, leafHashes, sha256);
  const stored = state.edge.slice(state.edge.length - end.length);
  if (end.every((hash, index) => equalBytes(hash, stored[index]!))) return;
  throw damaged(file, state.size - count + 1, `the stored tree edge is not that of the last ${count} events`);
}

function damaged(file: string, position: number, detail: string): SiteLogFileError {
  return new SiteLogFileError('DAMAGED', file, `position ${position}: ${detail}`, { position });
}
