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
  /**
   * Every reader that folds the log has a state as of this place or later that outlives an upgrade of the software. State is a
   * fold of the log: without it, what goes takes the configuration with it.
   */
  readonly folded: LogPlace | null;
  /** Of each active evidence lock, open alarm and other aggregate that has not ended: its first event. */
  readonly needed: readonly LogPlace[];
  /** The last event that was recorded before this moment; null when there is none. */
  readonly lastRecordedBefore: (ms: number) => LogPlace | null;
}

export interface LogTruncation {
  /** Events up to here go. */
  readonly keptAfter: LogPlace;
  readonly acknowledgedBy: AcknowledgementLevel;
  readonly recordedBeforeMs: number;
}

/** How far the beginning of a log may go; null when nothing may. A log is cut at one place, whatever stream an event is of. */
export function planTruncation(policy: TruncationPolicy, facts: TruncationFacts): LogTruncation | null {
  const recordedBeforeMs = Math.max(0, Math.floor(facts.nowMs - policy.keepMs));
  const { acknowledged, folded } = facts;
  const old = facts.lastRecordedBefore(recordedBeforeMs);
  if (acknowledged === null || folded === null || old === null) return null;
  const beforeNeeded = facts.needed.map(({ epoch, position }) => ({ epoch, position: position - 1 }));
  const [keptAfter] = [acknowledged, folded, old, ...beforeNeeded].sort(comparePlaces);
  if (keptAfter!.position < 1 || comparePlaces(keptAfter!, facts.keptAfter) <= 0) return null;
  return { keptAfter: keptAfter!, acknowledgedBy: policy.acknowledgedBy, recordedBeforeMs };
}
