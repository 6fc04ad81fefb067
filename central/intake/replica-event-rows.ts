import { type RecordedEvent, UUID_BYTES } from '@holdfast/core';
import { CopyRowWriter, LENGTH_BYTES, UTF8_BYTES_MAX } from '../postgres/copy-row-writer.js';

/** What the rows are copied into: the table, and its columns in the order in which a row has them. */
export const REPLICA_EVENT_ROWS =
  'replica_event (seq, site, epoch, position, id, stream, revision, type, version, recorded_at, occurred_at_ms, clock_quality, actor, causation_id, correlation_id, header, data, leaf_hash)';
const COLUMN_COUNT = 18;
/** Some 200 KB: as much as a socket takes at once. */
const EVENTS_PER_SLICE = 250;
/** Of a row: the number of columns, the lengths, five numbers of 8 bytes, two of 4, four ids. */
const FIXED_BYTES = 2 + COLUMN_COUNT * LENGTH_BYTES + 5 * 8 + 2 * 4 + 4 * UUID_BYTES;

/** Events as rows of PostgreSQL's binary COPY format, the first under `firstSeq`. */
export function encodeReplicaEvents(events: readonly RecordedEvent[], firstSeq: number): Uint8Array {
  const rows = new CopyRowWriter(events.reduce((sum, event) => sum + rowBytesMax(event), 0));
  for (const [index, event] of events.entries()) {
    rows.begin(COLUMN_COUNT);
    rows.int8(firstSeq + index);
    idOf(rows, event.site);
    rows.int4(event.epoch);
    rows.int8(event.position);
    idOf(rows, event.id);
    rows.text(event.stream);
    rows.int8(event.revision);
    rows.text(event.type);
    rows.int4(event.version);
    rows.bigint(event.recordedAt);
    rows.int8(event.occurredAtMs);
    rows.text(event.clockQuality);
    rows.text(event.actor);
    idOf(rows, event.causationId);
    idOf(rows, event.correlationId);
    rows.bytes(event.header);
    rows.bytes(event.data);
    rows.bytes(event.leafHash);
  }
  return rows.written();
}

function idOf(rows: CopyRowWriter, id: string | null): void {
  if (id === null) rows.none();
  else if (!rows.uuid(id)) throw new RangeError(`${id} is no UUID`);
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
