import type {
  DeviceId,
  RetrievalEvent,
  RetrievalId,
  RetrievalTrigger,
  RetrievedSegment,
  SegmentId,
  SiteId,
} from '@holdfast/schema';

type DataOf<Type extends RetrievalEvent['type']> = Extract<RetrievalEvent, { readonly type: Type }>['data'];

export type InterruptionCause = DataOf<'RetrievalInterrupted'>['cause'];
export type RetrievalFailureCause = DataOf<'RetrievalFailed'>['cause'];
export type MissingSpan = DataOf<'RetrievalCompleted'>['missing'][number];

export interface RequestRetrieval {
  readonly type: 'RequestRetrieval';
  readonly retrievalId: RetrievalId;
  readonly siteId: SiteId;
  readonly deviceId: DeviceId;
  readonly fromMs: number;
  /** Exclusive. It may lie in the future: the retrieval then ends when that time has been recorded. */
  readonly toMs: number;
  readonly trigger: RetrievalTrigger;
  readonly nowMs: number;
}

export interface StartRetrieval {
  readonly type: 'StartRetrieval';
  /** What is to be fetched as far as it is known now. */
  readonly segmentCount: number;
  readonly totalBytes: number;
}

export interface ProgressRetrieval {
  readonly type: 'ProgressRetrieval';
  /** Verified and held since the last progress: 1..500. Those that were reported before are left out. */
  readonly segments: readonly RetrievedSegment[];
  /** Bytes of media received so far, the ones of earlier runs included. */
  readonly transferredBytes: number;
}

export interface InterruptRetrieval {
  readonly type: 'InterruptRetrieval';
  readonly cause: InterruptionCause;
}

export interface ResumeRetrieval {
  readonly type: 'ResumeRetrieval';
}

export interface CompleteRetrieval {
  readonly type: 'CompleteRetrieval';
  readonly transferredBytes: number;
  readonly missing: readonly MissingSpan[];
}

export interface FailRetrieval {
  readonly type: 'FailRetrieval';
  readonly cause: RetrievalFailureCause;
  readonly detail: string;
}

export interface CancelRetrieval {
  readonly type: 'CancelRetrieval';
}

export type RetrievalCommand =
  | RequestRetrieval
  | StartRetrieval
  | ProgressRetrieval
  | InterruptRetrieval
  | ResumeRetrieval
  | CompleteRetrieval
  | FailRetrieval
  | CancelRetrieval;

export type EndedRetrievalStatus = 'COMPLETED' | 'FAILED' | 'CANCELLED';
export type RetrievalStatus = 'PENDING' | 'IN_PROGRESS' | 'INTERRUPTED' | EndedRetrievalStatus;

export type RetrievalRefusal =
  | { readonly code: 'NO_SUCH_RETRIEVAL' }
  | { readonly code: 'ALREADY_REQUESTED'; readonly retrievalId: RetrievalId }
  | { readonly code: 'EMPTY_SPAN'; readonly fromMs: number; readonly toMs: number }
  | { readonly code: 'SPAN_IN_FUTURE'; readonly fromMs: number; readonly nowMs: number }
  | { readonly code: 'SPAN_TOO_LONG'; readonly spanMs: number; readonly spanMsMax: number }
  | { readonly code: 'ALREADY_ENDED'; readonly status: EndedRetrievalStatus }
  /** The command does not fit the state that the retrieval is in. */
  | {
      readonly code: 'NOT_NOW';
      readonly status: RetrievalStatus;
      readonly expected: readonly RetrievalStatus[];
    }
  | { readonly code: 'TOO_MANY_SEGMENTS'; readonly segmentCount: number; readonly segmentCountMax: number }
  /** Every segment of the progress was reported before: there is nothing new to say. */
  | { readonly code: 'NOTHING_NEW'; readonly segmentIds: readonly SegmentId[] }
  /** Newer software wrote into its stream, or it is broken: nothing is decided on what is not known whole. */
  | { readonly code: 'STREAM_NOT_READABLE'; readonly message: string };
