import {
  type ExpectedRevision,
  encodeHeader,
  headerOffsets,
  readUuid,
  type StreamAppend,
} from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';

/**
 * How an append crosses from the callers' thread to the writer's: one run of bytes, so that many travel in one
 * transferred buffer and nothing is cloned field by field. Headers are complete but for the place in the log, which
 * the writer fills in. Both ends are the same program, so this is no format that anyone must keep.
 */
export interface AppendFrame {
  readonly streams: readonly FramedStream[];
  readonly eventCount: number;
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

/** u32 length of the frame, u16 number of streams. */
const FRAME_PREFIX_BYTES = 6;
/** f64 expected revision, u16 number of events, u16 bytes of the stream's name. */
const STREAM_PREFIX_BYTES = 12;
/** u16 bytes of the header, u32 bytes of the data. */
const EVENT_PREFIX_BYTES = 6;
const EXPECTED_ANY = -2;
const EXPECTED_NONE = -1;

/** Throws `EnvelopeError` when an event does not fit into a header. */
export function encodeAppendFrame(
  appends: readonly StreamAppend[],
  log: { readonly site: SiteId; readonly epoch: number },
): Buffer {
  const encoded = appends.map(({ stream, expected, events }) => ({
    name: Buffer.from(stream),
    expected,
    events: events.map(event => ({
      header: encodeHeader(
        { ...event, ...log, stream, position: 1, revision: 0, recordedAt: 0n },
        // From Node's pool: a memory block of its own for each header is what the collector would be busy with.
        Buffer.allocUnsafe,
      ),
      data: event.data,
    })),
  }));
  let byteLength = FRAME_PREFIX_BYTES;
  for (const { name, events } of encoded) {
    byteLength += STREAM_PREFIX_BYTES + name.length;
    for (const { header, data } of events) byteLength += EVENT_PREFIX_BYTES + header.length + data.length;
  }
  const frame = Buffer.allocUnsafe(byteLength);
  let offset = frame.writeUInt32BE(byteLength, 0);
  offset = frame.writeUInt16BE(encoded.length, offset);
  for (const { name, expected, events } of encoded) {
    offset = frame.writeDoubleBE(encodeExpected(expected), offset);
    offset = frame.writeUInt16BE(events.length, offset);
    offset = frame.writeUInt16BE(name.length, offset);
    frame.set(name, offset);
    offset += name.length;
    for (const { header, data } of events) {
      offset = frame.writeUInt16BE(header.length, offset);
      offset = frame.writeUInt32BE(data.length, offset);
      frame.set(header, offset);
      frame.set(data, offset + header.length);
      offset += header.length + data.length;
    }
  }
  return frame;
}

/** The frames that stand one behind the other in a buffer. Their events are views of it. */
export function* decodeAppendFrames(frames: Uint8Array): Generator<AppendFrame, void, undefined> {
  const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.byteLength);
  for (let offset = 0; offset < bytes.length; ) {
    const byteLength = bytes.readUInt32BE(offset);
    yield decodeAppendFrame(bytes.subarray(offset, offset + byteLength));
    offset += byteLength;
  }
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

function decodeAppendFrame(bytes: Buffer): AppendFrame {
  const streams: FramedStream[] = [];
  let eventCount = 0;
  let offset = FRAME_PREFIX_BYTES;
  for (let left = bytes.readUInt16BE(4); left > 0; left -= 1) {
    const expected = decodeExpected(bytes.readDoubleBE(offset));
    const count = bytes.readUInt16BE(offset + 8);
    const nameEnd = offset + STREAM_PREFIX_BYTES + bytes.readUInt16BE(offset + 10);
    const stream = bytes.toString('utf8', offset + STREAM_PREFIX_BYTES, nameEnd);
    offset = nameEnd;
    const events: FramedEvent[] = [];
    for (let event = 0; event < count; event += 1) {
      const headerEnd = offset + EVENT_PREFIX_BYTES + bytes.readUInt16BE(offset);
      const dataEnd = headerEnd + bytes.readUInt32BE(offset + 2);
      events.push({
        header: bytes.subarray(offset + EVENT_PREFIX_BYTES, headerEnd),
        data: bytes.subarray(headerEnd, dataEnd),
      });
      offset = dataEnd;
    }
    eventCount += count;
    streams.push({ stream, expected, events });
  }
  return { streams, eventCount, byteLength: bytes.length };
}

function encodeExpected(expected: ExpectedRevision): number {
  if (expected === 'any') return EXPECTED_ANY;
  return expected === 'none' ? EXPECTED_NONE : expected;
}

function decodeExpected(code: number): ExpectedRevision {
  if (code === EXPECTED_ANY) return 'any';
  return code === EXPECTED_NONE ? 'none' : code;
}
