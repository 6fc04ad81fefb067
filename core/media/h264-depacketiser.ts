import { type MediaLease, MediaMemory } from './media-memory.js';
import { type RtpPacket, RtpSequence } from './rtp-packet.js';

/** One coded picture as it was transmitted, before it has a wall clock time. */
export interface CodedPicture {
  readonly rtpTimestamp: number;
  readonly arrivalMs: number;
  readonly keyFrame: boolean;
  /** NAL units, each behind its 4-byte length; without parameter sets and access unit delimiters. */
  readonly parts: readonly Uint8Array[];
  readonly byteLength: number;
  /** On the memory of the parts. */
  readonly lease: MediaLease;
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
 * Of the packets that it is given it keeps nothing: what belongs to a picture is copied.
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
  readonly #memory = new MediaMemory();
  #byteLength = 0;
  /** Of the unit whose fragments arrive (FU-A), with its header. `null`: there is none. */
  #unitByteLength: number | null = null;
  #parameterSets: Uint8Array[] = [];

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
    if (this.#open && (this.#hasSlice || this.#damaged || this.#unitByteLength !== null))
      this.#receiver.lost(1);
    this.#reset();
  }

  #gap(): void {
    if (this.#open && (this.#hasSlice || this.#unitByteLength !== null)) this.#damaged = true;
    else this.#lossUncounted = true;
    this.#beginningUnsure = true;
    this.#dropUnit();
  }

  #payload(packet: RtpPacket): void {
    const { bytes, payloadStart: start, payloadEnd: end } = packet;
    const type = bytes[start]! & 0x1f;
    if (type === FU_A) this.#fragment(bytes, start, end);
    else if (type === STAP_A) this.#aggregate(bytes, start, end);
    else if (type >= 1 && type < STAP_A) this.#whole(bytes, start, end);
    else this.#damaged = true;
  }

  #whole(bytes: Uint8Array, start: number, end: number): void {
    if (this.#unitByteLength !== null) {
      this.#damaged = true;
      this.#dropUnit();
    }
    this.#memory.beginUnit();
    this.#memory.append(bytes, start, end);
    this.#endUnit(end - start);
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
      this.#whole(bytes, unitStart, unitStart + length);
      offset = unitStart + length;
    }
  }

  #fragment(bytes: Uint8Array, start: number, end: number): void {
    if (end - start < 2) {
      this.#damaged = true;
      return;
    }
    const header = bytes[start + 1]!;
    if (header & 0x80) {
      if (this.#unitByteLength !== null) {
        this.#damaged = true;
        this.#dropUnit();
      }
      // The unit's header goes over the second byte of the fragment's, so that both are one copy.
      bytes[start + 1] = (bytes[start]! & 0xe0) | (header & 0x1f);
      this.#memory.beginUnit();
      this.#memory.append(bytes, start + 1, end);
      this.#unitByteLength = end - start - 1;
    } else if (this.#unitByteLength === null) {
      this.#damaged = true;
      return;
    } else if (this.#unitByteLength + end - start - 2 > PICTURE_BYTES_MAX) {
      this.#damaged = true;
      this.#dropUnit();
      return;
    } else {
      this.#memory.append(bytes, start + 2, end);
      this.#unitByteLength += end - start - 2;
    }
    if (header & 0x40) this.#endUnit(this.#unitByteLength);
  }

  /** The unit that was begun in memory is complete. */
  #endUnit(length: number): void {
    this.#unitByteLength = null;
    const beginning = this.#memory.unitBeginning();
    const type = beginning[0]! & 0x1f;
    if (type === NAL_SPS || type === NAL_PPS) {
      const unit = this.#memory.takeUnit();
      if (this.#parameterSets.length < PARAMETER_SETS_MAX) this.#parameterSets.push(unit);
      return;
    }
    if (type === NAL_DELIMITER) {
      this.#memory.cancelUnit();
      return;
    }
    if (type >= NAL_SLICE && type <= NAL_IDR_SLICE) this.#slice(type, beginning);
    else if (type === NAL_SEI && saysRecoveryPoint(beginning)) this.#recoveryPoint = true;
    if (this.#byteLength + length + 4 > PICTURE_BYTES_MAX) {
      this.#damaged = true;
      this.#memory.cancelUnit();
      return;
    }
    this.#memory.endUnit(length);
    this.#byteLength += length + 4;
  }

  #dropUnit(): void {
    if (this.#unitByteLength !== null) this.#memory.cancelUnit();
    this.#unitByteLength = null;
  }

  /** `unit`: its first bytes. */
  #slice(type: number, unit: Uint8Array): void {
    // first_mb_in_slice is ue(v): its first bit is 1 exactly when it is 0, which is where a picture begins.
    const beginsPicture = unit.length > 1 && unit[1]! >= 0x80;
    if (!this.#hasSlice && !beginsPicture) {
      if (this.#timestamp === this.#endedTimestamp) this.#markerTrusted = false;
      if (this.#beginningUnsure || !this.#markerTrusted) this.#damaged = true;
    }
    this.#beginningUnsure = false;
    this.#hasSlice = true;
    if (type === NAL_IDR_SLICE || (type === NAL_SLICE && this.#recoveryPoint && isIntraSlice(unit)))
      this.#keyFrame = true;
  }

  #end(): void {
    if (this.#unitByteLength !== null) this.#damaged = true;
    if (this.#damaged || (this.#hasSlice && this.#lossUncounted)) {
      this.#lossUncounted = false;
      this.#receiver.lost(1);
    }
    if (!this.#damaged && this.#hasSlice) {
      const { parts, lease } = this.#memory.finish();
      const picture: CodedPicture = {
        rtpTimestamp: this.#timestamp,
        arrivalMs: this.#arrivalMs,
        keyFrame: this.#keyFrame,
        parts,
        byteLength: this.#byteLength,
        lease,
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
    this.#byteLength = 0;
    this.#unitByteLength = null;
    this.#memory.drop();
  }
}

/** SEI payload type 6 (§D.1.8): cameras with gradual refresh send it where decoding may begin without an IDR picture. */
function saysRecoveryPoint(unit: Uint8Array): boolean {
  let offset = 1;
  while (offset + 2 < unit.length) {
    const type = unit[offset]!;
    const size = unit[offset + 1]!;
    if (type === 6) return true;
    if (type === 0xff || size === 0xff) return false;
    offset += 2 + size;
  }
  return false;
}

/** slice_type 2 or 7 (§7.4.3) behind first_mb_in_slice 0, read from one byte: `1` + ue(2) = `011`, ue(7) = `0001000`. */
function isIntraSlice(unit: Uint8Array): boolean {
  const byte = unit[1] ?? 0;
  return (byte & 0xf0) === 0xb0 || byte === 0x88;
}
