import type {
  DeviceId,
  RecordingServerId,
  RetrievalId,
  RetrievalTrigger,
  SegmentId,
  SiteId,
} from '@holdfast/schema';
import type { LinkState, TimeSpan } from '../timeline/timeline.js';

/** A sealed segment at its origin that is not known to be lost. */
export interface RetrievableSegment extends TimeSpan {
  readonly segmentId: SegmentId;
  /** Who holds it there. */
  readonly recordingServerId: RecordingServerId;
  readonly byteLength: number;
}

/** A retrieval that has not ended, and what is known of its span. */
export interface OpenRetrieval extends TimeSpan {
  readonly retrievalId: RetrievalId;
  readonly siteId: SiteId;
  readonly deviceId: DeviceId;
  readonly trigger: RetrievalTrigger;
  readonly requestedAtMs: number;
  /** After an interruption: not to be tried again before. */
  readonly notBeforeMs: number;
  /** It has a transfer now; a window that closes does not cut it. */
  readonly isRunning: boolean;
  readonly segments: readonly RetrievableSegment[];
  readonly heldSegmentIds: ReadonlySet<SegmentId>;
  /** How long the device's site keeps a segment after its end; null when not known. */
  readonly retentionMs: number | null;
}

/** Minutes of the day in UTC, 0..1439. `from` after `to` spans midnight. */
export interface DailyWindow {
  readonly fromMinute: number;
  /** Exclusive. */
  readonly toMinute: number;
}

export interface SourceSite {
  readonly siteId: SiteId;
  readonly linkState: LinkState;
  /** Recording servers that can be asked now. */
  readonly attached: ReadonlySet<RecordingServerId>;
  readonly budget: RetrievalBudget;
}

/** What retrieval may take of the link to a site. It does not concern live and playback. */
export interface RetrievalBudget {
  /** Devices at the same time: 1.. */
  readonly devicesMax: number;
  /** When transfers may begin; null: at any time. */
  readonly window: DailyWindow | null;
  /** Media bytes of all its transfers together; null: as the link carries. */
  readonly bytesPerSecondMax: number | null;
}

export interface Transfer {
  readonly retrievalId: RetrievalId;
  readonly siteId: SiteId;
  readonly recordingServerId: RecordingServerId;
  readonly deviceId: DeviceId;
  readonly trigger: RetrievalTrigger;
  /** 1..`TRANSFER_SEGMENTS_MAX`, oldest first: the source deletes those first. */
  readonly segmentIds: readonly SegmentId[];
}

/** About an hour of recording: short enough that facts which arrive meanwhile are soon taken into account. */
export const TRANSFER_SEGMENTS_MAX = 64;

const rankOf: { readonly [Trigger in RetrievalTrigger]: number } = {
  ALARM: 0,
  EVIDENCE_LOCK: 1,
  REQUEST: 2,
  RULE: 3,
  LINK_RESTORE: 4,
  SCHEDULE: 5,
};

export function isMoreUrgent(left: RetrievalTrigger, right: RetrievalTrigger): boolean {
  return rankOf[left] < rankOf[right];
}

interface Candidate {
  readonly transfer: Transfer;
  /** When the source deletes the first of it. */
  readonly deadlineMs: number;
  readonly requestedAtMs: number;
}

/**
 * What to transfer now, the most urgent first: one transfer per retrieval and per device, and per site no more than its
 * budget allows. What has no place in it waits for the next plan.
 */
export function planRetrievals(facts: {
  readonly retrievals: readonly OpenRetrieval[];
  readonly sites: readonly SourceSite[];
  readonly nowMs: number;
}): readonly Transfer[] {
  const sites = new Map(facts.sites.map(site => [site.siteId, site]));
  const candidates = facts.retrievals
    .flatMap(retrieval => {
      const site = sites.get(retrieval.siteId);
      const candidate = site && candidateOf(retrieval, site, facts.nowMs);
      return candidate ? [candidate] : [];
    })
    .sort(byUrgency);
  const devices = new Set<DeviceId>();
  const perSite = new Map<SiteId, number>();
  return candidates.flatMap(({ transfer }) => {
    const { siteId, deviceId } = transfer;
    const taken = perSite.get(siteId) ?? 0;
    if (devices.has(deviceId) || taken >= sites.get(siteId)!.budget.devicesMax) return [];
    devices.add(deviceId);
    perSite.set(siteId, taken + 1);
    return [transfer];
  });
}

/** What of the retrieval's span is neither held nor lost, oldest first. */
export function wantedSegments(
  retrieval: Pick<OpenRetrieval, 'fromMs' | 'toMs' | 'segments' | 'heldSegmentIds'>,
): readonly RetrievableSegment[] {
  return retrieval.segments
    .filter(
      segment =>
        segment.toMs > retrieval.fromMs &&
        segment.fromMs < retrieval.toMs &&
        !retrieval.heldSegmentIds.has(segment.segmentId),
    )
    .sort((left, right) => left.fromMs - right.fromMs);
}

/** Parts of an outage of the link that are not held here: what to retrieve now that the link is back. */
export function missedWhileDown(outage: TimeSpan, held: readonly TimeSpan[]): readonly TimeSpan[] {
  const missed: TimeSpan[] = [];
  let cursor = outage.fromMs;
  for (const { fromMs, toMs } of held.toSorted((left, right) => left.fromMs - right.fromMs)) {
    if (toMs <= cursor) continue;
    if (fromMs >= outage.toMs) break;
    if (fromMs > cursor) missed.push({ fromMs: cursor, toMs: fromMs });
    cursor = toMs;
  }
  if (cursor < outage.toMs) missed.push({ fromMs: cursor, toMs: outage.toMs });
  return missed;
}

function candidateOf(retrieval: OpenRetrieval, site: SourceSite, nowMs: number): Candidate | null {
  if (site.linkState !== 'UP' || retrieval.notBeforeMs > nowMs) return null;
  if (!retrieval.isRunning && !isOpen(site.budget.window, nowMs)) return null;
  const reachable = wantedSegments(retrieval).filter(segment => site.attached.has(segment.recordingServerId));
  const [first] = reachable;
  if (first === undefined) return null;
  const { retrievalId, siteId, deviceId, trigger, requestedAtMs, retentionMs } = retrieval;
  const { recordingServerId } = first;
  const segmentIds = reachable
    .filter(segment => segment.recordingServerId === recordingServerId)
    .slice(0, TRANSFER_SEGMENTS_MAX)
    .map(segment => segment.segmentId);
  return {
    transfer: { retrievalId, siteId, recordingServerId, deviceId, trigger, segmentIds },
    deadlineMs: retentionMs === null ? Number.POSITIVE_INFINITY : first.toMs + retentionMs,
    requestedAtMs,
  };
}

function byUrgency(left: Candidate, right: Candidate): number {
  const byRank = rankOf[left.transfer.trigger] - rankOf[right.transfer.trigger];
  if (byRank !== 0) return byRank;
  if (left.deadlineMs !== right.deadlineMs) return left.deadlineMs < right.deadlineMs ? -1 : 1;
  if (left.requestedAtMs !== right.requestedAtMs) return left.requestedAtMs - right.requestedAtMs;
  return left.transfer.retrievalId < right.transfer.retrievalId ? -1 : 1;
}

const MINUTE_MS = 60_000;
const MINUTES_PER_DAY = 24 * 60;

function isOpen(window: DailyWindow | null, nowMs: number): boolean {
  if (window === null) return true;
  const minute = Math.floor(nowMs / MINUTE_MS) % MINUTES_PER_DAY;
  const { fromMinute, toMinute } = window;
  if (fromMinute <= toMinute) return minute >= fromMinute && minute < toMinute;
  return minute >= fromMinute || minute < toMinute;
}
