import {
  type CodedPicture,
  PICTURE_BYTES_MAX,
  type PictureReceiver,
  type VideoDepacketiser,
} from './coded-picture.js';
import { MediaMemory } from './media-memory.js';
import { type RtpPacket, RtpSequence } from './rtp-packet.js';

/** H.264 allows 32 + 256; a camera sends two or three. */
const PARAMETER_SETS_MAX = 16;

/** How one codec writes its NAL units, and packs them into RTP. A `unit` is its first bytes. */
export interface NalSyntax {
  /** Of a unit's header; what stands before aggregated units and before the header of a fragment is as long. */
  readonly headerByteLength: 1 | 2;
  packetKind(firstByte: number): 'UNIT' | 'AGGREGATE' | 'FRAGMENT' | 'UNKNOWN';
  /** Of a unit that begins with the fragment at `start`: writes its header to `start + 1`. */
  restoreHeader(bytes: Uint8Array, start: number): void;
  unitKind(unit: Uint8Array): 'SLICE' | 'PARAMETER_SET' | 'DELIMITER' | 'RECOVERY_POINT' | 'OTHER';
  beginsPicture(slice: Uint8Array): boolean;
  /** `recoveryPoint`: it stands behind a unit of that kind in its picture. */
  isKeySlice(slice: Uint8Array, recoveryPoint: boolean): boolean;
}

/**
 * Pictures that are sent as NAL units: a unit in a packet, several in one (aggregated), one in several (fragmented).
 *
 * A picture ends at the marker bit or where the timestamp changes, because cameras exist that never set the marker. Others
 * set it after every slice: the first slice that continues a picture after its marker shows that, and from then on only
 * the timestamp counts. A picture with a missing piece is dropped whole.
 *
 * Of the packets that it is given it keeps nothing: what belongs to a picture is copied.
 */
export class NalDepacketiser implements VideoDepacketiser {
  readonly #syntax: NalSyntax;
  readonly #receiver: PictureReceiver;
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
  /** Of the unit whose fragments arrive, with its header. `null`: there is none. */
  #unitByteLength: number | null = null;
  #parameterSets: Uint8Array[] = [];

  constructor(syntax: NalSyntax, receiver: PictureReceiver) {
    this.#syntax = syntax;
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
    const kind = this.#syntax.packetKind(bytes[start]!);
    if (kind === 'FRAGMENT') this.#fragment(bytes, start, end);
    else if (kind === 'AGGREGATE') this.#aggregate(bytes, start, end);
    else if (kind === 'UNIT') this.#whole(bytes, start, end);
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
    let offset = start + this.#syntax.headerByteLength;
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
    const { headerByteLength } = this.#syntax;
    const dataStart = start + headerByteLength + 1;
    if (end < dataStart) {
      this.#damaged = true;
      return;
    }
    const header = bytes[dataStart - 1]!;
    if (header & 0x80) {
      if (this.#unitByteLength !== null) {
        this.#damaged = true;
        this.#dropUnit();
      }
      // The unit's header goes over the end of the fragment's, so that both are one copy.
      this.#syntax.restoreHeader(bytes, start);
      this.#memory.beginUnit();
      this.#memory.append(bytes, start + 1, end);
      this.#unitByteLength = end - start - 1;
    } else if (this.#unitByteLength === null) {
      this.#damaged = true;
      return;
    } else if (this.#unitByteLength + end - dataStart > PICTURE_BYTES_MAX) {
      this.#damaged = true;
      this.#dropUnit();
      return;
    } else {
      this.#memory.append(bytes, dataStart, end);
      this.#unitByteLength += end - dataStart;
    }
    if (header & 0x40) this.#endUnit(this.#unitByteLength);
  }

  /** The unit that was begun in memory is complete. */
  #endUnit(length: number): void {
    this.#unitByteLength = null;
    const beginning = this.#memory.unitBeginning();
    const kind = this.#syntax.unitKind(beginning);
    if (kind === 'PARAMETER_SET') {
      const unit = this.#memory.takeUnit();
      if (this.#parameterSets.length < PARAMETER_SETS_MAX) this.#parameterSets.push(unit);
      return;
    }
    if (kind === 'DELIMITER') {
      this.#memory.cancelUnit();
      return;
    }
    if (kind === 'SLICE') this.#slice(beginning);
    else if (kind === 'RECOVERY_POINT') this.#recoveryPoint = true;
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
  #slice(unit: Uint8Array): void {
    if (!this.#hasSlice && !this.#syntax.beginsPicture(unit)) {
      if (this.#timestamp === this.#endedTimestamp) this.#markerTrusted = false;
      if (this.#beginningUnsure || !this.#markerTrusted) this.#damaged = true;
    }
    this.#beginningUnsure = false;
    this.#hasSlice = true;
    if (this.#syntax.isKeySlice(unit, this.#recoveryPoint)) this.#keyFrame = true;
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
        size: null,
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
