import type { MediaLease } from './media-memory.js';
import type { RtpPacket } from './rtp-packet.js';

/** One coded picture as it was transmitted, before it has a wall clock time. */
export interface CodedPicture {
  readonly rtpTimestamp: number;
  readonly arrivalMs: number;
  readonly keyFrame: boolean;
  /** H.264, H.265: NAL units, each behind its 4-byte length; without parameter sets and access unit delimiters. MJPEG: one JPEG file. */
  readonly parts: readonly Uint8Array[];
  readonly byteLength: number;
  /** On the memory of the parts. */
  readonly lease: MediaLease;
  /** Parameter sets that were sent since the picture before. */
  readonly parameterSets: readonly Uint8Array[];
  /** Of a codec that has no parameter sets, else `null`. */
  readonly size: PictureSize | null;
}

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

export interface PictureReceiver {
  picture(picture: CodedPicture): void;
  lost(accessUnitCount: number): void;
}

/** Makes pictures out of the packets of one stream. Of a packet it keeps nothing: what belongs to a picture is copied. */
export interface VideoDepacketiser {
  packet(packet: RtpPacket, arrivalMs: number): void;
  /** The connection is gone: a picture without its end is incomplete. */
  close(): void;
}

/** A key frame of an 8K camera stays below 4 MiB; beyond this a camera never ends its pictures. */
export const PICTURE_BYTES_MAX = 8 * 1024 * 1024;
