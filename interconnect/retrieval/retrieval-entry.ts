import {
  type DeviceSegmentFacts,
  isEnded,
  type OpenRetrieval,
  type RetrievalRequest,
  type RetrievalState,
  type RetrievalStatus,
  type Transfer,
  wantedSegments,
} from '@holdfast/core';
import type { RetrievalId, RetrievedSegment, SegmentId } from '@holdfast/schema';
import type { PostponeCause } from './retrieval-executor.js';
import type { DeviceRecordings, SourceSegment } from './retrieval-facts.js';
import type { RetrievalProcess } from './retrieval-process.js';

/** What is postponed is tried again this much later, and at once when the source's log tells of other bytes. */
const POSTPONED_MS = 10_000;
/** A site tells of what it reduced within a minute of the disk, and a backlog may be on its way before that: a quarter of an hour. */
const OTHER_BYTES_TRIES_MAX = 90;

interface Postponed {
  /** As the log named it. */
  readonly digest: string;
  readonly tries: number;
  readonly untilMs: number;
}

/** Why a transfer is ended from this side. */
export type StopCause = 'PREEMPTED' | 'STOPPED' | 'CANCELLED';

export interface RunningTransfer {
  readonly transfer: Transfer;
  readonly stop: (cause: StopCause) => void;
  readonly stopped: () => StopCause | null;
  /** Resolves when everything is reported and released. Never rejects. */
  readonly ended: Promise<void>;
}

/** What a subscriber sees of a retrieval while it runs; ahead of the log by at most one batch of progress. */
export interface RetrievalProgress {
  readonly retrievalId: RetrievalId;
  readonly status: RetrievalStatus;
  readonly retrievedSegmentCount: number;
  /** As far as it is sealed by now. */
  readonly segmentCount: number;
  readonly retrievedBytes: number;
  readonly totalBytes: number;
  readonly transferredBytes: number;
}

export type KnownState = Exclude<RetrievalState, { readonly status: 'NONE' }>;

/** A retrieval that has not ended, with what this server knows of it beyond the log. */
export class RetrievalEntry {
  readonly process: RetrievalProcess;
  running: RunningTransfer | null = null;
  isCancelling = false;
  /** Interruptions in a row without a fragment in between, and when it may be tried again. */
  interruptions = 0;
  notBeforeMs = 0;
  /** Media bytes over the link, those of earlier runs as last reported included. */
  transferredBytes: number;
  /** Verified here, not yet in the log. */
  readonly unreported = new Map<SegmentId, RetrievedSegment>();
  /** What the source did not have although its log names it, and the reason it gave. */
  readonly unavailable = new Map<SegmentId, string>();
  readonly #postponed = new Map<SegmentId, Postponed>();
  #wanted = { segmentCount: 0, byteLength: 0 };

  constructor(process: RetrievalProcess) {
    this.process = process;
    this.transferredBytes = this.state.transferredBytes;
  }

  get state(): KnownState {
    const { state } = this.process;
    if (state.status === 'NONE') throw new Error(`retrieval ${this.process.retrievalId} was not requested`);
    return state;
  }

  get request(): RetrievalRequest {
    return this.state.request;
  }

  get hasEnded(): boolean {
    return isEnded(this.state.status);
  }

  /** The facts, with what this server did or learned itself and no read model tells yet. */
  merge(recordings: DeviceRecordings): DeviceSegmentFacts {
    const { timeline, segments } = recordings;
    const here = segments.filter(
      ({ segmentId }) => this.state.retrievedSegmentIds.has(segmentId) || this.unreported.has(segmentId),
    );
    const gone = segments.flatMap(({ segmentId, fromMs, toMs }) => {
      const reason = this.unavailable.get(segmentId);
      if (reason === undefined) return [];
      // What is there and cannot be given out was not deleted.
      const isUnreadable = reason.includes('DAMAGED') || reason.startsWith('MEDIA_KEY_MISSING');
      const cause = isUnreadable ? ('DAMAGED' as const) : ('DELETED' as const);
      return [{ segmentId, fromMs, toMs, cause }];
    });
    return { ...timeline, held: [...timeline.held, ...here], losses: [...timeline.losses, ...gone] };
  }

  /** See `TransferOptions.onPostponed`. `digest`: as the source's log names it. */
  postpone(
    { segmentId, digest }: Pick<SourceSegment, 'segmentId' | 'digest'>,
    because: PostponeCause,
    nowMs: number,
  ): boolean {
    const before = this.#postponed.get(segmentId);
    const tries = because === 'OTHER_BYTES' && before?.digest === digest ? before.tries + 1 : 1;
    if (tries > OTHER_BYTES_TRIES_MAX) return false;
    this.#postponed.set(segmentId, { digest, tries, untilMs: nowMs + POSTPONED_MS });
    return true;
  }

  #isPostponed({ segmentId, digest }: SourceSegment, nowMs: number): boolean {
    const postponed = this.#postponed.get(segmentId);
    return postponed !== undefined && postponed.digest === digest && nowMs < postponed.untilMs;
  }

  /** What the planner is told. */
  plannable(facts: DeviceSegmentFacts, segments: readonly SourceSegment[], nowMs: number): OpenRetrieval {
    const { retrievalId, siteId, deviceId, trigger, fromMs, toMs } = this.request;
    const lost = new Set(facts.losses.map(loss => loss.segmentId));
    const retrievable = segments.filter(segment => !lost.has(segment.segmentId));
    const open: OpenRetrieval = {
      retrievalId,
      siteId,
      deviceId,
      trigger,
      fromMs,
      toMs,
      requestedAtMs: this.process.requestedAtMs,
      notBeforeMs: this.running === null ? this.notBeforeMs : 0,
      isRunning: this.running !== null,
      segments: retrievable.filter(segment => !this.#isPostponed(segment, nowMs)),
      heldSegmentIds: new Set(facts.held.map(segment => segment.segmentId as SegmentId)),
      retentionMs: facts.retentionMs,
    };
    const wanted = wantedSegments({ ...open, segments: retrievable });
    const byteLength = wanted.reduce((sum, segment) => sum + segment.byteLength, 0);
    this.#wanted = { segmentCount: wanted.length, byteLength };
    return open;
  }

  /** Neither held nor lost, by the last plan. */
  get wanted(): { readonly segmentCount: number; readonly byteLength: number } {
    return this.#wanted;
  }

  onRetrieved(segment: RetrievedSegment): void {
    this.unreported.set(segment.segmentId, segment);
    const { segmentCount, byteLength } = this.#wanted;
    this.#wanted = {
      segmentCount: Math.max(segmentCount - 1, 0),
      byteLength: Math.max(byteLength - segment.byteLength, 0),
    };
  }

  progress(): RetrievalProgress {
    const { retrievedSegmentCount, retrievedBytes } = this.process.snapshot!.context;
    const unreported = [...this.unreported.values()];
    const count = retrievedSegmentCount + unreported.length;
    const bytes = retrievedBytes + unreported.reduce((sum, segment) => sum + segment.byteLength, 0);
    return {
      retrievalId: this.process.retrievalId,
      status: this.state.status,
      retrievedSegmentCount: count,
      segmentCount: count + this.#wanted.segmentCount,
      retrievedBytes: bytes,
      totalBytes: bytes + this.#wanted.byteLength,
      transferredBytes: this.transferredBytes,
    };
  }
}
