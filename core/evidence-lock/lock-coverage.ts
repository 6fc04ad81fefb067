import type { EvidenceLockOutcome } from '@holdfast/schema';
import { SEAM_MS_MAX } from '../timeline/timeline.js';

interface Span {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

export interface LockCoverage {
  readonly outcome: EvidenceLockOutcome;
  readonly heldMs: number;
  /** What is not held of the span, in order of time. */
  readonly missing: readonly Span[];
}

/** What a lock over `span` finds. `held` is in order of time and may reach beyond it; a seam between segments is no hole. */
export function lockCoverage(span: Span, held: readonly Span[]): LockCoverage {
  const holes: Span[] = [];
  let atMs = span.fromMs;
  let heldMs = 0;
  for (const part of held) {
    const fromMs = Math.max(part.fromMs, atMs);
    const toMs = Math.min(part.toMs, span.toMs);
    if (toMs <= fromMs) continue;
    holes.push({ fromMs: atMs, toMs: fromMs });
    heldMs += toMs - fromMs;
    atMs = toMs;
  }
  holes.push({ fromMs: atMs, toMs: span.toMs });
  if (heldMs === 0) return { outcome: 'NOTHING_HELD', heldMs, missing: [span] };
  const missing = holes.filter(({ fromMs, toMs }) => toMs - fromMs >= SEAM_MS_MAX);
  return { outcome: missing.length === 0 ? 'APPLIED' : 'PARTLY', heldMs, missing };
}

export interface DeviceLockReport {
  /** Of the lock, when this was said. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly judgedToMs: number;
  readonly outcome: EvidenceLockOutcome;
  readonly heldMs: number;
  readonly byteLength: number;
  readonly missing: readonly Span[];
}

export interface DeviceLockResult {
  /** `PENDING`: no recording server has said anything about the span as it is now. */
  readonly outcome: EvidenceLockOutcome | 'PENDING';
  readonly byteLength: number | null;
  readonly judgedToMs: number | null;
  readonly missing: readonly Span[];
}

/** What several recording servers hold of one device between them: hardware may have moved. */
export function deviceLockResult(lock: Span, reports: readonly DeviceLockReport[]): DeviceLockResult {
  const current = reports.filter(({ fromMs, toMs }) => fromMs === lock.fromMs && toMs === lock.toMs);
  if (current.length === 0) return { outcome: 'PENDING', byteLength: null, judgedToMs: null, missing: [] };
  const judgedToMs = Math.min(...current.map(report => report.judgedToMs));
  const missing = current
    .map(report => report.missing)
    .reduce((left, right) => left.flatMap(one => right.flatMap(other => common(one, other))));
  const byteLength = current.reduce((sum, report) => sum + report.byteLength, 0);
  return { outcome: togetherOf(current, missing), byteLength, judgedToMs, missing };
}

function togetherOf(reports: readonly DeviceLockReport[], missing: readonly Span[]): EvidenceLockOutcome {
  if (reports.every(({ outcome }) => outcome === 'NOTHING_HELD')) return 'NOTHING_HELD';
  return missing.length === 0 ? 'APPLIED' : 'PARTLY';
}

function common(one: Span, other: Span): readonly Span[] {
  const fromMs = Math.max(one.fromMs, other.fromMs);
  const toMs = Math.min(one.toMs, other.toMs);
  return toMs - fromMs >= SEAM_MS_MAX ? [{ fromMs, toMs }] : [];
}

/** Of a lock over several devices: the worst that there is of one, but some of it is more than nothing. */
export function lockOutcome(
  devices: readonly Pick<DeviceLockResult, 'outcome'>[],
): DeviceLockResult['outcome'] {
  const outcomes = new Set(devices.map(({ outcome }) => outcome));
  if (outcomes.has('PENDING')) return 'PENDING';
  if (outcomes.size > 1) return 'PARTLY';
  return [...outcomes][0] ?? 'PENDING';
}
