import { statfs } from 'node:fs/promises';
import {
  isProtected,
  type NextStage,
  type ProtectedSpan,
  type Protection,
  planRetention,
  type RecordingVerdict,
  type RetentionLimits,
  type RetentionPlan,
  type RetentionSegment,
} from '@holdfast/core';
import type { DeletionPolicy, DeviceId } from '@holdfast/schema';
import { isDiskFull } from '../media-database/index-faults.js';
import type {
  MediaDatabase,
  OutgoingFact,
  SealReport,
  StoredSegment,
} from '../media-database/media-database.js';

/** Unlocked segments of each device that one plan looks at. A minute of recording makes about one. */
const candidatesMax = 200;
const pageSize = 200;
/** A plan that frees too little is followed by another; after so many the next minute goes on. */
const plansMax = 50;

export interface RetentionExecutorOptions {
  readonly database: MediaDatabase;
  readonly stage: string;
  /** On whose volume the stage is. */
  readonly dir: string;
  /** The archive behind it; null: what leaves is deleted. */
  readonly next: Omit<NextStage, 'locked'> | null;
  readonly limits: RetentionLimits;
  /** Of the retention clock. */
  readonly nowMs: number;
  readonly protection: () => Protection;
  readonly isHalted: () => boolean;
  readonly composeDeletion: (
    policy: DeletionPolicy,
    segments: readonly StoredSegment[],
    unreported: readonly SealReport[],
  ) => readonly OutgoingFact[];
  /** Bytes that may still be written to the volume of a folder: `freeBytesOf`, or another for tests. */
  readonly freeBytes: (dir: string) => Promise<number>;
}

export type Halt =
  | Extract<RecordingVerdict, { readonly action: 'HALT' }>
  | {
      readonly action: 'HALT';
      readonly cause: 'DISK_UNAVAILABLE' | 'MEDIA_PASSWORD_MISSING' | 'MEDIA_PASSWORD_WRONG';
      readonly detail: string;
    };

export interface RetentionOutcome {
  readonly verdict: { readonly action: 'RECORD' } | Halt;
  /** What is to be moved to the archive behind it, in this order. */
  readonly moves: readonly RetentionSegment[];
}

export async function freeBytesOf(dir: string): Promise<number> {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
}

/**
 * Carries out the retention plan: marks (with the fact for the log, in one transaction), then unlinks. Safe to repeat at any
 * point. `writesFail`: the disk refused a write for lack of room, whatever it says of its free space.
 */
export async function executeRetention(
  options: RetentionExecutorOptions,
  { writesFail }: { readonly writesFail: boolean },
): Promise<RetentionOutcome> {
  const { database, stage, limits, next } = options;
  let outcome: RetentionOutcome = { verdict: { action: 'RECORD' }, moves: [] };
  for (let round = 0; round < plansMax; round += 1) {
    let freeBytes: number;
    try {
      freeBytes = await options.freeBytes(options.dir);
    } catch (error) {
      const detail = String((error as Error).message);
      return { verdict: { action: 'HALT', cause: 'DISK_UNAVAILABLE', detail }, moves: [] };
    }
    // A disk that does not let go of what was deleted must not cost more recordings, round after round.
    const goingBytes = database.garbageBytes(stage);
    const protection = options.protection();
    const { unlocked, locked, complete } = oldestIn(database, stage, protection);
    const plan = planRetention(
      {
        nowMs: options.nowMs,
        usageBytes: database.usageBytes(stage) - goingBytes,
        freeBytes: writesFail && round === 0 ? Math.min(freeBytes, 0) : freeBytes + goingBytes,
        candidates: unlocked,
        candidatesComplete: complete,
        protection,
        halted: options.isHalted(),
        next: next && { ...next, locked },
      },
      limits,
    );
    outcome = { verdict: plan.recording, moves: plan.moves };
    try {
      await carryOut(options, plan.deletions);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      const detail = `not even a deletion can be kept: ${(error as Error).message}`;
      return { verdict: { action: 'HALT', cause: 'DISK_FULL', detail }, moves: [] };
    }
    if (plan.deletions.length === 0) break;
  }
  return outcome;
}

async function carryOut(
  { database, composeDeletion }: RetentionExecutorOptions,
  deletions: RetentionPlan['deletions'],
): Promise<void> {
  // In the turn in which they were planned: what is locked a moment later was not locked then.
  const marking = (['RETENTION_AGE', 'RETENTION_SIZE', 'DISK_FULL'] as const).map(policy => {
    const segmentIds = deletions
      .filter(deletion => deletion.policy === policy)
      .map(deletion => deletion.segment.segmentId);
    if (segmentIds.length === 0) return null;
    return database.markDeleted({
      segmentIds,
      policy,
      compose: (...deleted) => composeDeletion(policy, ...deleted),
    });
  });
  await Promise.all(marking);
  await database.collectGarbage();
}

interface Oldest {
  readonly unlocked: readonly RetentionSegment[];
  readonly locked: readonly RetentionSegment[];
  /** There are no more unlocked ones than these. */
  readonly complete: boolean;
}

/** Steps over what is locked: a month of evidence at the beginning must not hide what may be deleted behind it. */
function oldestIn(database: MediaDatabase, stage: string, protection: Protection): Oldest {
  const spans: readonly ProtectedSpan[] = protection.readable ? protection.spans : [];
  const devices = database.devices().map(deviceId => {
    const own = spans.filter(span => span.deviceId === deviceId);
    return oldestOf(database, { stage, deviceId }, own);
  });
  return {
    unlocked: devices.flatMap(({ unlocked }) => unlocked),
    locked: devices.flatMap(({ locked }) => locked),
    complete: devices.every(({ complete }) => complete),
  };
}

function oldestOf(
  database: MediaDatabase,
  where: { readonly stage: string; readonly deviceId: DeviceId },
  spans: readonly ProtectedSpan[],
): Oldest {
  const unlocked: RetentionSegment[] = [];
  const locked: RetentionSegment[] = [];
  let after: StoredSegment | null = null;
  for (;;) {
    const page: readonly StoredSegment[] = database.oldestIn({ ...where, after, limit: pageSize });
    for (const { deviceId, segment, fileByteLength } of page) {
      const { segmentId, fromMs, toMs } = segment;
      const candidate = { segmentId, deviceId, fromMs, toMs, fileByteLength };
      if (!isProtected(candidate, spans)) unlocked.push(candidate);
      else if (locked.length < candidatesMax) locked.push(candidate);
      if (unlocked.length >= candidatesMax) return { unlocked, locked, complete: false };
    }
    if (page.length < pageSize) return { unlocked, locked, complete: true };
    after = page.at(-1)!;
  }
}
