import { type RecordedEvent, UUID_BYTES, writeUuid } from '@holdfast/core';

/** The columns of `replica_event`, in the order in which a row has them. */
export const REPLICA_EVENT_COLUMNS =
  'seq, site, epoch, position, id, stream, revision, type, version, recorded_at, occurred_at_ms, clock_quality, actor, causation_id, correlation_id, header, data, leaf_hash';
const COLUMN_COUNT = 18;
const LENGTH_BYTES = 4;
const NULL_LENGTH = -1;
/** Some 200 KB: as much as a socket takes at once. */
const EVENTS_PER_SLICE = 250;
/** What UTF-8 takes for a UTF-16 unit at most. */
const UTF8_BYTES_MAX = 3;
/** Of a row: the number of columns, the lengths, five numbers of 8 bytes, two of 4, four ids. */
const FIXED_BYTES = 2 + COLUMN_COUNT * LENGTH_BYTES + 5 * 8 + 2 * 4 + 4 * UUID_BYTES;

/** Events as rows of PostgreSQL's binary COPY format, the first under `firstSeq`. */
export function encodeReplicaEvents(events: readonly RecordedEvent[], firstSeq: number): Uint8Array {
  const rows = new RowWriter(events.reduce((sum, event) => sum + rowBytesMax(event), 0));
  for (const [index, event] of events.entries()) {
    rows.begin(COLUMN_COUNT);
    rows.int8(firstSeq + index);
    rows.uuid(event.site);
    rows.int4(event.epoch);
    rows.int8(event.position);
    rows.uuid(event.id);
    rows.text(event.stream);
    rows.int8(event.revision);
    rows.text(event.type);
    rows.int4(event.version);
    rows.bigint(event.recordedAt);
    rows.int8(event.occurredAtMs);
    rows.text(event.clockQuality);
    rows.text(event.actor);
    rows.uuid(event.causationId);
    rows.uuid(event.correlationId);
    rows.bytes(event.header);
    rows.bytes(event.data);
    rows.bytes(event.leafHash);
  }
  return rows.written();
}

/** The same in slices, each encoded when it is asked for. */
export function* encodeInSlices(events: readonly RecordedEvent[], firstSeq: number): Generator<Uint8Array> {
  for (let from = 0; from < events.length; from += EVENTS_PER_SLICE) {
    yield encodeReplicaEvents(events.slice(from, from + EVENTS_PER_SLICE), firstSeq + from);
  }
}

function rowBytesMax(event: RecordedEvent): number {
  const { stream, type, clockQuality, actor, header, data, leafHash } = event;
  const characters = stream.length + type.length + clockQuality.length + actor.length;
  return FIXED_BYTES + characters * UTF8_BYTES_MAX + header.length + data.length + leafHash.length;
}

class RowWriter {
  readonly #buffer: Buffer;
  #offset = 0;

  constructor(byteLengthMax: number) {
    this.#buffer = Buffer.allocUnsafeSlow(byteLengthMax);
  }

  begin(columnCount: number): void {
    this.#offset = this.#buffer.writeInt16BE(columnCount, this.#offset);
  }

  int4(value: number): void {
    this.#offset = this.#buffer.writeInt32BE(4, this.#offset);
    this.#offset = this.#buffer.writeInt32BE(value, this.#offset);
  }

  /** A safe integer that is not negative. */
  int8(value: number): void {
    this.#offset = this.#buffer.writeInt32BE(8, this.#offset);
    this.#offset = this.#buffer.writeUInt32BE(Math.floor(value / 2 ** 32), this.#offset);
    this.#offset = this.#buffer.writeUInt32BE(value % 2 ** 32, this.#offset);
  }

  bigint(value: bigint): void {
    this.#offset = this.#buffer.writeInt32BE(8, this.#offset);
    this.#offset = this.#buffer.writeBigInt64BE(value, this.#offset);
  }

  uuid(value: string | null): void {
    if (value === null) {
      this.#offset = this.#buffer.writeInt32BE(NULL_LENGTH, this.#offset);
      return;
    }
    this.#offset = this.#buffer.writeInt32BE(UUID_BYTES, this.#offset);
    if (!writeUuid(value, this.#buffer, this.#offset)) throw new RangeError(`${value} is no UUID`);
    this.#offset += UUID_BYTES;
  }

  /** Postgres text holds no NUL. The stored `header` keeps what was really written. */
  text(value: string): void {
    const storable = value.includes('\0') ? value.replaceAll('\0', '\uFFFD') : value;
    const byteLength = this.#buffer.write(storable, this.#offset + LENGTH_BYTES);
    this.#buffer.writeInt32BE(byteLength, this.#offset);
    this.#offset += LENGTH_BYTES + byteLength;
  }

  bytes(value: Uint8Array): void {
    this.#offset = this.#buffer.writeInt32BE(value.length, this.#offset);
    this.#buffer.set(value, this.#offset);
    this.#offset += value.length;
  }

  written(): Uint8Array {
    return this.#buffer.subarray(0, this.#offset);
  }
}
