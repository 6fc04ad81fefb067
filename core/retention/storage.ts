import type { ArchiveSchedule } from '@holdfast/schema';
import type { RetentionLimits } from './retention.plan.js';

/** A live database or an archive of a storage. `limits.retentionMs` is the age since recording at which it is left. */
export interface StorageStage {
  /** Empty: the media directory of the recording server itself; else an absolute path. */
  readonly stage: string;
  readonly limits: RetentionLimits;
}

export interface StorageArchive extends StorageStage {
  readonly schedule: ArchiveSchedule;
  /** Of what moves in, only key frames are kept, unless it is locked. */
  readonly keyFramesOnly: boolean;
}

/** Where recordings of some devices are: written into `live`, moved on from stage to stage as they grow old, then deleted. */
export interface Storage {
  readonly storageId: string;
  readonly name: string;
  /** Whether what is recorded into it is encrypted: it stays so in its archives. */
  readonly isEncrypted: boolean;
  readonly live: StorageStage;
  readonly archives: readonly StorageArchive[];
}

/** The stages from near to far, each with the archive behind it. */
export function chainOf(
  storage: Storage,
): readonly { readonly here: StorageStage; readonly next: StorageArchive | null }[] {
  const stages: readonly StorageStage[] = [storage.live, ...storage.archives];
  return stages.map((here, index) => ({ here, next: storage.archives[index] ?? null }));
}

/** How long anything is kept in all: the longest age of the chain. */
export function totalRetentionMs(storage: Storage): number {
  return Math.max(...[storage.live, ...storage.archives].map(({ limits }) => limits.retentionMs));
}

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

/**
 * Whether a run of archiving is due: the last began at `lastMs`. Null, after a start: what was missed is made up for. So it is by a
 * clock that was set back behind the last run, which may have stood in another year.
 */
export function isArchivingDue(schedule: ArchiveSchedule, lastMs: number | null, nowMs: number): boolean {
  if (lastMs === null || lastMs > nowMs) return true;
  if (schedule.kind === 'EVERY') return nowMs - lastMs >= schedule.minutes * minuteMs;
  const today = Math.floor(nowMs / dayMs) * dayMs + schedule.minuteOfDay * minuteMs;
  return lastMs < (today <= nowMs ? today : today - dayMs);
}
