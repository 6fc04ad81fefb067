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
   * `RECORDING_NOW`: recorded until now or until a moment ago, not sealed yet. Of `REMOTE`: `RECORDING_SERVER_AWAY <its id>`,
   * recorded there, and nobody can play or retrieve it while that server is not connected. Of a `GAP`: a `RecordingCause`,
   * `NOT_RECORDED`, `DELETED` or `DAMAGED`. Of `UNKNOWN`: `LINK_DOWN_SINCE <ISO 8601 UTC>`. Null where there is nothing to explain.
   */
  readonly cause: string | null;
  /**
   * `REMOTE` only: until then all of the span can be retrieved, the file in which its first moment lies at most a segment longer.
   * Null when the retention is not known.
   */
  readonly retrievableUntilMs: number | null;
  /** Of a recording that was reduced: one picture of each group, and all sound. */
  readonly keyFramesOnly: boolean;
}

export interface TimeSpan {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

export interface RecordedSpan extends TimeSpan {
  /** Left out: all pictures are there. */
  readonly keyFramesOnly?: boolean;
  /** Of what is not held: the recording server that has it, where that is not connected, though its site is. */
  readonly away?: string | null;
}

export interface SegmentSpan extends RecordedSpan {
  readonly segmentId: string;
}

export type LossCause = 'DELETED' | 'DAMAGED';

/** What is known of one device. Lists may hold only what touches the window; they need not be sorted. */
export interface DeviceTimelineFacts {
  /** What the device's site reported as sealed and has not lost since: segments, or stretches of them without a hole. */
  readonly sealed: readonly RecordedSpan[];
  readonly gaps: readonly (TimeSpan & { readonly cause: string })[];
  /** What the device's site no longer has. */
  readonly losses: readonly (TimeSpan & { readonly cause: LossCause })[];
  /** What of the device is in this site's own media database. */
  readonly held: readonly RecordedSpan[];
  /** `RecordingStarted` without a `RecordingStopped` behind it. */
  readonly running: ({ readonly sinceMs: number } & Pick<RecordedSpan, 'away'>) | null;
  /** Where a run of recording has ended of which the device's site has not sealed everything yet. */
  readonly unsealed: readonly (TimeSpan & Pick<RecordedSpan, 'away'>)[];
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

/** The same, segment by segment: what decides which of them to retrieve. */
export interface DeviceSegmentFacts extends Omit<DeviceTimelineFacts, 'sealed' | 'losses' | 'held'> {
  /** Segments that the device's site reported as sealed, also those that it has lost since. */
  readonly sealed: readonly SegmentSpan[];
  readonly losses: readonly (SegmentSpan & { readonly cause: LossCause })[];
  readonly held: readonly SegmentSpan[];
}

/** What of these facts the timeline is made of. */
export function timelineFacts(facts: DeviceSegmentFacts): DeviceTimelineFacts {
  const lost = new Set(facts.losses.map(({ segmentId }) => segmentId));
  return { ...facts, sealed: facts.sealed.filter(({ segmentId }) => !lost.has(segmentId)) };
}

/** Cameras deliver frames at intervals; a shorter hole between two segments is a frame interval, not a loss. */
export const SEAM_MS_MAX = 200;

interface Footage {
  fromMs: number;
  toMs: number;
  readonly state: 'HELD' | 'REMOTE';
  readonly keyFramesOnly: boolean;
  readonly cause: string | null;
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
  const layers: readonly (readonly TimelineSpan[])[] = [
    ...footageLayers(joinedFootage(facts)),
    facts.gaps.map(gap => span(gap, 'GAP', gap.cause)),
    lossSpans(facts, 'DELETED'),
    lossSpans(facts, 'DAMAGED'),
    unsealedSpans(facts),
    derivedSpans(facts, nowMs),
  ];
  let open: readonly TimeSpan[] = [{ fromMs: window.fromMs, toMs: end }];
  const spans: TimelineSpan[] = [];
  for (const layer of layers) open = paint(layer, open, spans);
  for (const hole of open) spans.push(span(hole, 'GAP', 'NOT_RECORDED'));
  const { retentionMs } = facts;
  return merge(spans.sort(byStart)).map(merged => ({
    ...merged,
    retrievableUntilMs:
      merged.state === 'REMOTE' && merged.cause === null && retentionMs !== null
        ? merged.fromMs + retentionMs
        : null,
  }));
}

/** What is here before what is elsewhere, what can be had before what cannot, and all pictures before some of them. */
function footageLayers(footage: readonly Footage[]): readonly (readonly TimelineSpan[])[] {
  const layers = Map.groupBy(footage, layerOf);
  return Array.from({ length: FOOTAGE_LAYERS }, (_, index) =>
    (layers.get(index) ?? []).map(piece => ({
      ...span(piece, piece.state, piece.cause),
      keyFramesOnly: piece.keyFramesOnly,
    })),
  );
}

const FOOTAGE_LAYERS = 6;

function layerOf({ state, cause, keyFramesOnly }: Footage): number {
  const place = state === 'HELD' ? 0 : cause === null ? 1 : 2;
  return 2 * place + (keyFramesOnly ? 1 : 0);
}

/** Everything playable somewhere, sorted, seams closed by drawing out the piece before the seam. */
function joinedFootage({ held, sealed, link }: DeviceTimelineFacts): readonly Footage[] {
  const ownState: Footage['state'] = link === null ? 'HELD' : 'REMOTE';
  const pieces: Footage[] = [
    ...held.map(piece => footageOf(piece, 'HELD')),
    ...sealed.map(piece => footageOf(piece, ownState)),
  ];
  pieces.sort(byStart);
  let latest: Footage | null = null;
  for (const piece of pieces) {
    if (latest !== null && piece.fromMs > latest.toMs && piece.fromMs - latest.toMs < SEAM_MS_MAX) {
      latest.toMs = piece.fromMs;
    }
    // Of those that end together the one that is shown is drawn out, wherever they began.
    const isLater =
      latest === null ||
      piece.toMs > latest.toMs ||
      (piece.toMs === latest.toMs && layerOf(piece) < layerOf(latest));
    if (isLater) latest = piece;
  }
  return pieces;
}

function footageOf(
  { fromMs, toMs, keyFramesOnly = false, away }: RecordedSpan,
  state: Footage['state'],
): Footage {
  const cause = awayCause(away);
  return { fromMs, toMs, keyFramesOnly, cause, state: cause === null ? state : 'REMOTE' };
}

function awayCause(away: string | null | undefined): string | null {
  return away ? `RECORDING_SERVER_AWAY ${away}` : null;
}

/** Recorded, as was said; that it can be had is only told by its seal, which may lie behind a link that is down. */
function unsealedSpans({ unsealed, link }: DeviceTimelineFacts): readonly TimelineSpan[] {
  if (isDown(link)) return unsealed.map(run => span(run, 'UNKNOWN', linkDownCause(link)));
  return unsealed.map(run => unsealedSpan(run, link));
}

/** What follows from the newest facts for the time behind them, and from the last stop for the time since. */
function derivedSpans(facts: DeviceTimelineFacts, nowMs: number): readonly TimelineSpan[] {
  const spans: TimelineSpan[] = [];
  const lastFactMs = lastFact(facts);
  const linkDown = isDown(facts.link) ? facts.link : null;
  // While the link is down a stop that was reported holds up to the loss of the link; a recording that is running, or that goes
  // on at another recording server, proves nothing beyond the last fact.
  const isStopped = facts.running === null && facts.lastStop?.cause !== 'HARDWARE_MOVED';
  const unknownFromMs =
    linkDown === null
      ? nowMs
      : Math.max(lastFactMs ?? 0, isStopped ? linkDown.sinceMs : (lastFactMs ?? linkDown.sinceMs));
  if (facts.lastStop !== null) {
    const stoppedUntilMs =
      facts.running !== null && facts.running.sinceMs >= facts.lastStop.atMs
        ? facts.running.sinceMs
        : unknownFromMs;
    spans.push(span({ fromMs: facts.lastStop.atMs, toMs: stoppedUntilMs }, 'GAP', facts.lastStop.cause));
  }
  if (linkDown !== null) {
    spans.push(span({ fromMs: unknownFromMs, toMs: nowMs }, 'UNKNOWN', linkDownCause(linkDown)));
  } else if (facts.running !== null) {
    const { sinceMs, away = null } = facts.running;
    const fromMs = Math.max(sinceMs, lastFactMs ?? 0);
    spans.push(unsealedSpan({ fromMs, toMs: nowMs, away }, facts.link));
  }
  return spans;
}

function unsealedSpan(run: DeviceTimelineFacts['unsealed'][number], link: Link | null): TimelineSpan {
  const away = awayCause(run.away);
  return span(run, link === null && away === null ? 'HELD' : 'REMOTE', away ?? 'RECORDING_NOW');
}

type Link = NonNullable<DeviceTimelineFacts['link']>;

function isDown(link: Link | null): link is Link {
  return link !== null && link.state !== 'UP';
}

function linkDownCause({ sinceMs }: Link): string {
  return `LINK_DOWN_SINCE ${new Date(sinceMs).toISOString()}`;
}

function lastFact(facts: DeviceTimelineFacts): number | null {
  let last = facts.known?.toMs ?? null;
  const raise = (atMs: number) => {
    if (last === null || atMs > last) last = atMs;
  };
  for (const piece of facts.sealed) raise(piece.toMs);
  for (const loss of facts.losses) raise(loss.toMs);
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
    const isSame =
      last?.state === next.state && last.cause === next.cause && last.keyFramesOnly === next.keyFramesOnly;
    if (isSame) merged[merged.length - 1] = { ...last, toMs: next.toMs };
    else merged.push(next);
  }
  return merged;
}

function lossSpans({ losses }: DeviceTimelineFacts, cause: LossCause): readonly TimelineSpan[] {
  return losses.filter(loss => loss.cause === cause).map(loss => span(loss, 'GAP', cause));
}

function span({ fromMs, toMs }: TimeSpan, state: SpanState, cause: string | null): TimelineSpan {
  return { fromMs, toMs, state, cause, retrievableUntilMs: null, keyFramesOnly: false };
}

function byStart(left: TimeSpan, right: TimeSpan): number {
  return left.fromMs - right.fromMs || left.toMs - right.toMs;
}
