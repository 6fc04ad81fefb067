import { z } from 'zod';
import { DeviceId, RetrievalId, SegmentId, SiteId } from '../ids.js';
import { defineEvent, type EventOf, passing, raised, Sha256Hex, UnixMs } from './event-definition.js';

export const RetrievalTrigger = z.enum([
  'ALARM',
  'EVIDENCE_LOCK',
  'REQUEST',
  'RULE',
  'LINK_RESTORE',
  'SCHEDULE',
]);
export type RetrievalTrigger = z.infer<typeof RetrievalTrigger>;

/** Stream of this file: `retrieval-<id>`, in the log of the site that retrieves. */
export const RetrievalRequested = defineEvent(
  'RetrievalRequested',
  1,
  z.object({
    retrievalId: RetrievalId,
    siteId: SiteId,
    deviceId: DeviceId,
    fromMs: UnixMs,
    toMs: UnixMs,
    trigger: RetrievalTrigger,
  }),
);

export const RetrievalStarted = defineEvent(
  'RetrievalStarted',
  1,
  z.object({
    retrievalId: RetrievalId,
    segmentCount: z.int().nonnegative(),
    totalBytes: z.int().nonnegative(),
  }),
);

const RetrievedSegmentVersion1 = z.object({
  segmentId: SegmentId,
  fromMs: UnixMs,
  toMs: UnixMs,
  byteLength: z.int().min(1),
  digest: Sha256Hex,
});
/** `keyFramesOnly`: it had been reduced at its source before. */
export const RetrievedSegment = RetrievedSegmentVersion1.extend({ keyFramesOnly: z.boolean() });
export type RetrievedSegment = z.infer<typeof RetrievedSegment>;

function progressOf<Segment extends z.ZodType>(segment: Segment) {
  return z.object({
    retrievalId: RetrievalId,
    deviceId: DeviceId,
    segments: z.array(segment).min(1).max(500),
    transferredBytes: z.int().nonnegative(),
  });
}

/** These segments are complete, verified against the digests in the source's log, and held here. */
export const RetrievalProgressed = passing(
  defineEvent('RetrievalProgressed', 2, progressOf(RetrievedSegment), [
    raised(progressOf(RetrievedSegmentVersion1), data => ({
      ...data,
      segments: data.segments.map(segment => ({ ...segment, keyFramesOnly: false })),
    })),
  ]),
);

export const RetrievalInterrupted = defineEvent(
  'RetrievalInterrupted',
  1,
  z.object({ retrievalId: RetrievalId, cause: z.enum(['LINK_LOST', 'STOPPED', 'PREEMPTED', 'SOURCE_BUSY']) }),
);

export const RetrievalResumed = defineEvent('RetrievalResumed', 1, z.object({ retrievalId: RetrievalId }));

/** `missing`: what of the requested span nobody can deliver, and why: never recorded, deleted, or damaged since. */
export const RetrievalCompleted = defineEvent(
  'RetrievalCompleted',
  1,
  z.object({
    retrievalId: RetrievalId,
    transferredBytes: z.int().nonnegative(),
    missing: z.array(z.object({ fromMs: UnixMs, toMs: UnixMs, cause: z.string().max(200) })).max(500),
  }),
);

export const RetrievalFailed = defineEvent(
  'RetrievalFailed',
  1,
  z.object({
    retrievalId: RetrievalId,
    cause: z.enum(['DIGEST_MISMATCH', 'DISK_FULL', 'SOURCE_REFUSED', 'HARDWARE_MOVED', 'RETENTION_ENDED']),
    detail: z.string().max(1000),
  }),
);

/** What was fetched before stays. */
export const RetrievalCancelled = defineEvent(
  'RetrievalCancelled',
  1,
  z.object({ retrievalId: RetrievalId }),
);

export const retrievalEvents = [
  RetrievalRequested,
  RetrievalStarted,
  RetrievalProgressed,
  RetrievalInterrupted,
  RetrievalResumed,
  RetrievalCompleted,
  RetrievalFailed,
  RetrievalCancelled,
] as const;
export type RetrievalEvent = EventOf<(typeof retrievalEvents)[number]>;
