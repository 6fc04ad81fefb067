import { z } from 'zod';
import { DeviceId, RecordingServerId, SegmentId } from '../ids.js';
import {
  defineEvent,
  type EventOf,
  passing,
  raised,
  Sha256Hex,
  UnixMs,
  unhurried,
} from './event-definition.js';

const causesOfVersion1 = [
  'RECORDING_CONTINUED',
  'RECORDING_ENABLED',
  'RECORDING_DISABLED',
  'SERVER_STARTED',
  'SERVER_STOPPED',
  'SERVER_CRASHED',
  'CAMERA_CONNECTED',
  'CAMERA_DISCONNECTED',
  'CAMERA_FORMAT_SWITCHED',
  'CLOCK_STEPPED',
  'HARDWARE_MOVED',
  'DISK_FULL',
  'MEDIA_LOST',
] as const;
const RecordingCauseVersion1 = z.enum(causesOfVersion1);

const causesOfVersion2 = [
  ...causesOfVersion1,
  'MOTION',
  'MOTION_STOPPED',
  'EVENT',
  'EVENT_ENDED',
  'MANUAL',
  'MANUAL_STOPPED',
  'BOOKMARK',
  'BOOKMARK_ENDED',
  'RELATED',
  'RELATED_ENDED',
  'POLICY_SET',
] as const;
const RecordingCauseVersion2 = z.enum(causesOfVersion2);

/** Why a run of recording began, ended, or is missing. Each trigger has a pair: how it begins, and how it ends. */
export const RecordingCause = z.enum([
  ...causesOfVersion2,
  /** More came than the disk took. */
  'OVERFLOW',
  /** The disk was gone, or refused every write for another reason than its being full. */
  'DISK_UNAVAILABLE',
]);
export type RecordingCause = z.infer<typeof RecordingCause>;

/** Where the capture time comes from: the camera's own clock (RTCP sender reports) or the time of arrival. */
export const TimeSource = z.enum(['SENDER_REPORT', 'ARRIVAL']);
export type TimeSource = z.infer<typeof TimeSource>;

/**
 * A segment is one file of the media database: at most 64 s or 32 MB of one device, immutable once sealed.
 * `digest` is the SHA-256 of the segment's manifest, which holds the digest of every fragment.
 */
export const SealedSegment = segmentWith(RecordingCause);
export type SealedSegment = z.infer<typeof SealedSegment>;

export const RecordingGap = gapWith(RecordingCause);
export type RecordingGap = z.infer<typeof RecordingGap>;

const ofDevice = { deviceId: DeviceId, recordingServerId: RecordingServerId };

/** Stream of this file: `recording-<deviceId>`. A run of recording has begun; it is not sealed yet. */
export const RecordingStarted = defineEvent('RecordingStarted', 3, runChangeWith(RecordingCause), [
  raised(runChangeWith(RecordingCauseVersion1), data => data),
  raised(runChangeWith(RecordingCauseVersion2), data => data),
]);

export const RecordingStopped = defineEvent('RecordingStopped', 3, runChangeWith(RecordingCause), [
  raised(runChangeWith(RecordingCauseVersion1), data => data),
  raised(runChangeWith(RecordingCauseVersion2), data => data),
]);

/** What was recorded, batched per minute and device, and the gaps that ended within it, each with its cause. */
export const RecordingSealed = unhurried(
  passing(
    defineEvent('RecordingSealed', 3, sealedWith(SealedSegment, RecordingGap), [
      raised(sealedWith(segmentWith(RecordingCauseVersion1), gapWith(RecordingCauseVersion1)), data => data),
      raised(sealedWith(segmentWith(RecordingCauseVersion2), gapWith(RecordingCauseVersion2)), data => data),
    ]),
  ),
);

/** Segments that were found where they are kept after the log that was told of them, or its end, was lost. `RecordingSealed` follows. */
export const RecordingFound = unhurried(
  passing(
    defineEvent(
      'RecordingFound',
      1,
      z.object({
        ...ofDevice,
        fromMs: UnixMs,
        toMs: UnixMs,
        segmentIds: z.array(SegmentId).min(1).max(200),
      }),
    ),
  ),
);

/**
 * Of these segments only key frames (and all sound) are left, since they moved into an archive that keeps no more. Each has a new
 * digest; it covers the same time.
 */
export const RecordingReduced = passing(
  defineEvent(
    'RecordingReduced',
    1,
    z.object({
      ...ofDevice,
      fromMs: UnixMs,
      toMs: UnixMs,
      segments: z
        .array(
          z.object({
            segmentId: SegmentId,
            fragmentCount: z.int().min(1),
            byteLength: z.int().min(1),
            digest: Sha256Hex,
            /** As the log had it before. */
            previousDigest: Sha256Hex,
          }),
        )
        .min(1)
        .max(200),
    }),
  ),
);

export const DeletionPolicy = z.enum(['RETENTION_AGE', 'RETENTION_SIZE', 'DISK_FULL']);
export type DeletionPolicy = z.infer<typeof DeletionPolicy>;

export const RecordingDeleted = passing(
  defineEvent(
    'RecordingDeleted',
    1,
    z.object({
      ...ofDevice,
      segmentIds: z.array(SegmentId).min(1).max(1000),
      fromMs: UnixMs,
      toMs: UnixMs,
      policy: DeletionPolicy,
    }),
  ),
);

/** A segment was found not to match its digest, or its file is gone: it can no longer be proven or played. */
export const RecordingDamaged = passing(
  defineEvent(
    'RecordingDamaged',
    1,
    z.object({
      ...ofDevice,
      segmentId: SegmentId,
      fromMs: UnixMs,
      toMs: UnixMs,
      detail: z.string().max(1000),
    }),
  ),
);

export const recordingEvents = [
  RecordingStarted,
  RecordingStopped,
  RecordingFound,
  RecordingSealed,
  RecordingReduced,
  RecordingDeleted,
  RecordingDamaged,
] as const;
export type RecordingEvent = EventOf<(typeof recordingEvents)[number]>;

function runChangeWith<Cause extends z.ZodType>(cause: Cause) {
  return z.object({ deviceId: DeviceId, recordingServerId: RecordingServerId, atMs: UnixMs, cause });
}

function gapWith<Cause extends z.ZodType>(cause: Cause) {
  return z.object({ fromMs: UnixMs, toMs: UnixMs, cause });
}

function segmentWith<Cause extends z.ZodType>(cause: Cause) {
  return z.object({
    segmentId: SegmentId,
    fromMs: UnixMs,
    toMs: UnixMs,
    fragmentCount: z.int().min(1),
    byteLength: z.int().min(1),
    digest: Sha256Hex,
    timeSource: TimeSource,
    beganBecause: cause,
    endedBecause: cause,
  });
}

function sealedWith<Segment extends z.ZodType, Gap extends z.ZodType>(segment: Segment, gap: Gap) {
  return z.object({
    deviceId: DeviceId,
    recordingServerId: RecordingServerId,
    segments: z.array(segment).max(200),
    gaps: z.array(gap).max(200),
  });
}
