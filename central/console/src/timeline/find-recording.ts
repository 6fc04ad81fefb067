import { request } from '../session/graphql.client';
import { type KnownSpans, type RecordingEdge, recordingEdge } from './timeline.geometry';
import { knownSpans, TIMELINE, type TimelineAnswer } from './use-timeline';

const DAY_MS = 24 * 3_600_000;
/** A day is answered at once; who was away for longer waits a moment. */
const WINDOWS_MS = [DAY_MS, 31 * DAY_MS];

/** The nearest edge of these cameras' recordings: null when there is none within a month, or the central cannot be asked. */
export async function findRecording(
  devices: readonly string[],
  ms: number,
  edge: RecordingEdge,
): Promise<number | null> {
  let lanes: readonly KnownSpans[] = [];
  for (const windowMs of WINDOWS_MS) {
    const otherMs = edge === 'NEXT_START' ? ms + windowMs : ms - windowMs;
    const asked = { fromMs: Math.min(ms, otherMs), toMs: Math.max(ms, otherMs) };
    const [from, to] = [asked.fromMs, asked.toMs].map(at => new Date(at).toISOString());
    const answer = await request<TimelineAnswer>(TIMELINE, { devices, from, to }).catch(() => null);
    if (answer === null) return null;
    lanes = [...knownSpans(answer, asked).values()];
    const found = recordingEdge(edge, lanes, ms);
    if (found !== null) return found;
  }
  if (edge !== 'PREVIOUS_START') return null;
  // One that began more than a month ago: as far back as was asked.
  const everything = lanes.map(lane => ({ ...lane, fromMs: Number.NEGATIVE_INFINITY }));
  return recordingEdge(edge, everything, ms);
}
