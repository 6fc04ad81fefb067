import { readUuid, UUID_BYTES } from '@holdfast/core';
import { COPY_HEADER } from './copy-into.js';
import { LENGTH_BYTES } from './copy-row-writer.js';

const COUNT_BYTES = 2;
const NO_MORE_ROWS = -1;

/**
 * Reads rows of PostgreSQL's binary COPY format, column by column in their order. Of columns that are never null: what is read of
 * another type than the column has is nonsense.
 */
export class CopyRowReader {
  #bytes: Buffer = COPY_HEADER;
  #offset = 0;
  #isBegun = false;
  readonly #knownUuids = new Map<string, string>();

  /** Of the next message of PostgreSQL's, which holds one row. False at the end of the copy. */
  begin(message: Buffer): boolean {
    this.#bytes = message;
    this.#offset = this.#isBegun ? 0 : COPY_HEADER.length;
    this.#isBegun = true;
    const columnCount = message.readInt16BE(this.#offset);
    this.#offset += COUNT_BYTES;
    return columnCount !== NO_MORE_ROWS;
  }

  /** Of the row as it was sent. */
  get byteLength(): number {
    return this.#bytes.length;
  }

  int4(): number {
    const at = this.#offset + LENGTH_BYTES;
    this.#offset = at + 4;
    return this.#bytes.readInt32BE(at);
  }

  /** Throws `RangeError` beyond the safe integers. */
  int8(): number {
    const at = this.#offset + LENGTH_BYTES;
    this.#offset = at + 8;
    const value = this.#bytes.readInt32BE(at) * 2 ** 32 + this.#bytes.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value))
      throw new RangeError(`bigint ${this.#bytes.readBigInt64BE(at)} does not fit a number`);
    return value;
  }

  /** For UUIDs of which few come again and again: one string of each. */
  knownUuid(): string {
    const at = this.#offset + LENGTH_BYTES;
    const key = this.#bytes.toString('latin1', at, at + UUID_BYTES);
    const known = this.#knownUuids.get(key);
    if (known === undefined) {
      const uuid = this.uuid();
      this.#knownUuids.set(key, uuid);
      return uuid;
    }
    this.#offset = at + UUID_BYTES;
    return known;
  }

  /** Throws `RangeError` at a UUID of another kind than ours are. */
  uuid(): string {
    const at = this.#offset + LENGTH_BYTES;
    this.#offset = at + UUID_BYTES;
    const uuid = readUuid(this.#bytes, at);
    if (uuid === null) {
      throw new RangeError(`${this.#bytes.toString('hex', at, at + UUID_BYTES)} is no UUID of RFC 9562`);
    }
    return uuid;
  }

  /** Also of bytes that are no UTF-8: U+FFFD stands for those. */
  text(): string {
    const at = this.#offset + LENGTH_BYTES;
    const end = at + this.#bytes.readInt32BE(this.#offset);
    this.#offset = end;
    return this.#bytes.toString('utf8', at, end);
  }
}
