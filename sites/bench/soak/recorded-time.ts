import { SEAM_MS_MAX } from '@holdfast/core';
import type { RecordingCause, RecordingGap, SealedSegment } from '@holdfast/schema';

/** Longer than a camera may be without pictures or key frames before it is given up. */
const UNTOLD_END_MS = 90_000;

export interface DeviceFacts {
  readonly segments: readonly Pick<SealedSegment, 'fromMs' | 'toMs' | 'endedBecause'>[];
  readonly gaps: readonly RecordingGap[];
}

export interface Hole {
  readonly fromMs: number;
  readonly toMs: number;
  /** Null: the log says none. */
  readonly cause: RecordingCause | null;
}

/** Every time between the first and the last recording of a device that is in no segment, with what the log says of it. */
export function holesOf({ segments, gaps }: DeviceFacts): readonly Hole[] {
  const sorted = segments.toSorted((one, other) => one.fromMs - other.fromMs);
  const holes: Hole[] = [];
  let endMs = sorted[0]?.toMs ?? 0;
  for (const { fromMs, toMs } of sorted) {
    if (fromMs - endMs >= SEAM_MS_MAX)
      holes.push({ fromMs: endMs, toMs: fromMs, cause: causeOf(endMs, fromMs, gaps) });
    endMs = Math.max(endMs, toMs);
  }
  return holes;
}

export function endOf({ segments }: DeviceFacts): number {
  return Math.max(...segments.map(({ toMs }) => toMs));
}

/** What is recorded of a device ends long before the end: it did not come back from what its last recording ended with. */
export function lastHoleOf(device: DeviceFacts, endMs: number): readonly Hole[] {
  const toMs = endOf(device);
  if (endMs - toMs <= UNTOLD_END_MS) return [];
  const { endedBecause } = device.segments.find(segment => segment.toMs === toMs)!;
  const isUntold = endedBecause === 'RECORDING_CONTINUED' || endedBecause === 'SERVER_STOPPED';
  return [{ fromMs: toMs, toMs: endMs, cause: isUntold ? null : endedBecause }];
}

function causeOf(fromMs: number, toMs: number, gaps: readonly RecordingGap[]): RecordingCause | null {
  const gap = gaps.find(gap => gap.fromMs <= fromMs + SEAM_MS_MAX && gap.toMs >= toMs - SEAM_MS_MAX);
  return gap?.cause ?? null;
}

/** Least squares through (x, y): what y grows by for each x. */
export function slopeOf(points: readonly (readonly [number, number])[]): number {
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / points.length;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / points.length;
  const above = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const below = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  return below === 0 ? 0 : above / below;
}
