import {
  type EventHeader,
  type ExpectedRevision,
  encodeHeader,
  HEADER_BYTES_MIN,
  headerOffsets,
  type NewEvent,
  readUuid,
  type StreamAppend,
  UUID_BYTES,
} from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';

/**
 * How an append crosses from the callers' thread to the writer's: one run of bytes, so that it can be
 * written into memory that both share and nothing is cloned field by field. Headers are complete but for the place in the log, which
 * the writer fills in. Both ends are the same program, so this is no format that anyone must keep.
 */
export interface AppendFrame {
  readonly streams: readonly FramedStream[];
  /** The wall clock when it was called, in milliseconds since the Unix epoch. */
  readonly nowMs: number;
  readonly byteLength: number;
}

export interface FramedStream {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: readonly FramedEvent[];
}

export interface FramedEvent {
  readonly header: Uint8Array;
  readonly data: Uint8Array;
}

/** u32 length of the frame, f64 wall clock, u16 number of streams. */
const FRAME_PREFIX_BYTES = 14;
/** f64 expected revision, u16 number of events, u16 bytes of the stream's name. */
const STREAM_PREFIX_BYTES = 12;
/** u16 bytes of the header, u32 bytes of the data. */
const EVENT_PREFIX_BYTES = 6;
/** Bytes that one UTF-16 unit becomes at most; a pair of them becomes four. */
const UTF8_BYTES_MAX = 3;
const EXPECTED_ANY = -2;
const EXPECTED_NONE = -1;

/** So many bytes are enough for the frame: known without encoding it, some more than it will have. */
export function frameBytesBound(appends: readonly StreamAppend[]): number {
  let bound = FRAME_PREFIX_BYTES;
  for (const { stream, events } of appends) {
    const streamBytesBound = stream.length * UTF8_BYTES_MAX;
    bound += STREAM_PREFIX_BYTES + streamBytesBound;
    for (const { type, actor, data } of events) {
      const textBytesBound = streamBytesBound + (type.length + actor.length) * UTF8_BYTES_MAX;
      bound += EVENT_PREFIX_BYTES + HEADER_BYTES_MIN + textBytesBound + 2 * UUID_BYTES + data.length;
    }
  }
  return bound;
}

/**
 * Writes the frame to `offset` in `target`, where `frameBytesBound` bytes are free. Returns its length. Throws
 * `EnvelopeError` when an event does not fit into a header.
 */
export function encodeAppendFrame(
  appends: readonly StreamAppend[],
  log: { readonly site: SiteId; readonly epoch: number; readonly nowMs: number },
  target: Buffer,
  offset = 0,
): number {
  const { site, epoch, nowMs } = log;
  let end = target.writeDoubleBE(nowMs, offset + 4);
  end = target.writeUInt16BE(appends.length, end);
  for (const { stream, expected, events } of appends) {
    end = target.writeDoubleBE(encodeExpected(expected), end);
    end = target.writeUInt16BE(events.length, end);
    const nameByteLength = target.write(stream, end + 2);
    end = target.writeUInt16BE(nameByteLength, end) + nameByteLength;
    for (const event of events) {
      const headerOffset = end + EVENT_PREFIX_BYTES;
      const { length: headerByteLength } = encodeHeader(
        unplacedHeader(event, stream, site, epoch),
        byteLength => viewOf(target, headerOffset, headerOffset + byteLength),
      );
      end = target.writeUInt16BE(headerByteLength, end);
      end = target.writeUInt32BE(event.data.length, end) + headerByteLength;
      target.set(event.data, end);
      end += event.data.length;
    }
  }
  target.writeUInt32BE(end - offset, offset);
  return end - offset;
}

/** Field by field: a spread costs as much as the rest of the encoding. */
function unplacedHeader(event: NewEvent, stream: string, site: SiteId, epoch: number): EventHeader {
  return {
    id: event.id,
    type: event.type,
    version: event.version,
    actor: event.actor,
    occurredAtMs: event.occurredAtMs,
    clockQuality: event.clockQuality,
    causationId: event.causationId,
    correlationId: event.correlationId,
    stream,
    site,
    epoch,
    position: 1,
    revision: 0,
    recordedAt: 0n,
  };
}

/** As `subarray`, but a plain array: making a `Buffer` takes several times as long. */
function viewOf(bytes: Buffer, begin: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + begin, end - begin);
}

/** The frame that stands at `offset`. Its events are views of the bytes. */
export function decodeAppendFrame(bytes: Buffer, offset = 0): AppendFrame {
  const streams: FramedStream[] = [];
  const byteLength = bytes.readUInt32BE(offset);
  const nowMs = bytes.readDoubleBE(offset + 4);
  let at = offset + FRAME_PREFIX_BYTES;
  for (let left = bytes.readUInt16BE(at - 2); left > 0; left -= 1) {
    const expected = decodeExpected(bytes.readDoubleBE(at));
    const count = bytes.readUInt16BE(at + 8);
    const nameEnd = at + STREAM_PREFIX_BYTES + bytes.readUInt16BE(at + 10);
    const stream = bytes.toString('utf8', at + STREAM_PREFIX_BYTES, nameEnd);
    at = nameEnd;
    const events: FramedEvent[] = [];
    for (let event = 0; event < count; event += 1) {
      const headerEnd = at + EVENT_PREFIX_BYTES + bytes.readUInt16BE(at);
      const dataEnd = headerEnd + bytes.readUInt32BE(at + 2);
      events.push({
        header: viewOf(bytes, at + EVENT_PREFIX_BYTES, headerEnd),
        data: viewOf(bytes, headerEnd, dataEnd),
      });
      at = dataEnd;
    }
    streams.push({ stream, expected, events });
  }
  return { streams, nowMs, byteLength };
}

/** Writes the place that the log gives an event into its header. */
export function placeEvent(
  header: Uint8Array,
  place: { readonly position: number; readonly revision: number; readonly recordedAt: bigint },
): void {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  view.setBigUint64(headerOffsets.position, BigInt(place.position));
  view.setBigUint64(headerOffsets.revision, BigInt(place.revision));
  view.setBigUint64(headerOffsets.recordedAt, place.recordedAt);
}

export function eventIdOf(event: FramedEvent): EventId {
  return readUuid(event.header, headerOffsets.id) as EventId;
}

function encodeExpected(expected: ExpectedRevision): number {
  if (expected === 'any') return EXPECTED_ANY;
  return expected === 'none' ? EXPECTED_NONE : expected;
}

function decodeExpected(code: number): ExpectedRevision {
  if (code === EXPECTED_ANY) return 'any';
  return code === EXPECTED_NONE ? 'none' : code;
}
