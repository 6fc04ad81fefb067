import type { InterruptionCause, MissingSpan, RetrievalFailureCause, RetrievalRequest } from '@holdfast/core';
import type { RetrievalEvent } from '@holdfast/schema';
import { assign, initialTransition, type SnapshotFrom, setup, transition } from 'xstate';

export type RetrievalFact = Exclude<RetrievalEvent, { readonly type: 'RetrievalRequested' }>;

export interface RetrievalContext {
  readonly request: RetrievalRequest;
  /** As known when it started; more may have been sealed since. */
  readonly segmentCount: number;
  readonly totalBytes: number;
  readonly retrievedSegmentCount: number;
  readonly retrievedBytes: number;
  /** Bytes that crossed the link for it, as last reported. */
  readonly transferredBytes: number;
  readonly interruption: InterruptionCause | null;
  readonly failure: { readonly cause: RetrievalFailureCause; readonly detail: string } | null;
  readonly missing: readonly MissingSpan[];
}

/** The table of `SPEC.md`. It performs nothing: `assign` folds facts into the context. */
export const retrievalMachine = setup({
  types: {
    input: {} as RetrievalRequest,
    context: {} as RetrievalContext,
    events: {} as RetrievalFact,
  },
}).createMachine({
  id: 'retrieval',
  context: ({ input }) => ({
    request: input,
    segmentCount: 0,
    totalBytes: 0,
    retrievedSegmentCount: 0,
    retrievedBytes: 0,
    transferredBytes: 0,
    interruption: null,
    failure: null,
    missing: [],
  }),
  initial: 'PENDING',
  states: {
    PENDING: {
      on: {
        RetrievalStarted: {
          target: 'IN_PROGRESS',
          actions: assign(({ event }) => ({
            segmentCount: event.data.segmentCount,
            totalBytes: event.data.totalBytes,
          })),
        },
      },
    },
    IN_PROGRESS: {
      on: {
        RetrievalProgressed: {
          actions: assign(({ context, event }) => ({
            retrievedSegmentCount: context.retrievedSegmentCount + event.data.segments.length,
            retrievedBytes:
              context.retrievedBytes +
              event.data.segments.reduce((sum, segment) => sum + segment.byteLength, 0),
            transferredBytes: event.data.transferredBytes,
          })),
        },
        RetrievalInterrupted: {
          target: 'INTERRUPTED',
          actions: assign(({ event }) => ({ interruption: event.data.cause })),
        },
        RetrievalCompleted: {
          target: 'COMPLETED',
          actions: assign(({ event }) => ({
            transferredBytes: event.data.transferredBytes,
            missing: event.data.missing,
          })),
        },
      },
    },
    INTERRUPTED: {
      on: {
        RetrievalResumed: { target: 'IN_PROGRESS', actions: assign({ interruption: null }) },
      },
    },
    COMPLETED: { type: 'final' },
    FAILED: { type: 'final' },
    CANCELLED: { type: 'final' },
  },
  on: {
    RetrievalFailed: {
      target: '.FAILED',
      actions: assign(({ event }) => ({ failure: { cause: event.data.cause, detail: event.data.detail } })),
    },
    RetrievalCancelled: { target: '.CANCELLED' },
  },
});

export type RetrievalSnapshot = SnapshotFrom<typeof retrievalMachine>;

export function beginRetrieval(request: RetrievalRequest): RetrievalSnapshot {
  return initialTransition(retrievalMachine, request)[0];
}

/** A fact that has no place in the state changes nothing. */
export function advanceRetrieval(snapshot: RetrievalSnapshot, event: RetrievalEvent): RetrievalSnapshot {
  if (event.type === 'RetrievalRequested' || snapshot.status !== 'active') return snapshot;
  return transition(retrievalMachine, snapshot, event)[0];
}

/** Null when the events do not begin with the request. */
export function restoreRetrieval(events: readonly RetrievalEvent[]): RetrievalSnapshot | null {
  const [first, ...rest] = events;
  if (first?.type !== 'RetrievalRequested') return null;
  return rest.reduce(advanceRetrieval, beginRetrieval(first.data));
}
