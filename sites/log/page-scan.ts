import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import type { SiteId } from '@holdfast/schema';
import { type EventRow, examineRow } from './site-log-row.js';

/** Of every log that this software makes: SQLite's own default. */
const PAGE_BYTES = 4096;
/** SQLite file format §1.6: a page with rows of a table. */
const TABLE_LEAF = 0x0d;
const LEAF_HEADER_BYTES = 8;
/** The file's own header, before that of the first page. */
const FILE_HEADER_BYTES = 100;
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** Data of an event, with its header: more is none. */
const PAYLOAD_BYTES_MAX = 2 * 1024 * 1024;

/** Serial types of the columns of `event` that are always the same: the key, which is the row's number, the id, the leaf hash. */
const [KEY_TYPE, ID_TYPE, LEAF_HASH_TYPE] = [0, 12 + 2 * 16, 12 + 2 * 32];
const COLUMN_COUNT = 7;

/**
 * Events on the pages of a damaged file that no table leads to any more, in no order, each proved by its leaf hash. Among them may be
 * what was removed or replaced before: pages are given back with their content.
 */
export function* scanPages(file: string, site: SiteId): Generator<EventRow, void, undefined> {
  const pages = new Pages(file);
  try {
    for (let page = 1; page <= pages.count; page += 1) {
      for (const row of rowsOfLeaf(pages.read(page), page, pages)) {
        if (examineRow(row, site).damages.length === 0) yield row;
      }
    }
  } finally {
    pages.close();
  }
}

/** The pages of a file as of the last commit in its write-ahead log. */
class Pages {
  readonly #file: number;
  readonly #inWal: ReadonlyMap<number, Buffer>;
  readonly count: number;

  constructor(file: string) {
    this.#inWal = pagesInWal(`${file}-wal`);
    this.#file = openSync(file, 'r');
    this.count = Math.max(Math.ceil(fstatSync(this.#file).size / PAGE_BYTES), ...this.#inWal.keys());
  }

  /** Zeros where there is nothing, or the disk does not give it. */
  read(page: number): Buffer {
    const newer = this.#inWal.get(page);
    if (newer !== undefined) return newer;
    const bytes = Buffer.alloc(PAGE_BYTES);
    try {
      readSync(this.#file, bytes, 0, PAGE_BYTES, (page - 1) * PAGE_BYTES);
    } catch {
      bytes.fill(0);
    }
    return bytes;
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** SQLite file format §4: what was committed, the newest of each page. Frames of an older life of the file have other salts. */
function pagesInWal(file: string): ReadonlyMap<number, Buffer> {
  const pages = new Map<number, Buffer>();
  let wal: Buffer;
  try {
    wal = readFileSync(file);
  } catch {
    return pages;
  }
  const uncommitted = new Map<number, Buffer>();
  const salts = wal.subarray(16, 24);
  for (let at = WAL_HEADER_BYTES; ; at += FRAME_HEADER_BYTES + PAGE_BYTES) {
    const content = wal.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + PAGE_BYTES);
    if (content.length < PAGE_BYTES || !wal.subarray(at + 8, at + 16).equals(salts)) return pages;
    uncommitted.set(wal.readUInt32BE(at), content);
    if (wal.readUInt32BE(at + 4) === 0) continue;
    for (const [page, bytes] of uncommitted) pages.set(page, bytes);
    uncommitted.clear();
  }
}

function* rowsOfLeaf(bytes: Buffer, page: number, pages: Pages): Generator<EventRow, void, undefined> {
  const start = page === 1 ? FILE_HEADER_BYTES : 0;
  if (bytes[start] !== TABLE_LEAF) return;
  const count = bytes.readUInt16BE(start + 3);
  for (let index = 0; index < count; index += 1) {
    const pointerAt = start + LEAF_HEADER_BYTES + 2 * index;
    if (pointerAt + 2 > PAGE_BYTES) return;
    const row = rowAt(bytes, bytes.readUInt16BE(pointerAt), pages);
    if (row !== null) yield row;
  }
}

/** Null: it is none, or a part of it is gone. */
function rowAt(bytes: Buffer, at: number, pages: Pages): EventRow | null {
  const length = varint(bytes, at);
  const key = length === null ? null : varint(bytes, length.end);
  if (length === null || key === null || length.value > PAYLOAD_BYTES_MAX) return null;
  const payload = payloadAt(bytes, { at: key.end, byteLength: length.value, pages });
  const columns = payload === null ? null : columnsOf(payload);
  if (columns === null) return null;
  const [id, stream, revision, header, data, leafHash] = columns;
  return {
    key: key.value,
    ...{ id: id!, header: header!, data: data!, leaf_hash: leafHash! },
    ...{
      stream: stream!.toString(),
      revision: revision!.length === 0 ? 0 : revision!.readUIntBE(0, revision!.length),
    },
  };
}

/** SQLite file format §1.6: what does not fit into the page goes on in a chain of others. */
function payloadAt(
  bytes: Buffer,
  { at, byteLength, pages }: { readonly at: number; readonly byteLength: number; readonly pages: Pages },
): Buffer | null {
  const localMax = PAGE_BYTES - 35;
  const localMin = Math.floor(((PAGE_BYTES - 12) * 32) / 255) - 23;
  const fitting = localMin + ((byteLength - localMin) % (PAGE_BYTES - 4));
  const spilled = fitting <= localMax ? fitting : localMin;
  const local = byteLength <= localMax ? byteLength : spilled;
  const parts = [bytes.subarray(at, at + local)];
  let left = byteLength - local;
  let next = left > 0 && at + local + 4 <= PAGE_BYTES ? bytes.readUInt32BE(at + local) : 0;
  while (left > 0 && next > 0 && next <= pages.count) {
    const page = pages.read(next);
    parts.push(page.subarray(4, 4 + Math.min(left, PAGE_BYTES - 4)));
    left -= PAGE_BYTES - 4;
    next = page.readUInt32BE(0);
  }
  const payload = Buffer.concat(parts);
  return payload.length === byteLength ? payload : null;
}

/** SQLite file format §2.1. The columns of `event` behind the key; null: it is a row of another table. */
function columnsOf(payload: Buffer): readonly Buffer[] | null {
  const headerLength = varint(payload, 0);
  if (headerLength === null) return null;
  const types: number[] = [];
  for (let at = headerLength.end; at < headerLength.value; ) {
    const type = varint(payload, at);
    if (type === null || types.length === COLUMN_COUNT) return null;
    types.push(type.value);
    at = type.end;
  }
  if (types[0] !== KEY_TYPE || types[1] !== ID_TYPE || types[COLUMN_COUNT - 1] !== LEAF_HASH_TYPE)
    return null;
  let at = headerLength.value;
  const columns = types.slice(1).map(type => {
    const byteLength = byteLengthOf(type);
    at += byteLength;
    // The constant 1 has a type of its own, and no bytes.
    return type === 9 ? Buffer.from([1]) : payload.subarray(at - byteLength, at);
  });
  return at === payload.length ? columns : null;
}

function byteLengthOf(type: number): number {
  if (type >= 12) return Math.floor((type - 12) / 2);
  return [0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0][type]!;
}

function varint(bytes: Buffer, start: number): { readonly value: number; readonly end: number } | null {
  let value = 0;
  for (let at = start; at < Math.min(start + 8, bytes.length); at += 1) {
    value = value * 128 + (bytes[at]! & 0x7f);
    if (bytes[at]! < 0x80) return { value, end: at + 1 };
  }
  return null;
}
