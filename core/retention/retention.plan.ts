import type { DeletionPolicy, DeviceId, SegmentId } from '@holdfast/schema';

const gigabyte = 1e9;

export interface RetentionLimits {
  /** A segment is kept for this long after its end. */
  readonly retentionMs: number;
  /** Bytes of the whole media database; null: what the disk holds. */
  readonly usageBytesMax: number | null;
  /** Below this much free space the oldest unlocked recordings go. */
  readonly freeBytesLow: number;
  /** Below this much free space they are deleted even where an archive would take them. */
  readonly freeBytesCritical: number;
  /** Below this much free space writing stops: the rest belongs to the log and the system. */
  readonly freeBytesStop: number;
  /** Writing goes on again above this: more than `freeBytesStop`, or it would stop and go every minute. */
  readonly freeBytesResume: number;
}

/** What administrators of such systems know: 5 GB, 1 GB, and never less than 250 MB. */
export const RETENTION_LIMITS: RetentionLimits = {
  retentionMs: 30 * 24 * 3600_000,
  usageBytesMax: null,
  ...freeSpaceLimits(5 * gigabyte),
};

/** The limits of free space that belong together: room is made before writing stops, also on a small disk. */
export function freeSpaceLimits(
  freeBytesLow: number,
): Pick<RetentionLimits, 'freeBytesLow' | 'freeBytesCritical' | 'freeBytesStop' | 'freeBytesResume'> {
  return {
    freeBytesLow,
    freeBytesCritical: Math.min(gigabyte, freeBytesLow / 2),
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
  | {
      readonly readable: true;
      readonly spans: readonly ProtectedSpan[];
      /** Why there may be locks that are not known yet; the spans cover all that they may. Left out: all are known. */
      readonly awaited?: string;
    }
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
  /** Where recordings go from here; null: they are deleted. Left out: null. */
  readonly next?: NextStage | null;
}

/** The archive behind the stage that is planned for. */
export interface NextStage {
  /** It can take recordings now. */
  readonly isAvailable: boolean;
  /** Its schedule lets what is old enough move now; what must make room moves at any time. */
  readonly isDue: boolean;
  /** What is older than this in all is deleted instead of moved. */
  readonly totalRetentionMs: number;
  /** The oldest locked segments of every device: they move like others, and are never deleted. */
  readonly locked: readonly RetentionSegment[];
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
  /** To be moved to the next stage, in this order. */
  readonly moves: readonly RetentionSegment[];
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
 * What is to be deleted or moved on, and whether there is room to record. Too old goes first, then the oldest until size and
 * free space are met. With an archive behind it a stage is left by moving; only when the disk runs full, and the archive takes
 * nothing or not fast enough, is anything deleted before its time. While locks cannot be read nothing is; while some are awaited,
 * only for want of room on the disk, as late as can be: what is held for them would have a stage delete all that is new.
 */
export function planRetention(facts: RetentionFacts, limits: RetentionLimits): RetentionPlan {
  const { protection, next } = facts;
  const unlocked = protection.readable
    ? facts.candidates.filter(segment => !isProtected(segment, protection.spans))
    : [];
  const locked = protection.readable ? (next?.locked ?? []) : facts.candidates;
  const movable = next?.isAvailable ? new Set(locked) : new Set<RetentionSegment>();
  const deletions: Deletion[] = [];
  const moves: RetentionSegment[] = [];
  let freedBytes = 0;
  for (const segment of [...unlocked, ...movable].toSorted(byAge)) {
    const action = actionFor(segment, movable.has(segment), freedBytes, facts, limits);
    if (action === null) continue;
    if (action === 'MOVE') moves.push(segment);
    else deletions.push({ segment, policy: action });
    freedBytes += segment.fileByteLength;
  }
  if (!protection.readable) {
    const recording = verdict(facts.freeBytes, facts, limits, {
      cause: 'LOCKS_UNREADABLE',
      detail: `evidence locks cannot be read (${protection.reason}), so nothing may be deleted`,
    });
    return { deletions, moves, recording };
  }
  const exhausted = facts.candidatesComplete && deletions.length === unlocked.length;
  if (!exhausted && deletions.length > 0) return { deletions, moves, recording: stay(facts) };
  const deletedBytes = deletions.reduce((sum, { segment }) => sum + segment.fileByteLength, 0);
  const { awaited } = protection;
  const recording = verdict(
    facts.freeBytes + deletedBytes,
    facts,
    limits,
    awaited === undefined
      ? { cause: 'DISK_FULL', detail: 'nothing that is not locked is left to delete' }
      : { cause: 'LOCKS_UNREADABLE', detail: `${awaited}, and nothing else is left to delete` },
  );
  return { deletions, moves, recording };
}

function byAge(one: RetentionSegment, other: RetentionSegment): number {
  return one.fromMs - other.fromMs || (one.segmentId < other.segmentId ? -1 : 1);
}

/** What is locked is never answered a policy of deletion. */
function actionFor(
  segment: RetentionSegment,
  isLocked: boolean,
  freedBytes: number,
  facts: RetentionFacts,
  limits: RetentionLimits,
): DeletionPolicy | 'MOVE' | null {
  const next = facts.next ?? null;
  const isOlderThan = (ageMs: number) => segment.toMs <= facts.nowMs - ageMs;
  const isTooLarge = limits.usageBytesMax !== null && facts.usageBytes - freedBytes > limits.usageBytesMax;
  const freeBytes = facts.freeBytes + freedBytes;
  const isAwaiting = facts.protection.readable && facts.protection.awaited !== undefined;
  // Moving is slower than recording may be: what is left of the disk is made free at once.
  const isLate = isAwaiting || next?.isAvailable === true;
  const isFull = freeBytes < (isLate ? limits.freeBytesCritical : limits.freeBytesLow);
  if (next === null) {
    if (isOlderThan(limits.retentionMs) && !isAwaiting) return 'RETENTION_AGE';
    if (isTooLarge && !isAwaiting) return 'RETENTION_SIZE';
    return isFull ? 'DISK_FULL' : null;
  }
  if (!isLocked && !isAwaiting && isOlderThan(next.totalRetentionMs)) return 'RETENTION_AGE';
  if (!isLocked && isFull) {
    return 'DISK_FULL';
  }
  if (!next.isAvailable) return null;
  const leaves =
    (next.isDue && isOlderThan(limits.retentionMs)) || isTooLarge || freeBytes < limits.freeBytesLow;
  return leaves ? 'MOVE' : null;
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
