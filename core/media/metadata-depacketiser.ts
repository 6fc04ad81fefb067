import type { AudioReceiver } from './audio-frame.js';
import { copyOf } from './media-memory.js';
import { type RtpPacket, RtpSequence } from './rtp-packet.js';

/** A scene with hundreds of objects is tens of kilobytes. */
const DOCUMENT_BYTES_MAX = 1024 * 1024;

/** ONVIF Streaming Specification §5.1.2.1.1: one XML document in one packet or several; the marker is on its last. Keeps nothing of a packet. */
export class MetadataDepacketiser {
  readonly #receiver: AudioReceiver;
  readonly #sequence = new RtpSequence();
  #pieces: Uint8Array[] = [];
  #byteLength = 0;
  /** A part of the document that is going on was lost, or it is no document. */
  #isSpoilt = false;

  constructor(receiver: AudioReceiver) {
    this.#receiver = receiver;
  }

  packet(packet: RtpPacket, arrivalMs: number): void {
    const verdict = this.#sequence.next(packet);
    if (verdict === 'OLD') return;
    // What was lost may have been the end of one document and the beginning of this one.
    if (verdict === 'GAP') this.#isSpoilt = true;
    const { bytes, payloadStart, payloadEnd, timestamp, marker } = packet;
    this.#byteLength += payloadEnd - payloadStart;
    if (this.#byteLength > DOCUMENT_BYTES_MAX) this.#isSpoilt = true;
    if (this.#isSpoilt) this.#pieces = [];
    else this.#pieces.push(copyOf(bytes, payloadStart, payloadEnd));
    if (!marker) return;
    if (this.#isSpoilt) this.#receiver.lost(1);
    else if (this.#byteLength > 0) {
      this.#receiver.frame({ rtpTimestamp: timestamp, arrivalMs, bytes: joined(this.#pieces), lease: null });
    }
    this.#pieces = [];
    this.#byteLength = 0;
    this.#isSpoilt = false;
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let offset = 0;
  for (const piece of pieces) {
    bytes.set(piece, offset);
    offset += piece.length;
  }
  return bytes;
}
