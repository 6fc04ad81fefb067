import { UUID_BYTES, writeUuid } from '@holdfast/core';

export const LENGTH_BYTES = 4;
/** What UTF-8 takes for a UTF-16 unit at most. */
export const UTF8_BYTES_MAX = 3;
const NULL_LENGTH = -1;
/** Enough for a number, an id and a length; texts ask for more. */
const VALUE_BYTES_MAX = 32;

/** Writes rows of PostgreSQL's binary COPY format: for each the number of columns, then each column as its length and its bytes. */
export class CopyRowWriter {
  #buffer: Buffer;
  #offset = 0;

  /** It grows when more is written. */
  constructor(byteLength: number) {
    this.#buffer = Buffer.allocUnsafeSlow(byteLength + VALUE_BYTES_MAX);
  }

  begin(columnCount: number): void {
    this.#makeRoom(VALUE_BYTES_MAX);
    this.#offset = this.#buffer.writeInt16BE(columnCount, this.#offset);
  }

  none(): void {
    this.#makeRoom(VALUE_BYTES_MAX);
    this.#offset = this.#buffer.writeInt32BE(NULL_LENGTH, this.#offset);
  }

  boolean(value: boolean): void {
    this.#makeRoom(VALUE_BYTES_MAX);
    this.#offset = this.#buffer.writeInt32BE(1, this.#offset);
    this.#offset = this.#buffer.writeUInt8(value ? 1 : 0, this.#offset);
  }

  int4(value: number): void {
    this.#makeRoom(VALUE_BYTES_MAX);
    this.#offset = this.#buffer.writeInt32BE(4, this.#offset);
    this.#offset = this.#buffer.writeInt32BE(value, this.#offset);
  }

  /** A safe integer. */
  int8(value: number): void {
    this.#makeRoom(VALUE_BYTES_MAX);
    const high = Math.floor(value / 2 ** 32);
    this.#offset = this.#buffer.writeInt32BE(8, this.#offset);
    this.#offset = this.#buffer.writeInt32BE(high, this.#offset);
    this.#offset = this.#buffer.writeUInt32BE(value - high * 2 ** 32, this.#offset);
  }

  bigint(value: bigint): void {
    this.#makeRoom(VALUE_BYTES_MAX);
    this.#offset = this.#buffer.writeInt32BE(8, this.#offset);
    this.#offset = this.#buffer.writeBigInt64BE(value, this.#offset);
  }

  /** False when this is no UUID in lower case: then the row is not to be used. */
  uuid(value: string): boolean {
    this.#makeRoom(VALUE_BYTES_MAX);
    this.#offset = this.#buffer.writeInt32BE(UUID_BYTES, this.#offset);
    if (!writeUuid(value, this.#buffer, this.#offset)) return false;
    this.#offset += UUID_BYTES;
    return true;
  }

  /** Postgres text holds no NUL. Half of a surrogate pair becomes U+FFFD. */
  text(value: string): void {
    const storable = value.includes('\0') ? value.replaceAll('\0', '\uFFFD') : value;
    this.#makeRoom(LENGTH_BYTES + storable.length * UTF8_BYTES_MAX);
    const byteLength = this.#buffer.write(storable, this.#offset + LENGTH_BYTES);
    this.#buffer.writeInt32BE(byteLength, this.#offset);
    this.#offset += LENGTH_BYTES + byteLength;
  }

  bytes(value: Uint8Array): void {
    this.#makeRoom(LENGTH_BYTES + value.length);
    this.#offset = this.#buffer.writeInt32BE(value.length, this.#offset);
    this.#buffer.set(value, this.#offset);
    this.#offset += value.length;
  }

  written(): Uint8Array {
    return this.#buffer.subarray(0, this.#offset);
  }

  #makeRoom(byteLength: number): void {
    if (this.#offset + byteLength <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(this.#buffer.length * 2 + byteLength);
    this.#buffer.copy(larger, 0, 0, this.#offset);
    this.#buffer = larger;
  }
}
