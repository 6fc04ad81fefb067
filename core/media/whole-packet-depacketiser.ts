import { AUDIO_BLOCK_BYTE_LENGTH, type AudioDepacketiser, type AudioReceiver } from './audio-frame.js';
import { copyOf, MediaMemory } from './media-memory.js';
import { type RtpPacket, RtpSequence } from './rtp-packet.js';

/** Sound of which every packet is one access unit: G.711 (RFC 3551 §4.5.14) and Opus (RFC 7587 §4.2). */
export class WholePacketDepacketiser implements AudioDepacketiser {
  readonly #receiver: AudioReceiver;
  readonly #sequence = new RtpSequence();
  readonly #memory = new MediaMemory(AUDIO_BLOCK_BYTE_LENGTH);

  constructor(receiver: AudioReceiver) {
    this.#receiver = receiver;
  }

  packet(packet: RtpPacket, arrivalMs: number): void {
    const verdict = this.#sequence.next(packet);
    if (verdict === 'OLD') return;
    if (verdict === 'GAP') this.#receiver.lost(1);
    const { bytes, payloadStart, payloadEnd, timestamp } = packet;
    // Opus says silence with nothing (RFC 7587 §3.1.3): the frame before lasts until the next.
    if (payloadEnd === payloadStart) return;
    const copy = this.#memory.copy(bytes, payloadStart, payloadEnd);
    this.#receiver.frame({
      rtpTimestamp: timestamp,
      arrivalMs,
      bytes: copy?.parts[0] ?? copyOf(bytes, payloadStart, payloadEnd),
      lease: copy?.lease ?? null,
    });
  }
}
