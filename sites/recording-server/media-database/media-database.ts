import type { Fragment, InitSegment, MediaItem, SegmentIntake, SegmentManifest } from '@holdfast/core';
import type {
  DeletionPolicy,
  DeviceId,
  RecordingCause,
  RecordingGap,
  RecordingServerId,
  SealedSegment,
  SegmentId,
} from '@holdfast/schema';

/** Recorded here, or copied from another site. */
export type SegmentOrigin = 'RECORDED' | 'IMPORTED';

/** One sealed segment as the index knows it. */
export interface StoredSegment {
  readonly deviceId: DeviceId;
  readonly segment: SealedSegment;
  readonly origin: SegmentOrigin;
  /** Bytes on the disk: init, fragments, and what describes them. */
  readonly fileByteLength: number;
}

/** Something held, without a break longer than `gapMsMin`. */
export interface MediaSpan {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

export type RecordOutcome =
  /** It stands in the queue of its device; it is durable a moment later. */
  | { readonly accepted: true }
  | { readonly accepted: false; readonly refusal: 'NO_RUN' | 'QUEUE_FULL' | 'HALTED' };

/** What a segment's files and the index hold against each other; also found by reading. */
export interface MediaDamage {
  readonly deviceId: DeviceId;
  readonly segmentId: SegmentId;
  readonly fromMs: number;
  readonly toMs: number;
  readonly kind: 'FILE_MISSING' | 'FILE_DAMAGED';
  readonly detail: string;
}

/** A segment, and the gap before it when one ended with it: what the log is told of. */
export interface SealReport {
  readonly deviceId: DeviceId;
  readonly segments: readonly SealedSegment[];
  readonly gaps: readonly RecordingGap[];
}

/**
 * The recordings of one recording server: files and one index in one directory, owned by one process. Recording never
 * waits for a reader, and `append` never waits for the disk.
 */
export interface MediaDatabase extends SegmentIntake, AsyncDisposable {
  readonly recordingServerId: RecordingServerId;

  /** Begins a run of recording; a run that goes on for this device is ended for the same cause. */
  beginRun(options: {
    readonly deviceId: DeviceId;
    readonly init: InitSegment;
    readonly cause: RecordingCause;
  }): void;
  append(deviceId: DeviceId, fragment: Fragment): RecordOutcome;
  /** Resolves when everything accepted before is durable and sealed. Without a run it does nothing. */
  endRun(options: { readonly deviceId: DeviceId; readonly cause: RecordingCause }): Promise<void>;
  /** Refuses every append from now on and ends all runs (`DISK_FULL`), or accepts again. */
  halt(): Promise<void>;
  unhalt(): void;

  /** Fragments that touch [fromMs, toMs), in order of time, up to what is on the disk now. Damaged ones are left out. */
  read(options: {
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
    readonly signal: AbortSignal;
  }): AsyncIterable<MediaItem>;
  /**
   * Whole sealed segments: manifest, init, fragments, exactly the stored bytes, checked before the first is given out; or
   * `missing`. `resumeAtFragment` applies to the first segment.
   */
  readSegments(options: {
    readonly deviceId: DeviceId;
    readonly segmentIds: readonly SegmentId[];
    readonly resumeAtFragment: number;
    readonly signal: AbortSignal;
  }): AsyncIterable<MediaItem>;

  spans(options: {
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
  }): readonly MediaSpan[];
  /** Sealed segments that touch [fromMs, toMs), in order of time. */
  segments(options: {
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
  }): readonly StoredSegment[];
  segment(segmentId: SegmentId): StoredSegment | null;
  manifest(segmentId: SegmentId): Promise<SegmentManifest | null>;
  devices(): readonly DeviceId[];
  /** Bytes of all files, sealed or not. */
  usageBytes(): number;

  /** Hides the segments at once; their files go with `collectGarbage`. Unknown ids are left out of the answer. */
  markDeleted(options: {
    readonly segmentIds: readonly SegmentId[];
    readonly policy: DeletionPolicy;
  }): readonly StoredSegment[];
  /** Removes the files of marked segments. Safe to repeat after a crash. */
  collectGarbage(): Promise<{ readonly segmentCount: number; readonly byteLength: number }>;

  /** Reads everything and compares it with its manifest. */
  verify(options: { readonly signal: AbortSignal }): AsyncIterable<MediaDamage>;
}
