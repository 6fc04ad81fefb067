import { type DeviceSegmentFacts, type LogPlace } from '@holdfast/core';
import type { DeviceId, RecordingServerId, RetrievalId, SegmentId, SiteId } from '@holdfast/schema';

/** A sealed segment at its origin, as the replicated log of its site tells of it. */
export interface SourceSegment {
  readonly segmentId: SegmentId;
  /** Who holds it there. */
  readonly recordingServerId: RecordingServerId;
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  readonly fragmentCount: number;
  readonly byteLength: number;
  /** `RecordingSealed.segments[].digest`: 64 hexadecimal digits. */
  readonly digest: string;
  /** It was reduced to key frames there. */
  readonly keyFramesOnly: boolean;
}

export interface DeviceRecordings {
  /** The same facts that the timeline of the device is made of; `held` decides what needs no transfer. */
  readonly timeline: DeviceSegmentFacts;
  /** One for each of `timeline.sealed`, also when it was deleted since. */
  readonly segments: readonly SourceSegment[];
}

/**
 * What retrieval needs to know of other sites' recordings: a read model of the replicated logs and of this site's own log. It may
 * lag behind either; nothing is decided on it that a later look would not put right.
 */
export interface RetrievalFacts {
  /** Everything of the device that touches [fromMs, toMs). */
  recordings(query: {
    readonly siteId: SiteId;
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
  }): Promise<DeviceRecordings>;
  /** Devices of the site that record, and whose recordings are fetched when the link returns. */
  devicesToHeal(siteId: SiteId): Promise<readonly DeviceId[]>;
  /**
   * Retrievals of this site's log that have not ended, as of a place in that log (its start when nothing was projected yet):
   * the service reads on from there by itself.
   */
  openRetrievals(): Promise<{
    readonly retrievalIds: readonly RetrievalId[];
    readonly asOf: LogPlace;
  }>;
}
