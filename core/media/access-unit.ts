import type { TimeSource } from '@holdfast/schema';
import type { MediaLease } from './media-memory.js';

export type Track = 'VIDEO' | 'AUDIO' | 'METADATA';

/** Video ticks per second, always. Audio has the sample rate as its timescale. */
export const VIDEO_TIMESCALE = 90_000;

export type VideoFormat = {
  readonly width: number;
  readonly height: number;
} & (
  | { readonly codec: 'H264'; readonly sps: Uint8Array; readonly pps: Uint8Array }
  | { readonly codec: 'H265'; readonly vps: Uint8Array; readonly sps: Uint8Array; readonly pps: Uint8Array }
  | { readonly codec: 'MJPEG' }
);

export type AudioFormat = {
  /** Ticks per second of the audio track. */
  readonly sampleRate: number;
  readonly channels: number;
} & (
  | { readonly codec: 'AAC'; readonly audioSpecificConfig: Uint8Array }
  /** PCMU and PCMA: G.711 in µ-law and A-law. */
  | { readonly codec: 'PCMU' | 'PCMA' | 'OPUS' }
);

/** What a decoder must know before the first access unit. A change of it begins a new run of recording. */
export interface StreamFormat {
  readonly video: VideoFormat | null;
  readonly audio: AudioFormat | null;
  /** A track of ONVIF metadata beside them, with the timescale of video. Left out: none. */
  readonly metadata?: boolean;
}

/** One coded picture, what an audio codec makes into one packet, or one document of metadata. */
export interface AccessUnit {
  readonly track: Track;
  /** Capture time in ticks of the track's timescale since the Unix epoch. An integer below 2^53. Increases within a run. */
  readonly ticks: number;
  /**
   * Presentation minus decoding time, in ticks, when a camera sends pictures out of order (B-frames): `ticks` is then the
   * time of decoding. Absent means 0.
   */
  readonly compositionOffsetTicks?: number;
  readonly keyFrame: boolean;
  /** H.264, H.265: NAL units, each behind its 4-byte length, without parameter sets. All others: what the codec wrote. */
  readonly parts: readonly Uint8Array[];
  readonly byteLength: number;
  /** On the memory of the parts; absent or `null`, they have their own. One holder's worth of it goes with the unit. */
  readonly lease?: MediaLease | null;
  /** When the last byte arrived here, milliseconds since the Unix epoch. */
  readonly arrivalMs: number;
  readonly timeSource: TimeSource;
}
