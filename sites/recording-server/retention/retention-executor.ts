import { statfs } from 'node:fs/promises';
import {
  isProtected,
  type ProtectedSpan,
  type Protection,
  planRetention,
  type RecordingVerdict,
  type RetentionLimits,
  type RetentionSegment,
} from '@holdfast/core';
import type { DeletionPolicy, DeviceId } from '@holdfast/schema';
import type { MediaDatabase, OutgoingFact, StoredSegment } from '../media-database/media-database.js';

/** Unlocked segments of each device that one plan looks at. A minute of recording makes about one. */
const candidatesMax = 200;
const pageSize = 200;
/** A plan that frees too little is followed by another; after so many the next minute goes on. */
const plansMax = 50;

export interface RetentionExecutorOptions {
  readonly database: MediaDatabase;
  readonly dir: string;
  readonly limits: RetentionLimits;
  /** Of the retention clock. */
  readonly nowMs: number;
  readonly protection: () => Protection;
  readonly isHalted: () => boolean;
  readonly composeDeletion: (
    policy: DeletionPolicy,
    segments: readonly StoredSegment[],
  ) => readonly OutgoingFact[];
  /** Bytes that may still be written to the volume of a folder: `freeBytesOf`, or another for tests. */
  readonly freeBytes: (dir: string) => Promise<number>;
}

export type RetentionVerdict =
  | RecordingVerdict
  | { readonly action: 'HALT'; readonly cause: 'DISK_UNAVAILABLE'; readonly detail: string };

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
): Promise<RetentionVerdict> {
  const { database, limits } = options;
  let verdict: RetentionVerdict = { action: 'RECORD' };
  for (let round = 0; round < plansMax; round += 1) {
    let freeBytes: number;
    try {
      freeBytes = await options.freeBytes(options.dir);
    } catch (error) {
      return { action: 'HALT', cause: 'DISK_UNAVAILABLE', detail: String((error as Error).message) };
    }
    const protection = options.protection();
    const { candidates, complete } = oldestUnlocked(database, protection);
    const plan = planRetention(
      {
        nowMs: options.nowMs,
        usageBytes: database.usageBytes(),
        freeBytes: writesFail && round === 0 ? Math.min(freeBytes, 0) : freeBytes,
        candidates,
        candidatesComplete: complete,
        protection,
        halted: options.isHalted(),
      },
      limits,
    );
    verdict = plan.recording;
    for (const policy of ['RETENTION_AGE', 'RETENTION_SIZE', 'DISK_FULL'] as const) {
      const segmentIds = plan.deletions
        .filter(deletion => deletion.policy === policy)
        .map(deletion => deletion.segment.segmentId);
      if (segmentIds.length === 0) continue;
      await database.markDeleted({
        segmentIds,
        policy,
        compose: segments => options.composeDeletion(policy, segments),
      });
    }
    await database.collectGarbage();
    if (plan.deletions.length === 0) break;
  }
  return verdict;
}

/** Steps over what is locked: a month of evidence at the beginning must not hide what may be deleted behind it. */
function oldestUnlocked(
  database: MediaDatabase,
  protection: Protection,
): { readonly candidates: readonly RetentionSegment[]; readonly complete: boolean } {
  const spans: readonly ProtectedSpan[] = protection.readable ? protection.spans : [];
  const candidates: RetentionSegment[] = [];
  let complete = true;
  for (const deviceId of database.devices()) {
    const own = spans.filter(span => span.deviceId === deviceId);
    const found = oldestOf(database, deviceId, own);
    complete &&= found.complete;
    candidates.push(...found.segments);
  }
  return { candidates, complete };
}

function oldestOf(
  database: MediaDatabase,
  deviceId: DeviceId,
  spans: readonly ProtectedSpan[],
): { readonly segments: readonly RetentionSegment[]; readonly complete: boolean } {
  const segments: RetentionSegment[] = [];
  let after: StoredSegment | null = null;
  for (;;) {
    const page: readonly StoredSegment[] = database.segments({
      deviceId,
      fromMs: 0,
      toMs: Number.MAX_SAFE_INTEGER,
      after,
      limit: pageSize,
    });
    for (const { segment, fileByteLength } of page) {
      const { segmentId, fromMs, toMs } = segment;
      const candidate = { segmentId, deviceId, fromMs, toMs, fileByteLength };
      if (!isProtected(candidate, spans)) segments.push(candidate);
      if (segments.length >= candidatesMax) return { segments, complete: false };
    }
    if (page.length < pageSize) return { segments, complete: true };
    after = page.at(-1)!;
  }
}
