/** Time to pixels and back. Everything here is pure; times are milliseconds since the Unix epoch. */

export interface View {
  readonly fromMs: number;
  readonly toMs: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Closer than this single frames would be told apart, which the frame step does better. */
export const SHORTEST_VIEW_MS = 20 * SECOND;
export const LONGEST_VIEW_MS = 31 * DAY;
/** More the central does not answer at once. */
const ASKED_MS_MAX = 32 * DAY;

export const lengthOf = (view: View): number => view.toMs - view.fromMs;
export const xOf = (view: View, widthPx: number, ms: number): number =>
  ((ms - view.fromMs) / lengthOf(view)) * widthPx;
export const msAt = (view: View, widthPx: number, x: number): number =>
  view.fromMs + (x / widthPx) * lengthOf(view);

export function zoom(view: View, factor: number, aroundMs: number): View {
  const length = Math.min(LONGEST_VIEW_MS, Math.max(SHORTEST_VIEW_MS, lengthOf(view) * factor));
  const share = (aroundMs - view.fromMs) / lengthOf(view);
  const fromMs = aroundMs - share * length;
  return { fromMs, toMs: fromMs + length };
}

export const pan = (view: View, byMs: number): View => ({
  fromMs: view.fromMs + byMs,
  toMs: view.toMs + byMs,
});

/** The same length, with `ms` at `share` of the width (0 left, 1 right). */
export function placeAt(view: View, ms: number, share: number): View {
  const fromMs = ms - lengthOf(view) * share;
  return { fromMs, toMs: fromMs + lengthOf(view) };
}

/** The next page, when what moved from one instant to another has left the view: whoever looks elsewhere is left there. */
export function turnPage(view: View, fromMs: number, toMs: number): View {
  if (!isWithin(view, fromMs) || isWithin(view, toMs)) return view;
  return placeAt(view, toMs, toMs < fromMs ? 0.9 : 0.1);
}

/** What to ask for: wider than the view and in coarse steps, so that panning seldom has to wait. */
export function windowAround(view: View): View {
  const step = Math.min(lengthOf(view) / 2, (ASKED_MS_MAX - lengthOf(view)) / 4);
  const fromMs = Math.floor((view.fromMs - step) / step) * step;
  return { fromMs, toMs: Math.ceil((view.toMs + step) / step) * step };
}

export const isWithin = (view: View, ms: number): boolean => ms >= view.fromMs && ms < view.toMs;

const STEPS: readonly number[] = [
  SECOND,
  2 * SECOND,
  5 * SECOND,
  10 * SECOND,
  30 * SECOND,
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  2 * DAY,
  7 * DAY,
];

export interface Tick {
  readonly ms: number;
  /** At local midnight: the label names the day. */
  readonly isDay: boolean;
  /** Steps shorter than a minute need seconds in the label. */
  readonly hasSeconds: boolean;
  /** The clock was changed since the tick before: the label names the zone. */
  readonly hasZone: boolean;
}

/** A label needs about this much room. */
const LABEL_PX = 76;

/** Local time minus UTC, at an instant. */
export type OffsetAt = (ms: number) => number;

/** Ticks at round local times. Where the clock is put back, an hour has its ticks twice. */
export function ticks(view: View, widthPx: number, offsetAt: OffsetAt): Tick[] {
  const least = (lengthOf(view) / Math.max(1, widthPx)) * LABEL_PX;
  const step = STEPS.find(candidate => candidate >= least) ?? 7 * DAY;
  return spansOfOneOffset(view, offsetAt).flatMap(({ fromMs, toMs }, part) => {
    const offsetMs = offsetAt(fromMs);
    const found: Tick[] = [];
    for (let local = Math.ceil((fromMs + offsetMs) / step) * step; local - offsetMs < toMs; local += step)
      found.push({
        ...{ ms: local - offsetMs, isDay: local % DAY === 0, hasSeconds: step < MINUTE },
        hasZone: part > 0 && found.length === 0,
      });
    return found;
  });
}

/** The view, cut where the clock is changed. */
function spansOfOneOffset(view: View, offsetAt: OffsetAt): View[] {
  const spans: View[] = [];
  let { fromMs } = view;
  for (let ms = fromMs; ms < view.toMs; ms += DAY) {
    const nextMs = Math.min(ms + DAY, view.toMs);
    if (offsetAt(nextMs) === offsetAt(ms)) continue;
    const changedMs = changeBetween(ms, nextMs, offsetAt);
    spans.push({ fromMs, toMs: changedMs });
    fromMs = changedMs;
  }
  return [...spans, { fromMs, toMs: view.toMs }];
}

/** The first instant of the second offset. */
function changeBetween(fromMs: number, toMs: number, offsetAt: OffsetAt): number {
  let [before, after] = [Math.floor(fromMs), Math.ceil(toMs)];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (offsetAt(middle) === offsetAt(fromMs)) before = middle;
    else after = middle;
  }
  return after;
}

export type SpanState = 'HELD' | 'REMOTE' | 'GAP' | 'UNKNOWN';
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  readonly state: SpanState;
  readonly cause: string | null;
  readonly retrievableUntil: string | null;
  /** It was reduced: one picture of each group is left. */
  readonly keyFramesOnly: boolean;
}

export const spanAt = (spans: readonly Span[], ms: number): Span | undefined =>
  spans.find(span => ms >= span.fromMs && ms < span.toMs);

/** What is at the remote site plays over the link while that is up. */
const isPlayable = (span: Span): boolean => span.state === 'HELD' || span.state === 'REMOTE';

/** The first instant at or after `ms` that may be played; null when nothing follows. */
export function playableFrom(spans: readonly Span[], ms: number): number | null {
  const starts = spans
    .filter(span => isPlayable(span) && span.toMs > ms)
    .map(span => Math.max(ms, span.fromMs));
  return starts.length === 0 ? null : Math.min(...starts);
}

/** The last instant before `ms` that may be played; null when nothing lies before it. */
export function playableUntil(spans: readonly Span[], ms: number): number | null {
  const ends = spans
    .filter(span => isPlayable(span) && span.fromMs < ms)
    .map(span => Math.min(ms, span.toMs));
  return ends.length === 0 ? null : Math.max(...ends);
}

/** What is known of one device's recordings between two moments. Beyond them nothing is. */
export interface KnownSpans extends View {
  readonly spans: readonly Span[];
}

/** Where to go from an instant, whatever that lies in. */
export type RecordingEdge = 'NEXT_START' | 'PREVIOUS_START' | 'PREVIOUS_END';

/** Who has just gone to a start gets to the one before it, also while it plays. */
const AT_START_MS = 1_000;

const edgesOf: Record<RecordingEdge, (lane: KnownSpans, ms: number) => number[]> = {
  NEXT_START: ({ spans }, ms) => spans.map(({ fromMs }) => fromMs).filter(fromMs => fromMs > ms),
  // What begins with what is known may have begun before.
  PREVIOUS_START: (lane, ms) =>
    lane.spans
      .map(({ fromMs }) => fromMs)
      .filter(fromMs => fromMs > lane.fromMs && fromMs < ms - AT_START_MS),
  PREVIOUS_END: ({ spans }, ms) => spans.map(({ toMs }) => toMs).filter(toMs => toMs < ms),
};

/** The nearest edge of a recording of any lane; null when none is known, as where `ms` itself lies beyond what is. */
export function recordingEdge(edge: RecordingEdge, lanes: readonly KnownSpans[], ms: number): number | null {
  if (lanes.some(lane => ms < lane.fromMs || ms > lane.toMs)) return null;
  const found = lanes.flatMap(lane => edgesOf[edge]({ ...lane, spans: lane.spans.filter(isPlayable) }, ms));
  if (found.length === 0) return null;
  return edge === 'NEXT_START' ? Math.min(...found) : Math.max(...found);
}
