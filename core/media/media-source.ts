import type { DeviceId, SegmentId } from '@holdfast/schema';
import type { Fragment, InitSegment, SegmentManifest } from './fragment.js';

export type MediaRequest =
  /** The newest key frame and what follows it, frame by frame, until closed. `stream`: by its name; left out, the live default. */
  | { readonly kind: 'LIVE'; readonly deviceId: DeviceId; readonly stream?: string }
  /** Every recorded fragment that touches [fromMs, toMs), in order of time, then the end. */
  | {
      readonly kind: 'PLAYBACK';
      readonly deviceId: DeviceId;
      readonly fromMs: number;
      readonly toMs: number;
      /** Of each fragment its key frame alone, for as long as the fragment lasts, and no sound. */
      readonly keyFramesOnly?: boolean;
    }
  /**
   * Whole sealed segments, in the order given, for a copy. `resume`: the first segment is sent from this fragment
   * index on (0-based); its manifest and init are sent all the same. At or beyond its end nothing of it follows
   * them: that is how a manifest alone is asked for.
   */
  | {
      readonly kind: 'RETRIEVE';
      readonly deviceId: DeviceId;
      readonly segmentIds: readonly SegmentId[];
      readonly resumeAtFragment: number;
    };

/** Why live pictures are reduced to key frames: what is between source and viewer does not carry more, or may not. */
export type LiveReduction = 'SLOW_VIEWER' | 'SLOW_LINK' | 'OVERLOAD';

/** `init` comes before the first fragment and again whenever the stream format changes. */
export type MediaItem =
  | { readonly kind: 'init'; readonly init: InitSegment }
  /** `reducedBecause`, LIVE only: what lies between this key frame and the one before was left out. */
  | { readonly kind: 'fragment'; readonly fragment: Fragment; readonly reducedBecause?: LiveReduction }
  /** RETRIEVE only: begins a segment. */
  | { readonly kind: 'manifest'; readonly manifest: SegmentManifest }
  /** RETRIEVE only: this segment is not (or no longer) here. */
  | { readonly kind: 'missing'; readonly segmentId: SegmentId; readonly cause: string };

/** Lower is more urgent. */
export type MediaPriority =
  | 'LIVE'
  | 'ALARM'
  | 'EVIDENCE_LOCK'
  | 'REQUEST'
  | 'RULE'
  | 'LINK_RESTORE'
  | 'SCHEDULE';

/**
 * Where media comes from: a recording server of this site, or one at the other end of a media channel. Closing the
 * iterator or aborting the signal releases everything behind it. A consumer that does not pull costs bounded memory.
 */
export interface MediaSource {
  open(
    request: MediaRequest,
    options: { readonly signal: AbortSignal; readonly priority: MediaPriority },
  ): AsyncIterable<MediaItem>;
}

export type MediaRefusalCode =
  | 'NO_SUCH_DEVICE'
  | 'NO_LIVE_STREAM'
  | 'SOURCE_BUSY'
  | 'NOT_CONNECTED'
  | 'NOT_ALLOWED';

/** The source says no. Thrown by the iterator of `MediaSource.open`, on both sides of a media channel. */
export class MediaRefusedError extends Error {
  override readonly name = 'MediaRefusedError';
  readonly code: MediaRefusalCode;

  constructor(code: MediaRefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
