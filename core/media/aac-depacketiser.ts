import { AUDIO_BLOCK_BYTE_LENGTH, type AudioDepacketiser, type AudioReceiver } from './audio-frame.js';
import { BitReader } from './bit-reader.js';
import { concatenated, copyOf, MediaMemory } from './media-memory.js';
import { type RtpPacket, RtpSequence } from './rtp-packet.js';

/** RFC 3640 §3.3.6, from the `fmtp` line. */
export interface AacPacking {
  readonly sizeLength: number;
  readonly indexLength: number;
  readonly indexDeltaLength: number;
  /** Length of one access unit in RTP clock ticks. */
  readonly ticksPerFrame: number;
}

/** 13 bits of length, RFC 3640 AAC-hbr. */
const FRAME_BYTES_MAX = 8192;

/** RFC 3640 in mode AAC-hbr: one or several access units in a packet, or one access unit in several packets. Keeps nothing of a packet. */
export class AacDepacketiser implements AudioDepacketiser {
  readonly #packing: AacPacking;
  readonly #receiver: AudioReceiver;
  readonly #sequence = new RtpSequence();
  readonly #memory = new MediaMemory(AUDIO_BLOCK_BYTE_LENGTH);
  #partial: {
    size: number;
    length: number;
    readonly timestamp: number;
    readonly pieces: Uint8Array[];
  } | null = null;

  constructor(packing: AacPacking, receiver: AudioReceiver) {
    this.#packing = packing;
    this.#receiver = receiver;
  }

  packet(packet: RtpPacket, arrivalMs: number): void {
    const verdict = this.#sequence.next(packet);
    if (verdict === 'OLD') return;
    if (verdict === 'GAP') {
      this.#partial = null;
      this.#receiver.lost(1);
    }
    const { bytes, payloadStart: start, payloadEnd: end } = packet;
    const headerBits = end - start < 2 ? 0 : (bytes[start]! << 8) | bytes[start + 1]!;
    const dataStart = start + 2 + Math.ceil(headerBits / 8);
    const sizes = dataStart > end ? [] : this.#sizes(bytes.subarray(start + 2, dataStart), headerBits);
    if (sizes.length === 0) {
      this.#receiver.lost(1);
      return;
    }
    if (sizes.length === 1 && (sizes[0]! > end - dataStart || this.#partial !== null))
      this.#piece(packet, arrivalMs, sizes[0]!, dataStart);
    else this.#wholes(packet, arrivalMs, sizes, dataStart);
  }

  #sizes(header: Uint8Array, bitCount: number): number[] {
    const { sizeLength, indexLength, indexDeltaLength } = this.#packing;
    const reader = new BitReader(header);
    const sizes: number[] = [];
    let used = 0;
    while (used + sizeLength + (sizes.length === 0 ? indexLength : indexDeltaLength) <= bitCount) {
      const index = sizes.length === 0 ? indexLength : indexDeltaLength;
      sizes.push(reader.bits(sizeLength));
      reader.skip(index);
      used += sizeLength + index;
    }
    return sizes;
  }

  #wholes(packet: RtpPacket, arrivalMs: number, sizes: readonly number[], dataStart: number): void {
    let offset = dataStart;
    let timestamp = packet.timestamp;
    for (const size of sizes) {
      if (offset + size > packet.payloadEnd) {
        this.#receiver.lost(1);
        return;
      }
      if (size > 0) {
        const copy = this.#memory.copy(packet.bytes, offset, offset + size);
        this.#receiver.frame({
          rtpTimestamp: timestamp,
          arrivalMs,
          bytes: copy?.parts[0] ?? copyOf(packet.bytes, offset, offset + size),
          lease: copy?.lease ?? null,
        });
      }
      offset += size;
      timestamp = (timestamp + this.#packing.ticksPerFrame) >>> 0;
    }
  }

  #piece(packet: RtpPacket, arrivalMs: number, size: number, dataStart: number): void {
    if (this.#partial !== null && this.#partial.timestamp !== packet.timestamp) {
      this.#partial = null;
      this.#receiver.lost(1);
    }
    this.#partial ??= { size, length: 0, timestamp: packet.timestamp, pieces: [] };
    const piece = copyOf(packet.bytes, dataStart, packet.payloadEnd);
    this.#partial.pieces.push(piece);
    this.#partial.length += piece.length;
    const { length, pieces } = this.#partial;
    if (length < size && length <= FRAME_BYTES_MAX) return;
    this.#partial = null;
    if (length !== size) {
      this.#receiver.lost(1);
      return;
    }
    const bytes = concatenated(pieces);
    this.#receiver.frame({ rtpTimestamp: packet.timestamp, arrivalMs, bytes, lease: null });
  }
}
