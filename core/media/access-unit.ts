import type { TimeSource } from '@holdfast/schema';
import type { MediaLease } from './media-memory.js';

export type Track = 'VIDEO' | 'AUDIO';

/** Video ticks per second, always. Audio has the sample rate as its timescale. */
export const VIDEO_TIMESCALE = 90_000;

/** What a decoder must know before the first access unit. A change of it begins a new run of recording. */
export interface StreamFormat {
  readonly video: {
    readonly sps: Uint8Array;
    readonly pps: Uint8Array;
    readonly width: number;
    readonly height: number;
  } | null;
  readonly audio: {
    readonly audioSpecificConfig: Uint8Array;
    /** Ticks per second of the audio track. */
    readonly sampleRate: number;
    readonly channels: number;
  } | null;
}

/** One coded picture, or one AAC frame. */
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
  /** Video: NAL units, each behind its 4-byte length, without parameter sets. Audio: one raw AAC frame. */
  readonly parts: readonly Uint8Array[];
  readonly byteLength: number;
  /** On the memory of the parts; absent or `null`, they have their own. One holder's worth of it goes with the unit. */
  readonly lease?: MediaLease | null;
  /** When the last byte arrived here, milliseconds since the Unix epoch. */
  readonly arrivalMs: number;
  readonly timeSource: TimeSource;
}
