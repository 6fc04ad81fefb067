import {
  type ClockQuality,
  decodeHeader,
  EnvelopeError,
  type EventHeader,
  equalBytes,
  leafHashOf,
} from '@holdfast/core';
import type { EventId } from '@holdfast/schema';
import { sha256 } from '@holdfast/sites';

/** A row of `replica_event`. */
export interface ReplicaRow {
  readonly seq: number;
  readonly site: string;
  readonly epoch: number;
  readonly position: number;
  readonly id: EventId;
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
  readonly version: number;
  /** As text: the hybrid clock does not fit a number. */
  readonly recordedAt: string;
  readonly occurredAtMs: number;
  readonly clockQuality: ClockQuality;
  readonly actor: string;
  readonly causationId: EventId | null;
  readonly correlationId: EventId | null;
  readonly header: Uint8Array;
  readonly data: Uint8Array;
  readonly leafHash: Uint8Array;
}

export type ReplicaRowDamage =
  /** The header is none. */
  | 'HEADER_MALFORMED'
  /** Header or data are not the bytes that were hashed when they were taken in. */
  | 'LEAF_HASH_MISMATCH'
  /** A column says something else than the header. */
  | 'COLUMN_MISMATCH';

export interface NamedReplicaRowDamage {
  readonly code: ReplicaRowDamage;
  readonly detail: string;
}

/** Everything that is wrong with a row by itself. */
export function examineReplicaRow(row: ReplicaRow): readonly NamedReplicaRowDamage[] {
  const damages: NamedReplicaRowDamage[] = [];
  if (!equalBytes(leafHashOf(row.header, row.data, sha256), row.leafHash)) {
    const detail = 'header and data are not the bytes that were hashed when they were taken in';
    damages.push({ code: 'LEAF_HASH_MISMATCH', detail });
  }
  let header: EventHeader;
  try {
    header = decodeHeader(row.header);
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    return [...damages, { code: 'HEADER_MALFORMED', detail: error.message }];
  }
  for (const column of columns) {
    const expected = column === 'recordedAt' ? header.recordedAt.toString() : header[column];
    if (row[column] === expected) continue;
    const detail = `${column} is ${JSON.stringify(row[column])}, the header says ${JSON.stringify(expected)}`;
    damages.push({ code: 'COLUMN_MISMATCH', detail });
  }
  return damages;
}

const columns = [
  ...(['site', 'epoch', 'position', 'id', 'stream', 'revision', 'type', 'version', 'recordedAt'] as const),
  ...(['occurredAtMs', 'clockQuality', 'actor', 'causationId', 'correlationId'] as const),
] satisfies readonly (keyof EventHeader & keyof ReplicaRow)[];
