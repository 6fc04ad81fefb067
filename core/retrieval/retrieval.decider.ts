import type { RetrievalEvent, SegmentId } from '@holdfast/schema';
import { accept, type Decider, type Decision, refuse } from '../decider/decider.js';
import type {
  EndedRetrievalStatus,
  RetrievalCommand,
  RetrievalRefusal,
  RetrievalStatus,
} from './retrieval.commands.js';

export type RetrievalRequest = Extract<RetrievalEvent, { readonly type: 'RetrievalRequested' }>['data'];

export type RetrievalState =
  | { readonly status: 'NONE' }
  | {
      readonly status: RetrievalStatus;
      readonly request: RetrievalRequest;
      /** Complete, verified and held here. */
      readonly retrievedSegmentIds: ReadonlySet<SegmentId>;
      readonly transferredBytes: number;
    };

/** More than the longest retention that anybody retrieves at once; keeps one request from naming a whole archive. */
export const RETRIEVAL_SPAN_MS_MAX = 31 * 24 * 3600 * 1000;
/** The event's own bound: see `RetrievalProgressed`. */
export const PROGRESS_SEGMENTS_MAX = 500;

type Outcome = Decision<RetrievalEvent, RetrievalRefusal>;
type Known = Exclude<RetrievalState, { readonly status: 'NONE' }>;
type Step = Exclude<RetrievalCommand, { readonly type: 'RequestRetrieval' }>;

/** In which states a step is taken. The full table, with what a refusal says, is `interconnect/retrieval/SPEC.md`. */
const allowedIn: { readonly [Type in Step['type']]: readonly RetrievalStatus[] } = {
  StartRetrieval: ['PENDING'],
  ProgressRetrieval: ['IN_PROGRESS'],
  InterruptRetrieval: ['IN_PROGRESS'],
  ResumeRetrieval: ['INTERRUPTED'],
  CompleteRetrieval: ['IN_PROGRESS'],
  FailRetrieval: ['PENDING', 'IN_PROGRESS', 'INTERRUPTED'],
  CancelRetrieval: ['PENDING', 'IN_PROGRESS', 'INTERRUPTED'],
};

export const retrievalDecider: Decider<RetrievalState, RetrievalCommand, RetrievalEvent, RetrievalRefusal> = {
  initialState: { status: 'NONE' },
  decide,
  evolve,
};

export function isEnded(status: RetrievalStatus): status is EndedRetrievalStatus {
  return status === 'COMPLETED' || status === 'FAILED' || status === 'CANCELLED';
}

function decide(command: RetrievalCommand, state: RetrievalState): Outcome {
  if (command.type === 'RequestRetrieval') return request(command, state);
  if (state.status === 'NONE') return refuse({ code: 'NO_SUCH_RETRIEVAL' });
  if (isEnded(state.status)) return refuse({ code: 'ALREADY_ENDED', status: state.status });
  const expected = allowedIn[command.type];
  if (!expected.includes(state.status)) return refuse({ code: 'NOT_NOW', status: state.status, expected });
  return step(command, state);
}

function request(
  command: Extract<RetrievalCommand, { readonly type: 'RequestRetrieval' }>,
  state: RetrievalState,
): Outcome {
  const { retrievalId, siteId, deviceId, fromMs, toMs, trigger, nowMs } = command;
  if (state.status !== 'NONE') return refuse({ code: 'ALREADY_REQUESTED', retrievalId });
  if (toMs <= fromMs) return refuse({ code: 'EMPTY_SPAN', fromMs, toMs });
  if (fromMs >= nowMs) return refuse({ code: 'SPAN_IN_FUTURE', fromMs, nowMs });
  if (toMs - fromMs > RETRIEVAL_SPAN_MS_MAX) {
    return refuse({ code: 'SPAN_TOO_LONG', spanMs: toMs - fromMs, spanMsMax: RETRIEVAL_SPAN_MS_MAX });
  }
  return accept({
    type: 'RetrievalRequested',
    data: { retrievalId, siteId, deviceId, fromMs, toMs, trigger },
  });
}

function step(command: Step, state: Known): Outcome {
  const { retrievalId } = state.request;
  switch (command.type) {
    case 'StartRetrieval': {
      const { segmentCount, totalBytes } = command;
      return accept({ type: 'RetrievalStarted', data: { retrievalId, segmentCount, totalBytes } });
    }
    case 'ProgressRetrieval':
      return progress(command, state);
    case 'InterruptRetrieval':
      return accept({ type: 'RetrievalInterrupted', data: { retrievalId, cause: command.cause } });
    case 'ResumeRetrieval':
      return accept({ type: 'RetrievalResumed', data: { retrievalId } });
    case 'CompleteRetrieval': {
      const { transferredBytes, missing } = command;
      const data = { retrievalId, transferredBytes, missing: [...missing] };
      return accept({ type: 'RetrievalCompleted', data });
    }
    case 'FailRetrieval':
      return accept({
        type: 'RetrievalFailed',
        data: { retrievalId, cause: command.cause, detail: command.detail },
      });
    case 'CancelRetrieval':
      return accept({ type: 'RetrievalCancelled', data: { retrievalId } });
  }
}

function progress(
  command: Extract<RetrievalCommand, { readonly type: 'ProgressRetrieval' }>,
  state: Known,
): Outcome {
  if (command.segments.length > PROGRESS_SEGMENTS_MAX) {
    return refuse({
      code: 'TOO_MANY_SEGMENTS',
      segmentCount: command.segments.length,
      segmentCountMax: PROGRESS_SEGMENTS_MAX,
    });
  }
  const segments = command.segments.filter(segment => !state.retrievedSegmentIds.has(segment.segmentId));
  if (segments.length === 0) {
    return refuse({ code: 'NOTHING_NEW', segmentIds: command.segments.map(segment => segment.segmentId) });
  }
  const { retrievalId, deviceId } = state.request;
  const { transferredBytes } = command;
  return accept({ type: 'RetrievalProgressed', data: { retrievalId, deviceId, segments, transferredBytes } });
}

function evolve(state: RetrievalState, event: RetrievalEvent): RetrievalState {
  if (event.type === 'RetrievalRequested') {
    return { status: 'PENDING', request: event.data, retrievedSegmentIds: new Set(), transferredBytes: 0 };
  }
  // A stream that does not begin with the request is not a retrieval; nothing can be concluded from it.
  if (state.status === 'NONE') return state;
  switch (event.type) {
    case 'RetrievalStarted':
    case 'RetrievalResumed':
      return { ...state, status: 'IN_PROGRESS' };
    case 'RetrievalProgressed':
      return {
        ...state,
        retrievedSegmentIds: new Set([
          ...state.retrievedSegmentIds,
          ...event.data.segments.map(segment => segment.segmentId),
        ]),
        transferredBytes: event.data.transferredBytes,
      };
    case 'RetrievalInterrupted':
      return { ...state, status: 'INTERRUPTED' };
    case 'RetrievalCompleted':
      return { ...state, status: 'COMPLETED', transferredBytes: event.data.transferredBytes };
    case 'RetrievalFailed':
      return { ...state, status: 'FAILED' };
    case 'RetrievalCancelled':
      return { ...state, status: 'CANCELLED' };
  }
}
