import type { MediaLease } from './media-memory.js';
import type { RtpPacket } from './rtp-packet.js';

/** One access unit of sound as it was transmitted: an AAC frame, an Opus packet, some samples of G.711. */
export interface AudioFrame {
  readonly rtpTimestamp: number;
  readonly arrivalMs: number;
  readonly bytes: Uint8Array;
  /** On the memory of the bytes. `null`: they have their own. */
  readonly lease: MediaLease | null;
}

export interface AudioReceiver {
  frame(frame: AudioFrame): void;
  lost(accessUnitCount: number): void;
}

/** Keeps nothing of a packet. */
export interface AudioDepacketiser {
  packet(packet: RtpPacket, arrivalMs: number): void;
}

/** Two seconds of 64 kbit/s, which G.711 needs. */
export const AUDIO_BLOCK_BYTE_LENGTH = 16 * 1024;
