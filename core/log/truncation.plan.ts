import type { AcknowledgementLevel } from '@holdfast/schema';
import { comparePlaces, type LogPlace } from './log-place.js';

/** How much of its log a site keeps. Without a policy it keeps everything. */
export interface TruncationPolicy {
  /** Whose acknowledgement makes an event superfluous here. */
  readonly acknowledgedBy: AcknowledgementLevel;
  /** An event stays at least so long after it was recorded. */
  readonly keepMs: number;
}

/** What is known when it is decided. A place that is not known is null, and nothing is removed. */
export interface TruncationFacts {
  readonly nowMs: number;
  /** Events up to here are removed already. */
  readonly keptAfter: LogPlace;
  /** Everything up to here is held by the level that the policy names. */
  readonly acknowledged: LogPlace | null;
  /** How far each reader has come that reads every event: what follows he has yet to read. */
  readonly readThrough: readonly LogPlace[];
  /** Since when recordings are kept or locked: what the log has said since then is about them. */
  readonly recordingsSinceMs: readonly number[];
  /** The last event that was recorded before this moment; null when there is none. */
  readonly lastRecordedBefore: (ms: number) => LogPlace | null;
}

export interface LogTruncation {
  /** Events up to here go. */
  readonly keptAfter: LogPlace;
  readonly acknowledgedBy: AcknowledgementLevel;
  readonly recordedBeforeMs: number;
}

/** A log whose beginning can be removed in one place. */
export interface TruncatableLog {
  /** Events up to here are removed. */
  keptAfter(): LogPlace;
  /** The last event that was recorded before this moment; null when none that is there was. */
  lastRecordedBefore(ms: number): LogPlace | null;
  /**
   * Removes every event up to a place, as `planTruncation` names it, in slices between the appends. `LogTruncated` is recorded
   * first; a truncation that was cut off goes on when the log is opened again. Resolves when it is done. Whoever reads what
   * was removed is answered `LogTruncatedError`, unless he folds: `OverTheCut`.
   */
  truncate(plan: LogTruncation, signal: AbortSignal): Promise<void>;
}

/** Facts about a recording may be recorded so long before the time that its camera claims for it. */
export const CAMERA_CLOCK_AHEAD_MS = 24 * 3600 * 1000;

/** How far the beginning of a log may go; null when nothing may. A log is cut at one place, whatever stream an event is of. */
export function planTruncation(policy: TruncationPolicy, facts: TruncationFacts): LogTruncation | null {
  const recordings = Math.min(...facts.recordingsSinceMs) - CAMERA_CLOCK_AHEAD_MS;
  const recordedBeforeMs = Math.max(0, Math.floor(Math.min(facts.nowMs - policy.keepMs, recordings)));
  const old = facts.lastRecordedBefore(recordedBeforeMs);
  if (facts.acknowledged === null || old === null) return null;
  const [keptAfter] = [facts.acknowledged, old, ...facts.readThrough].sort(comparePlaces);
  if (keptAfter!.position < 1 || comparePlaces(keptAfter!, facts.keptAfter) <= 0) return null;
  return { keptAfter: keptAfter!, acknowledgedBy: policy.acknowledgedBy, recordedBeforeMs };
}
