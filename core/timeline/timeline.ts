/** The link to another site. `CONNECTING`: being dialled, or catching up; facts are not current in either. */
export type LinkState = 'UP' | 'DOWN' | 'CONNECTING';

/**
 * The four honest states of a stretch of a device's time, seen from the site that answers:
 * `HELD` playable from here; `REMOTE` at the device's own site, not here; `GAP` known to have no recording, with its
 * cause; `UNKNOWN` nothing can be said, because the facts stopped arriving.
 */
export type SpanState = 'HELD' | 'REMOTE' | 'GAP' | 'UNKNOWN';

export interface TimelineSpan {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  readonly state: SpanState;
  /**
   * `RECORDING_NOW`: being recorded, not sealed yet. Of a `GAP`: a `RecordingCause`, `NOT_RECORDED`, `DELETED` or
   * `DAMAGED`. Of `UNKNOWN`: `LINK_DOWN_SINCE <ISO 8601 UTC>`. Null where there is nothing to explain.
   */
  readonly cause: string | null;
  /** `REMOTE` only: until then all of the span can be retrieved. Null when the retention is not known. */
  readonly retrievableUntilMs: number | null;
}

export interface TimeSpan {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

export interface SegmentSpan extends TimeSpan {
  readonly segmentId: string;
}

/** What is known of one device. Lists may hold only what touches the window; they need not be sorted. */
export interface DeviceTimelineFacts {
  /** Segments that the device's site reported as sealed. */
  readonly sealed: readonly SegmentSpan[];
  readonly gaps: readonly (TimeSpan & { readonly cause: string })[];
  /** Segments that the device's site no longer has. `fromMs`..`toMs` spans all of them. */
  readonly losses: readonly (TimeSpan & {
    readonly segmentIds: readonly string[];
    readonly cause: 'DELETED' | 'DAMAGED';
  })[];
  /** Segments of the device in this site's own media database. */
  readonly held: readonly SegmentSpan[];
  /** `RecordingStarted` without a `RecordingStopped` behind it. */
  readonly running: { readonly sinceMs: number } | null;
  /** The newest `RecordingStopped`. */
  readonly lastStop: { readonly atMs: number; readonly cause: string } | null;
  /** The oldest and the newest moment that any fact of the device speaks of, inside the window or not. Null: no fact yet. */
  readonly known: TimeSpan | null;
  /**
   * The link to the device's site, `sinceMs` being when it came up or was lost (`CONNECTING`: when it was lost).
   * Null: the device belongs to the answering site, so its own segments are held here.
   */
  readonly link: { readonly state: LinkState; readonly sinceMs: number } | null;
  /** How long the device's site keeps a segment after its end. */
  readonly retentionMs: number | null;
}

/** Cameras deliver frames at intervals; a shorter hole between two segments is a frame interval, not a loss. */
export const SEAM_MS_MAX = 200;

interface Footage {
  fromMs: number;
  toMs: number;
  readonly state: 'HELD' | 'REMOTE';
  readonly retrievableUntilMs: number | null;
}

/**
 * Covers [window.fromMs, min(window.toMs, nowMs)) without hole or overlap, in order, neighbours of the same state and
 * cause merged. Empty when the window is empty or lies in the future.
 */
export function deviceTimeline(
  facts: DeviceTimelineFacts,
  window: TimeSpan,
  nowMs: number,
): readonly TimelineSpan[] {
  const end = Math.min(window.toMs, nowMs);
  if (end <= window.fromMs) return [];
  const footage = joinedFootage(facts);
  const layers: readonly (readonly TimelineSpan[])[] = [
    footage.filter(piece => piece.state === 'HELD').map(footageSpan),
    footage.filter(piece => piece.state === 'REMOTE').map(footageSpan),
    facts.gaps.map(gap => span(gap, 'GAP', gap.cause)),
    facts.losses.map(loss => span(loss, 'GAP', loss.cause)),
    derivedSpans(facts, nowMs),
  ];
  let open: readonly TimeSpan[] = [{ fromMs: window.fromMs, toMs: end }];
  const spans: TimelineSpan[] = [];
  for (const layer of layers) open = paint(layer, open, spans);
  for (const hole of open) spans.push(span(hole, 'GAP', 'NOT_RECORDED'));
  return merge(spans.sort(byStart));
}

/** Everything playable somewhere, sorted, seams closed by drawing out the piece before the seam. */
function joinedFootage(facts: DeviceTimelineFacts): readonly Footage[] {
  const lost = new Set(facts.losses.flatMap(loss => loss.segmentIds));
  const ownState = facts.link === null ? 'HELD' : 'REMOTE';
  const pieces: Footage[] = facts.held.map(segment => ({
    ...segment,
    state: 'HELD',
    retrievableUntilMs: null,
  }));
  for (const segment of facts.sealed) {
    if (lost.has(segment.segmentId)) continue;
    const retrievableUntilMs =
      ownState === 'REMOTE' && facts.retentionMs !== null ? segment.toMs + facts.retentionMs : null;
    pieces.push({ fromMs: segment.fromMs, toMs: segment.toMs, state: ownState, retrievableUntilMs });
  }
  pieces.sort(byStart);
  let latest: Footage | null = null;
  for (const piece of pieces) {
    if (latest !== null && piece.fromMs > latest.toMs && piece.fromMs - latest.toMs < SEAM_MS_MAX) {
      latest.toMs = piece.fromMs;
    }
    if (latest === null || piece.toMs > latest.toMs) latest = piece;
  }
  return pieces;
}

/** What follows from the newest facts for the time behind them, and from the last stop for the time since. */
function derivedSpans(facts: DeviceTimelineFacts, nowMs: number): readonly TimelineSpan[] {
  const spans: TimelineSpan[] = [];
  const lastFactMs = lastFact(facts);
  const linkDown = facts.link !== null && facts.link.state !== 'UP' ? facts.link : null;
  // While the link is down a stop that was reported holds up to the loss of the link; a running recording proves
  // nothing beyond the last fact.
  const unknownFromMs =
    linkDown === null
      ? nowMs
      : Math.max(
          lastFactMs ?? 0,
          facts.running === null ? linkDown.sinceMs : (lastFactMs ?? linkDown.sinceMs),
        );
  if (facts.lastStop !== null) {
    const stoppedUntilMs =
      facts.running !== null && facts.running.sinceMs >= facts.lastStop.atMs
        ? facts.running.sinceMs
        : unknownFromMs;
    spans.push(span({ fromMs: facts.lastStop.atMs, toMs: stoppedUntilMs }, 'GAP', facts.lastStop.cause));
  }
  if (linkDown !== null) {
    const cause = `LINK_DOWN_SINCE ${new Date(linkDown.sinceMs).toISOString()}`;
    spans.push(span({ fromMs: unknownFromMs, toMs: nowMs }, 'UNKNOWN', cause));
  } else if (facts.running !== null) {
    const state = facts.link === null ? 'HELD' : 'REMOTE';
    const fromMs = Math.max(facts.running.sinceMs, lastFactMs ?? 0);
    spans.push(span({ fromMs, toMs: nowMs }, state, 'RECORDING_NOW'));
  }
  return spans;
}

function lastFact(facts: DeviceTimelineFacts): number | null {
  let last = facts.known?.toMs ?? null;
  const raise = (atMs: number) => {
    if (last === null || atMs > last) last = atMs;
  };
  for (const segment of facts.sealed) raise(segment.toMs);
  for (const gap of facts.gaps) raise(gap.toMs);
  if (facts.running !== null) raise(facts.running.sinceMs);
  if (facts.lastStop !== null) raise(facts.lastStop.atMs);
  return last;
}

/** Puts the layer onto what is still open and returns what stays open. Linear in both after sorting. */
function paint(
  layer: readonly TimelineSpan[],
  open: readonly TimeSpan[],
  into: TimelineSpan[],
): readonly TimeSpan[] {
  const disjoint = withoutOverlap(layer);
  const stillOpen: TimeSpan[] = [];
  let index = 0;
  for (const hole of open) {
    let cursor = hole.fromMs;
    while (index < disjoint.length && disjoint[index]!.toMs <= hole.fromMs) index += 1;
    // The last span may reach into the next hole, so it is looked at again there.
    for (let at = index; at < disjoint.length && disjoint[at]!.fromMs < hole.toMs; at += 1) {
      const candidate = disjoint[at]!;
      const fromMs = Math.max(candidate.fromMs, hole.fromMs);
      const toMs = Math.min(candidate.toMs, hole.toMs);
      if (fromMs > cursor) stillOpen.push({ fromMs: cursor, toMs: fromMs });
      into.push({ ...candidate, fromMs, toMs });
      cursor = toMs;
    }
    if (cursor < hole.toMs) stillOpen.push({ fromMs: cursor, toMs: hole.toMs });
  }
  return stillOpen;
}

function withoutOverlap(layer: readonly TimelineSpan[]): readonly TimelineSpan[] {
  const disjoint: TimelineSpan[] = [];
  let cursor = Number.NEGATIVE_INFINITY;
  for (const candidate of layer.toSorted(byStart)) {
    const fromMs = Math.max(candidate.fromMs, cursor);
    if (candidate.toMs <= fromMs) continue;
    disjoint.push({ ...candidate, fromMs });
    cursor = candidate.toMs;
  }
  return disjoint;
}

function merge(sorted: readonly TimelineSpan[]): readonly TimelineSpan[] {
  const merged: TimelineSpan[] = [];
  for (const next of sorted) {
    const last = merged.at(-1);
    if (last === undefined || last.state !== next.state || last.cause !== next.cause) {
      merged.push(next);
      continue;
    }
    const untilMs = [last.retrievableUntilMs, next.retrievableUntilMs].filter(value => value !== null);
    merged[merged.length - 1] = {
      ...last,
      toMs: next.toMs,
      retrievableUntilMs: untilMs.length === 0 ? null : Math.min(...untilMs),
    };
  }
  return merged;
}

function footageSpan(piece: Footage): TimelineSpan {
  const { fromMs, toMs, state, retrievableUntilMs } = piece;
  return { fromMs, toMs, state, cause: null, retrievableUntilMs };
}

function span(at: TimeSpan, state: SpanState, cause: string): TimelineSpan {
  return { fromMs: at.fromMs, toMs: at.toMs, state, cause, retrievableUntilMs: null };
}

function byStart(left: TimeSpan, right: TimeSpan): number {
  return left.fromMs - right.fromMs || left.toMs - right.toMs;
}
