import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { EVENT_DATA_BYTES_MAX, HEADER_BYTES_MAX, HEADER_BYTES_MIN } from '@holdfast/core';

/** How the bytes of a frame are packed. */
export type FrameCodec = 'IDENTITY' | 'ZSTD';

/** Events of one frame as they travel. `events` is what `codec` made of `rawByteLength` bytes. */
export interface PackedEvents {
  readonly count: number;
  readonly codec: FrameCodec;
  readonly rawByteLength: number;
  readonly events: Uint8Array;
}

/** The stored bytes of one event: nothing that crossed a wire is believed before it was hashed again. */
export interface EventBytes {
  readonly header: Uint8Array;
  readonly data: Uint8Array;
}

/** Large enough that the cost of a message vanishes, small enough to be 0.1 s of a 10 Mbit/s link. */
export const FRAME_RAW_BYTES_TARGET = 128 * 1024;
/** The largest event fits with room to spare; what claims more is not unpacked. */
export const FRAME_RAW_BYTES_MAX = 512 * 1024;
const LENGTH_BYTES = 4;
const EVENT_OVERHEAD_BYTES = 2 * LENGTH_BYTES;
/** What an event costs at least: bounds how many a frame of a given size can claim to hold. */
export const EVENT_RAW_BYTES_MIN = EVENT_OVERHEAD_BYTES + HEADER_BYTES_MIN;
/** A compressed frame is never much larger than a raw one: RFC 8878 adds some bytes for each block of 128 KiB. */
const COMPRESSION_OVERHEAD_BYTES_MAX = 1024;
/** Below this, some live events are not worth the start of a compressor here and of another one there. */
const COMPRESSION_BYTES_MIN = 2048;
/** Level 1: events are repetitive JSON, higher levels cost several times as much for a tenth. */
const zstdOptions = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };
/** From here on Node gives a buffer memory of its own, not a part of its pool. */
const UNPOOLED_BYTES_MIN = Buffer.poolSize >>> 1;

/** A frame whose bytes are not what it says they are. */
export class FrameMalformedError extends Error {
  override readonly name = 'FrameMalformedError';
  readonly code = 'FRAME_MALFORMED';
}

/** Cuts a page of events into frames of about `FRAME_RAW_BYTES_TARGET`, in order, each with at least one event. */
export function* cutIntoFrames<Event extends EventBytes>(
  events: readonly Event[],
): Generator<readonly Event[]> {
  let first = 0;
  let bytes = 0;
  for (const [index, event] of events.entries()) {
    const length = rawLengthOf(event);
    if (index > first && bytes + length > FRAME_RAW_BYTES_TARGET) {
      yield events.slice(first, index);
      first = index;
      bytes = 0;
    }
    bytes += length;
  }
  if (first < events.length) yield events.slice(first);
}

/** Packs the stored bytes of events as they are. `mayCompress`: the receiver has said that it reads zstd. */
export function packEvents(events: readonly EventBytes[], mayCompress: boolean): PackedEvents {
  const rawByteLength = events.reduce((sum, event) => sum + rawLengthOf(event), 0);
  const raw = Buffer.allocUnsafe(rawByteLength);
  let offset = 0;
  for (const { header, data } of events) {
    offset = raw.writeUInt32BE(header.length, offset);
    raw.set(header, offset);
    offset = raw.writeUInt32BE(data.length, offset + header.length);
    raw.set(data, offset);
    offset += data.length;
  }
  const count = events.length;
  if (!mayCompress || rawByteLength < COMPRESSION_BYTES_MIN) {
    return { count, codec: 'IDENTITY', rawByteLength, events: raw };
  }
  const compressed = zstdCompressSync(raw, zstdOptions);
  return compressed.length < rawByteLength
    ? { count, codec: 'ZSTD', rawByteLength, events: compressed }
    : { count, codec: 'IDENTITY', rawByteLength, events: raw };
}

/** Null when the numbers of a frame can be true; else what is wrong. Cheap, so that it is asked when a frame arrives. */
export function faultOfFrame(frame: PackedEvents): string | null {
  const { count, rawByteLength, events } = frame;
  if (!Number.isInteger(rawByteLength) || rawByteLength > FRAME_RAW_BYTES_MAX) {
    return `${rawByteLength} bytes in one frame, at most ${FRAME_RAW_BYTES_MAX}`;
  }
  if (!Number.isInteger(count) || count < 1 || count * EVENT_RAW_BYTES_MIN > rawByteLength) {
    return `${count} events in ${rawByteLength} bytes`;
  }
  if (events.length > rawByteLength + COMPRESSION_OVERHEAD_BYTES_MAX) {
    return `${events.length} bytes for ${rawByteLength}`;
  }
  return null;
}

/** The events of a frame, as views into one buffer. Throws `FrameMalformedError`. */
export function unpackEvents(frame: PackedEvents): EventBytes[] {
  const fault = faultOfFrame(frame);
  if (fault !== null) throw new FrameMalformedError(fault);
  const raw = unpackRaw(frame);
  if (raw.length !== frame.rawByteLength) {
    throw new FrameMalformedError(`${raw.length} bytes where ${frame.rawByteLength} were stated`);
  }
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const events: EventBytes[] = [];
  let offset = 0;
  const take = (what: string, bytesMax: number): Uint8Array => {
    const start = offset + LENGTH_BYTES;
    if (start > raw.length) throw new FrameMalformedError(`ends within a length at byte ${offset}`);
    const length = view.getUint32(offset);
    if (length > bytesMax) throw new FrameMalformedError(`${what} of ${length} bytes at byte ${offset}`);
    if (start + length > raw.length)
      throw new FrameMalformedError(`ends within the ${what} at byte ${offset}`);
    offset = start + length;
    return raw.subarray(start, offset);
  };
  while (offset < raw.length) {
    const header = take('header', HEADER_BYTES_MAX);
    events.push({ header, data: take('data', EVENT_DATA_BYTES_MAX) });
  }
  if (events.length !== frame.count) {
    throw new FrameMalformedError(`${events.length} events where ${frame.count} were stated`);
  }
  return events;
}

function unpackRaw(frame: PackedEvents): Uint8Array {
  if (frame.codec === 'IDENTITY') return plain(frame.events);
  try {
    const { rawByteLength: maxOutputLength } = frame;
    // Into one piece that fits; a byte more, or the end of what fills it is not seen.
    const chunkSize = Math.max(maxOutputLength + 1, UNPOOLED_BYTES_MIN);
    const unpacked = zstdDecompressSync(frame.events, { maxOutputLength, chunkSize });
    const { length } = unpacked;
    // What unpacked them keeps their memory until the next full collection: it is taken from it, and no pool has a part in it.
    return new Uint8Array(unpacked.buffer.transfer(length));
  } catch (cause) {
    throw new FrameMalformedError(`not ${frame.rawByteLength} bytes of zstd: ${(cause as Error).message}`, {
      cause,
    });
  }
}

/** A Buffer is a Uint8Array, but does not compare as one. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function rawLengthOf(event: EventBytes): number {
  return EVENT_OVERHEAD_BYTES + event.header.length + event.data.length;
}
