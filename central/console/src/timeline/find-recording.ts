import { request } from '../session/graphql.client';
import { nextRecording, previousRecording } from './timeline.geometry';
import { TIMELINE, type TimelineAnswer, toSpan } from './use-timeline';

const DAY_MS = 24 * 3_600_000;
/** A day is answered at once; who was away for longer waits a moment. */
const WINDOWS_MS = [DAY_MS, 31 * DAY_MS];

/**
 * Where a camera's next recording begins after `fromMs`, or (backward) where the last one before it ends: null when none of them has
 * one within a month, or the central cannot be asked.
 */
export async function findRecording(
  devices: readonly string[],
  fromMs: number,
  direction: 1 | -1,
): Promise<number | null> {
  for (const windowMs of WINDOWS_MS) {
    const otherMs = fromMs + direction * windowMs;
    const [from, to] = [Math.min(fromMs, otherMs), Math.max(fromMs, otherMs)].map(ms =>
      new Date(ms).toISOString(),
    );
    const answer = await request<TimelineAnswer>(TIMELINE, { devices, from, to }).catch(() => null);
    const lanes = answer?.timeline.map(({ spans }) => spans.map(toSpan)) ?? [];
    const found = direction > 0 ? nextRecording(lanes, fromMs) : previousRecording(lanes, fromMs);
    if (found !== null) return found;
  }
  return null;
}
