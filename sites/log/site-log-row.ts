import {
  decodeHeader,
  EnvelopeError,
  EVENT_DATA_BYTES_MAX,
  type EventHeader,
  equalBytes,
  HASH_BYTES,
  headerOffsets,
  leafHashOf,
  placeOfKey,
  UUID_BYTES,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { sha256 } from './sha256.js';

/** A row of the table `event`. */
export interface EventRow {
  /** Epoch × 2⁴⁰ + position. */
  readonly key: number;
  readonly id: Uint8Array;
  readonly stream: string;
  readonly revision: number;
  readonly header: Uint8Array;
  readonly data: Uint8Array;
  readonly leaf_hash: Uint8Array;
}

export const EVENT_COLUMNS = 'key, id, stream, revision, header, data, leaf_hash';

export type RowDamage =
  /** A column holds nothing, or what no writer puts there: a torn page. */
  | 'ROW_MALFORMED'
  | 'HEADER_MALFORMED'
  | 'DATA_TOO_LARGE'
  /** Header or data are not the bytes that were hashed when they were written. */
  | 'LEAF_HASH_MISMATCH'
  /** A column says something else than the header. */
  | 'COLUMN_MISMATCH'
  | 'WRONG_SITE';

export interface NamedRowDamage {
  readonly code: RowDamage;
  readonly detail: string;
}

/** Everything that is wrong with a row by itself. `header` is null when it cannot be read. */
export function examineRow(
  row: EventRow,
  site: SiteId,
): { readonly header: EventHeader | null; readonly damages: readonly NamedRowDamage[] } {
  const damages: NamedRowDamage[] = [];
  if (!isRow(row)) {
    damages.push({ code: 'ROW_MALFORMED', detail: 'a column holds what no writer puts there' });
    return { header: null, damages };
  }
  if (row.data.length > EVENT_DATA_BYTES_MAX) {
    damages.push({ code: 'DATA_TOO_LARGE', detail: `${row.data.length} bytes of data` });
  }
  if (!equalBytes(leafHashOf(row.header, row.data, sha256), row.leaf_hash)) {
    damages.push({
      code: 'LEAF_HASH_MISMATCH',
      detail: 'header and data are not the bytes that were hashed when they were written',
    });
  }
  const header = readHeader(row.header, damages);
  if (header === null) return { header, damages };
  if (header.site !== site) damages.push({ code: 'WRONG_SITE', detail: `the header names ${header.site}` });
  const { epoch, position } = placeOfKey(row.key);
  const idInHeader = row.header.subarray(headerOffsets.id, headerOffsets.id + UUID_BYTES);
  const differing = [
    header.epoch === epoch && header.position === position
      ? null
      : `it stands at ${epoch}/${position}, the header says ${header.epoch}/${header.position}`,
    header.revision === row.revision
      ? null
      : `revision is ${row.revision}, the header says ${header.revision}`,
    header.stream === row.stream ? null : `stream is '${row.stream}', the header says '${header.stream}'`,
    equalBytes(row.id, idInHeader) ? null : `id differs from ${header.id}`,
  ];
  for (const detail of differing) if (detail !== null) damages.push({ code: 'COLUMN_MISMATCH', detail });
  return { header, damages };
}

/** Whether the columns have the types that SQLite was told; it does not look when it reads a page. */
function isRow(row: EventRow): boolean {
  const blobs: readonly unknown[] = [row.id, row.header, row.data, row.leaf_hash];
  if (!blobs.every(blob => blob instanceof Uint8Array) || row.leaf_hash.length !== HASH_BYTES) return false;
  return typeof row.stream === 'string' && typeof row.revision === 'number';
}

function readHeader(header: Uint8Array, damages: NamedRowDamage[]): EventHeader | null {
  try {
    return decodeHeader(header);
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    damages.push({ code: 'HEADER_MALFORMED', detail: error.message });
    return null;
  }
}
