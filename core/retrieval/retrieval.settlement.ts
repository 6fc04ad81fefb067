import {
  type DeviceSegmentFacts,
  deviceTimeline,
  type TimelineSpan,
  type TimeSpan,
  timelineFacts,
} from '../timeline/timeline.js';
import type { MissingSpan } from './retrieval.commands.js';

/** After the link is back a device is believed to be stopped only when the facts have had this long to arrive. */
export const LINK_SETTLED_MS = 30_000;
/** A segment lasts at most 64 s and its fact is batched for a minute; whoever has not sealed it after this never will. */
export const SEAL_MS_MAX = 5 * 60_000;
/** A segment of 64 s and a batch of a minute. */
const SEAL_BATCH_MS = 130_000;
/** The event's own bound. */
const MISSING_SPANS_MAX = 500;

export type Settlement =
  /** Something of the span may still turn up. */
  | { readonly settled: false }
  /** All facts are in; nobody has what is missing. */
  | { readonly settled: true; readonly missing: readonly MissingSpan[] };

/**
 * Whether everything that will ever be known of the span is known, and what of it nobody can deliver. To be asked when nothing is
 * left to fetch; `facts.held` must hold all that was fetched.
 */
export function settlementOf(facts: DeviceSegmentFacts, span: TimeSpan, nowMs: number): Settlement {
  if (nowMs < span.toMs || !isComplete(facts, span, nowMs)) return { settled: false };
  const missing = deviceTimeline(timelineFacts(facts), span, nowMs)
    .filter(piece => piece.state !== 'HELD')
    .map(missingSpan);
  return { settled: true, missing: missing.slice(0, MISSING_SPANS_MAX) };
}

function isComplete(facts: DeviceSegmentFacts, span: TimeSpan, nowMs: number): boolean {
  // Segments of a device are sealed in order, so a fact that reaches beyond the end says that all before it was told.
  const reachesEnd = (piece: TimeSpan) => piece.toMs >= span.toMs;
  if (facts.sealed.some(reachesEnd) || facts.gaps.some(reachesEnd)) return true;
  // A stop or a start is told at once, the segments before it up to a batch later.
  if (facts.known !== null && facts.known.toMs >= span.toMs + SEAL_BATCH_MS) return true;
  const { link } = facts;
  if (link !== null && link.state !== 'UP') return false;
  if (nowMs - span.toMs > SEAL_MS_MAX && (link === null || nowMs - link.sinceMs > SEAL_MS_MAX)) return true;
  return facts.running === null && (link === null || nowMs - link.sinceMs > LINK_SETTLED_MS);
}

function missingSpan({ fromMs, toMs, state, cause }: TimelineSpan): MissingSpan {
  const reason = state === 'REMOTE' ? 'NOT_SEALED' : (cause ?? state);
  return { fromMs, toMs, cause: reason };
}
