import type { DeletionPolicy, DeviceId, SegmentId } from '@holdfast/schema';

const gigabyte = 1e9;

export interface RetentionLimits {
  /** A segment is kept for this long after its end. */
  readonly retentionMs: number;
  /** Bytes of the whole media database; null: what the disk holds. */
  readonly usageBytesMax: number | null;
  /** Below this much free space the oldest unlocked recordings go. */
  readonly freeBytesLow: number;
  /** Below this much free space writing stops: the rest belongs to the log and the system. */
  readonly freeBytesStop: number;
  /** Writing goes on again above this: more than `freeBytesStop`, or it would stop and go every minute. */
  readonly freeBytesResume: number;
}

/** What administrators of such systems know: 5 GB, and never less than 250 MB. */
export const RETENTION_LIMITS: RetentionLimits = {
  retentionMs: 30 * 24 * 3600_000,
  usageBytesMax: null,
  ...freeSpaceLimits(5 * gigabyte),
};

/** The limits of free space that belong together: room is made before writing stops, also on a small disk. */
export function freeSpaceLimits(
  freeBytesLow: number,
): Pick<RetentionLimits, 'freeBytesLow' | 'freeBytesStop' | 'freeBytesResume'> {
  return {
    freeBytesLow,
    freeBytesStop: Math.min(gigabyte / 4, freeBytesLow / 4),
    freeBytesResume: Math.min(gigabyte / 2, freeBytesLow / 2),
  };
}

/** What an evidence lock or a pending retrieval protects. `toMs` is exclusive. */
export interface ProtectedSpan {
  readonly deviceId: DeviceId;
  readonly fromMs: number;
  readonly toMs: number;
}

export type Protection =
  | { readonly readable: true; readonly spans: readonly ProtectedSpan[] }
  | { readonly readable: false; readonly reason: string };

export interface RetentionSegment {
  readonly segmentId: SegmentId;
  readonly deviceId: DeviceId;
  readonly fromMs: number;
  readonly toMs: number;
  readonly fileByteLength: number;
}

export interface RetentionFacts {
  readonly nowMs: number;
  readonly usageBytes: number;
  readonly freeBytes: number;
  /** The oldest sealed segments of every device, in any order. */
  readonly candidates: readonly RetentionSegment[];
  /** False when there are more than these: then nothing is concluded from their end. */
  readonly candidatesComplete: boolean;
  readonly protection: Protection;
  readonly halted: boolean;
}

export interface Deletion {
  readonly segment: RetentionSegment;
  readonly policy: DeletionPolicy;
}

export type RecordingVerdict =
  | { readonly action: 'RECORD' }
  | { readonly action: 'HALT'; readonly cause: 'DISK_FULL' | 'LOCKS_UNREADABLE'; readonly detail: string };

export interface RetentionPlan {
  /** In the order in which they are to be deleted. Never holds anything protected. */
  readonly deletions: readonly Deletion[];
  readonly recording: RecordingVerdict;
}

export function isProtected(
  segment: Pick<RetentionSegment, 'deviceId' | 'fromMs' | 'toMs'>,
  spans: readonly ProtectedSpan[],
): boolean {
  return spans.some(
    span => span.deviceId === segment.deviceId && segment.fromMs < span.toMs && segment.toMs > span.fromMs,
  );
}

/**
 * What is to be deleted, and whether there is room to record. Too old goes first, then the oldest until size and free
 * space are met. While locks cannot be read nothing is deleted, and recording goes on as long as there is room.
 */
export function planRetention(facts: RetentionFacts, limits: RetentionLimits): RetentionPlan {
  const { protection } = facts;
  if (!protection.readable) {
    const recording = verdict(facts.freeBytes, facts, limits, {
      cause: 'LOCKS_UNREADABLE',
      detail: `evidence locks cannot be read (${protection.reason}), so nothing may be deleted`,
    });
    return { deletions: [], recording };
  }
  const unlocked = facts.candidates
    .filter(segment => !isProtected(segment, protection.spans))
    .toSorted((one, other) => one.fromMs - other.fromMs || (one.segmentId < other.segmentId ? -1 : 1));
  const deletions: Deletion[] = [];
  let freedBytes = 0;
  for (const segment of unlocked) {
    const policy = policyFor(segment, freedBytes, facts, limits);
    if (policy === null) continue;
    deletions.push({ segment, policy });
    freedBytes += segment.fileByteLength;
  }
  const exhausted = facts.candidatesComplete && deletions.length === unlocked.length;
  if (!exhausted && deletions.length > 0) return { deletions, recording: stay(facts) };
  const recording = verdict(facts.freeBytes + freedBytes, facts, limits, {
    cause: 'DISK_FULL',
    detail: 'nothing that is not locked is left to delete',
  });
  return { deletions, recording };
}

function policyFor(
  segment: RetentionSegment,
  freedBytes: number,
  facts: RetentionFacts,
  limits: RetentionLimits,
): DeletionPolicy | null {
  if (segment.toMs <= facts.nowMs - limits.retentionMs) return 'RETENTION_AGE';
  if (limits.usageBytesMax !== null && facts.usageBytes - freedBytes > limits.usageBytesMax) {
    return 'RETENTION_SIZE';
  }
  return facts.freeBytes + freedBytes < limits.freeBytesLow ? 'DISK_FULL' : null;
}

/** More can be deleted: what was decided last holds until it is. */
function stay(facts: RetentionFacts): RecordingVerdict {
  return facts.halted
    ? { action: 'HALT', cause: 'DISK_FULL', detail: 'room is being made' }
    : { action: 'RECORD' };
}

function verdict(
  freeBytes: number,
  facts: RetentionFacts,
  limits: RetentionLimits,
  halt: { readonly cause: 'DISK_FULL' | 'LOCKS_UNREADABLE'; readonly detail: string },
): RecordingVerdict {
  const enough = facts.halted ? limits.freeBytesResume : limits.freeBytesStop;
  if (freeBytes >= enough) return { action: 'RECORD' };
  return {
    action: 'HALT',
    cause: halt.cause,
    detail: `${freeBytes} bytes are free, ${enough} are needed; ${halt.detail}`,
  };
}
