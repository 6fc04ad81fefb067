import { type RtpPacket, RtpSequence } from './rtp-packet.js';

/** One coded picture as it was transmitted, before it has a wall clock time. */
export interface CodedPicture {
  readonly rtpTimestamp: number;
  readonly arrivalMs: number;
  readonly keyFrame: boolean;
  /** NAL units, each behind its 4-byte length; without parameter sets and access unit delimiters. */
  readonly parts: readonly Uint8Array[];
  readonly byteLength: number;
  /** Parameter sets that were sent since the picture before. */
  readonly parameterSets: readonly Uint8Array[];
}

export interface H264Receiver {
  picture(picture: CodedPicture): void;
  lost(accessUnitCount: number): void;
}

/** A key frame of an 8K camera stays below 4 MiB; beyond this a camera never ends its pictures. */
const PICTURE_BYTES_MAX = 8 * 1024 * 1024;
/** H.264 allows 32 + 256; a camera sends two. */
const PARAMETER_SETS_MAX = 16;

/** `$`, channel and length (RFC 2326 §10.12) stand before each packet. */
const INTERLEAVED_HEADER_BYTES = 4;

const NAL_SLICE = 1;
const NAL_IDR_SLICE = 5;
const NAL_SEI = 6;
const NAL_SPS = 7;
const NAL_PPS = 8;
const NAL_DELIMITER = 9;
const STAP_A = 24;
const FU_A = 28;

/**
 * RFC 6184, packetisation modes 0 and 1: single NAL units (§5.6), STAP-A (§5.7.1), FU-A (§5.8).
 *
 * A picture ends at the marker bit or where the timestamp changes, because cameras exist that never set the marker. Others
 * set it after every slice: the first slice that continues a picture after its marker shows that, and from then on only
 * the timestamp counts. A picture with a missing piece is dropped whole.
 *
 * It writes into the packets that it is given: NAL lengths and headers go over RTP headers that have been read, and
 * fragments that lie behind one another in memory are pushed together over them.
 */
export class H264Depacketiser {
  readonly #receiver: H264Receiver;
  readonly #sequence = new RtpSequence();
  #markerTrusted = true;
  #open = false;
  #damaged = false;
  #timestamp = 0;
  #endedTimestamp = -1;
  #arrivalMs = 0;
  #keyFrame = false;
  #recoveryPoint = false;
  #hasSlice = false;
  #beginningUnsure = false;
  /** A gap between two pictures: either the next turns out to be damaged, or a whole picture was lost. */
  #lossUncounted = false;
  #parts: Uint8Array[] = [];
  #byteLength = 0;
  #parameterSets: Uint8Array[] = [];
  readonly #unit = new UnitAssembly();

  constructor(receiver: H264Receiver) {
    this.#receiver = receiver;
  }

  packet(packet: RtpPacket, arrivalMs: number): void {
    const verdict = this.#sequence.next(packet);
    if (verdict === 'OLD') return;
    if (verdict === 'GAP') this.#gap();
    if (this.#open && packet.timestamp !== this.#timestamp) this.#end();
    this.#open = true;
    this.#timestamp = packet.timestamp;
    this.#arrivalMs = arrivalMs;
    if (packet.payloadEnd > packet.payloadStart) this.#payload(packet);
    if (packet.marker && this.#markerTrusted && (this.#hasSlice || this.#damaged)) this.#end();
  }

  /** The connection is gone: a picture without its end is incomplete. */
  close(): void {
    if (this.#open && (this.#hasSlice || this.#damaged || this.#unit.isOpen)) this.#receiver.lost(1);
    this.#reset();
  }

  #gap(): void {
    if (this.#open && (this.#hasSlice || this.#unit.isOpen)) this.#damaged = true;
    else this.#lossUncounted = true;
    this.#beginningUnsure = true;
    this.#unit.drop();
  }

  #payload(packet: RtpPacket): void {
    const { bytes, payloadStart: start, payloadEnd: end } = packet;
    const type = bytes[start]! & 0x1f;
    if (type === FU_A) this.#fragment(packet);
    else if (type === STAP_A) this.#aggregate(bytes, start, end);
    else if (type >= 1 && type < STAP_A) {
      this.#whole(bytes, start, end);
    } else this.#damaged = true;
  }

  #whole(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    writeLength(bytes, start - 4, length);
    this.#wholeUnit(bytes[start]! & 0x1f, [bytes.subarray(start - 4, end)], length, bytes, start, end);
  }

  #aggregate(bytes: Uint8Array, start: number, end: number): void {
    let offset = start + 1;
    while (offset + 2 <= end) {
      const length = (bytes[offset]! << 8) | bytes[offset + 1]!;
      const unitStart = offset + 2;
      if (length === 0 || unitStart + length > end) {
        this.#damaged = true;
        return;
      }
      const prefix = new Uint8Array(4);
      writeLength(prefix, 0, length);
      const unitEnd = unitStart + length;
      const parts = [prefix, bytes.subarray(unitStart, unitEnd)];
      this.#wholeUnit(bytes[unitStart]! & 0x1f, parts, length, bytes, unitStart, unitEnd);
      offset = unitEnd;
    }
  }

  #fragment(packet: RtpPacket): void {
    const { bytes, payloadStart: start, payloadEnd: end } = packet;
    if (end - start < 2) {
      this.#damaged = true;
      return;
    }
    const header = bytes[start + 1]!;
    if (header & 0x80) {
      if (this.#unit.isOpen) this.#damaged = true;
      bytes[start + 1] = (bytes[start]! & 0xe0) | (header & 0x1f);
      this.#unit.begin(packet);
    } else if (!this.#unit.isOpen) {
      this.#damaged = true;
      return;
    } else if (this.#unit.byteLength + end - start - 2 > PICTURE_BYTES_MAX) {
      this.#damaged = true;
      this.#unit.drop();
      return;
    } else this.#unit.append(packet);
    if (header & 0x40) {
      const length = this.#unit.byteLength;
      const parts = this.#unit.finish();
      const first = parts[0]!;
      this.#wholeUnit(header & 0x1f, parts, length, first, 4, first.length);
    }
  }

  /** `bytes[start, end)`: the unit, or its first piece. */
  #wholeUnit(
    type: number,
    parts: readonly Uint8Array[],
    length: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    if (type === NAL_DELIMITER) return;
    if (type === NAL_SPS || type === NAL_PPS) {
      if (this.#parameterSets.length < PARAMETER_SETS_MAX) this.#parameterSets.push(join(parts, length));
      return;
    }
    if (type >= NAL_SLICE && type <= NAL_IDR_SLICE) this.#slice(type, bytes, start, end);
    else if (type === NAL_SEI && saysRecoveryPoint(bytes, start, end)) this.#recoveryPoint = true;
    if (this.#byteLength + length + 4 > PICTURE_BYTES_MAX) {
      this.#damaged = true;
      this.#parts = [];
      return;
    }
    for (const part of parts) this.#parts.push(part);
    this.#byteLength += length + 4;
  }

  #slice(type: number, bytes: Uint8Array, start: number, end: number): void {
    // first_mb_in_slice is ue(v): its first bit is 1 exactly when it is 0, which is where a picture begins.
    const beginsPicture = end - start > 1 && bytes[start + 1]! >= 0x80;
    if (!this.#hasSlice && !beginsPicture) {
      if (this.#timestamp === this.#endedTimestamp) this.#markerTrusted = false;
      if (this.#beginningUnsure || !this.#markerTrusted) this.#damaged = true;
    }
    this.#beginningUnsure = false;
    this.#hasSlice = true;
    if (type === NAL_IDR_SLICE || (type === NAL_SLICE && this.#recoveryPoint && isIntraSlice(bytes, start)))
      this.#keyFrame = true;
  }

  #end(): void {
    if (this.#unit.isOpen) this.#damaged = true;
    if (this.#damaged || (this.#hasSlice && this.#lossUncounted)) {
      this.#lossUncounted = false;
      this.#receiver.lost(1);
    }
    if (!this.#damaged && this.#hasSlice) {
      const picture: CodedPicture = {
        rtpTimestamp: this.#timestamp,
        arrivalMs: this.#arrivalMs,
        keyFrame: this.#keyFrame,
        parts: this.#parts,
        byteLength: this.#byteLength,
        parameterSets: this.#parameterSets,
      };
      this.#parameterSets = [];
      this.#endedTimestamp = this.#timestamp;
      this.#reset();
      this.#receiver.picture(picture);
      return;
    }
    this.#endedTimestamp = this.#timestamp;
    this.#reset();
  }

  /** Parameter sets stay: they may come in a packet of their own with another timestamp. */
  #reset(): void {
    this.#open = false;
    this.#damaged = false;
    this.#keyFrame = false;
    this.#recoveryPoint = false;
    this.#hasSlice = false;
    this.#parts = [];
    this.#byteLength = 0;
    this.#unit.drop();
  }
}

/**
 * A NAL unit while its fragments arrive (FU-A). Packets that were read one behind the other, with nothing of another stream
 * between, become one piece of memory: a view for each packet would outlive the youngest garbage by thousands a second.
 */
class UnitAssembly {
  #parts: Uint8Array[] = [];
  #whole: Uint8Array | null = null;
  #partStart = 0;
  #partEnd = 0;
  /** Where the packet before ended, before its payload was moved. */
  #packetEnd = 0;
  #byteLength = 0;

  get isOpen(): boolean {
    return this.#whole !== null;
  }

  /** Without the length before it. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** The unit's header already stands where the FU header stood; its length goes into the four bytes before. */
  begin(packet: RtpPacket): void {
    this.#parts = [];
    this.#byteLength = packet.payloadEnd - packet.payloadStart - 1;
    this.#open(packet, packet.payloadStart - 3);
  }

  append(packet: RtpPacket): void {
    const { bytes } = packet;
    const length = packet.payloadEnd - packet.payloadStart - 2;
    this.#byteLength += length;
    const follows =
      bytes.buffer === this.#whole!.buffer &&
      bytes.byteOffset + packet.start - INTERLEAVED_HEADER_BYTES === this.#packetEnd;
    if (!follows) {
      this.#close();
      this.#open(packet, packet.payloadStart + 2);
      return;
    }
    const source = bytes.byteOffset + packet.payloadStart + 2;
    this.#whole!.copyWithin(this.#partEnd, source, source + length);
    this.#partEnd += length;
    this.#packetEnd = bytes.byteOffset + packet.payloadEnd;
  }

  /** The unit behind its length. */
  finish(): readonly Uint8Array[] {
    this.#close();
    const parts = this.#parts;
    writeLength(parts[0]!, 0, this.#byteLength);
    this.drop();
    return parts;
  }

  drop(): void {
    this.#parts = [];
    this.#whole = null;
    this.#byteLength = 0;
  }

  #open(packet: RtpPacket, start: number): void {
    const { bytes } = packet;
    if (this.#whole?.buffer !== bytes.buffer) this.#whole = new Uint8Array(bytes.buffer);
    this.#partStart = bytes.byteOffset + start;
    this.#partEnd = bytes.byteOffset + packet.payloadEnd;
    this.#packetEnd = this.#partEnd;
  }

  #close(): void {
    this.#parts.push(this.#whole!.subarray(this.#partStart, this.#partEnd));
  }
}

function writeLength(bytes: Uint8Array, offset: number, length: number): void {
  bytes[offset] = length >>> 24;
  bytes[offset + 1] = (length >>> 16) & 0xff;
  bytes[offset + 2] = (length >>> 8) & 0xff;
  bytes[offset + 3] = length & 0xff;
}

/** The NAL unit in one piece, without its length. */
function join(parts: readonly Uint8Array[], length: number): Uint8Array {
  const joined = new Uint8Array(length + 4);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined.subarray(4);
}

/** SEI payload type 6 (§D.1.8): cameras with gradual refresh send it where decoding may begin without an IDR picture. */
function saysRecoveryPoint(bytes: Uint8Array, start: number, end: number): boolean {
  let offset = start + 1;
  while (offset + 2 < end) {
    const type = bytes[offset]!;
    const size = bytes[offset + 1]!;
    if (type === 6) return true;
    if (type === 0xff || size === 0xff) return false;
    offset += 2 + size;
  }
  return false;
}

/** slice_type 2 or 7 (§7.4.3) behind first_mb_in_slice 0, read from one byte: `1` + ue(2) = `011`, ue(7) = `0001000`. */
function isIntraSlice(bytes: Uint8Array, start: number): boolean {
  const byte = bytes[start + 1] ?? 0;
  return (byte & 0xf0) === 0xb0 || byte === 0x88;
}
