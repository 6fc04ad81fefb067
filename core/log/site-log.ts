import type { EventId, SiteId } from '@holdfast/schema';
import type { LogPlace } from './log-place.js';

/** How much the clock behind `occurredAtMs` can be trusted. */
export type ClockQuality = 'UNKNOWN' | 'RTC' | 'NTP' | 'GPS';

/** An event before it has a place in the log. `data` is what is stored, hashed and transported: at most 256 KiB. */
export interface NewEvent {
  readonly id: EventId;
  readonly type: string;
  /** Schema version of `data`, 1..65535. */
  readonly version: number;
  /** UTF-8 JSON. */
  readonly data: Uint8Array;
  /** Who did it: `user:<sealed name>`, `server:<id>`, `site:<id>`. At most 200 characters. */
  readonly actor: string;
  /** What the device or the caller claims, milliseconds since the Unix epoch. */
  readonly occurredAtMs: number;
  readonly clockQuality: ClockQuality;
  readonly causationId: EventId | null;
  readonly correlationId: EventId | null;
}

/** An event in a log. `header` and `data` are the stored bytes; every other field is read out of `header`. */
export interface RecordedEvent extends NewEvent {
  readonly site: SiteId;
  /** 1.. */
  readonly epoch: number;
  /** Dense, 1..n within the epoch. */
  readonly position: number;
  readonly stream: string;
  /** Dense, 0..n within the stream, through all epochs. */
  readonly revision: number;
  /** Hybrid logical clock: milliseconds × 65536 + counter. Never runs back within a log. */
  readonly recordedAt: bigint;
  readonly header: Uint8Array;
  /** SHA-256(0x00 ‖ header ‖ SHA-256(data)): the RFC 6962 leaf hash. 32 bytes. */
  readonly leafHash: Uint8Array;
}

/** `number`: the stream's last event has exactly this revision. `none`: the stream has no event. `any`: no check. */
export type ExpectedRevision = number | 'none' | 'any';

export interface StreamAppend {
  /** 1..200 characters, e.g. `alarm-<id>`. */
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: readonly NewEvent[];
}

export type AppendOutcome =
  | {
      readonly appended: true;
      readonly epoch: number;
      readonly firstPosition: number;
      readonly lastPosition: number;
      /** True when these very events (by id) were in the log already; nothing was written. */
      readonly replayed: boolean;
    }
  | {
      readonly appended: false;
      readonly refusal:
        | {
            readonly code: 'WRONG_REVISION';
            readonly stream: string;
            readonly expected: ExpectedRevision;
            readonly actual: number | null;
          }
        | { readonly code: 'ID_CONFLICT'; readonly eventId: EventId }
        | { readonly code: 'TOO_LARGE'; readonly bytes: number; readonly bytesMax: number };
    };

export interface LogHead {
  readonly site: SiteId;
  readonly epoch: number;
  /** Position of the last event; 0 when the epoch is empty. */
  readonly size: number;
  /** RFC 6962 Merkle tree hash over the leaf hashes 1..size: 32 bytes. */
  readonly root: Uint8Array;
}

/** The end of an epoch that is over: nothing is added to it any more. */
export interface SealedEpoch {
  readonly epoch: number;
  readonly size: number;
  readonly root: Uint8Array;
}

/** How a reader that folds the log reads over its beginning. */
export interface OverTheCut {
  /**
   * True: what truncation has removed is passed over, but for the events that it carried over its cut, which is all that a fold
   * needs. Positions and revisions then have holes. Otherwise whoever asks for what was removed is answered `LogTruncatedError`.
   */
  readonly carried?: boolean;
}

/**
 * A log that is kept on a server of its own, which may be away. What it had acknowledged is then read from the site's copy, and
 * appends wait.
 */
export interface LogElsewhere {
  /** Since when nothing can be appended, and why; null: it is there. Milliseconds since the Unix epoch. */
  away(): { readonly sinceMs: number; readonly reason: string } | null;
  /** Resolves when it is there, or the signal is aborted. */
  whenThere(signal: AbortSignal): Promise<void>;
}

/**
 * One site's append-only log: all of its epochs, one after the other. Every adapter passes the same conformance suite (`site-log.conformance.ts`).
 * `after` is exclusive everywhere: `after: LOG_START` reads from the first event, `afterRevision: null` from revision 0.
 */
export interface SiteLog extends Partial<LogElsewhere> {
  /**
   * Appends to one or several streams, all or nothing, and resolves after the commit is durable. At most 512 events
   * and 4 MiB of data a call; a `StreamAppend` without events only checks its revision. Appending the same ids again,
   * in the same order and streams, is answered with the first outcome, whatever revision is expected. Rejects with
   * `InvalidAppendError` or `EnvelopeError` when the caller is at fault, and with `SiteLogClosedError` at the end.
   */
  append(appends: readonly StreamAppend[]): Promise<AppendOutcome>;
  /** The end of the current epoch. */
  head(): LogHead;
  /** The epochs before the current one, oldest first. They do not change while this object is open. */
  epochs(): readonly SealedEpoch[];
  /**
   * At most `limit` (1..5000) events after a place, in order. A page of large events may end earlier (8 MiB);
   * only an empty one says that there is no more. `without`: types that the caller does nothing with. A log may leave out
   * all, some or none of them, as it is quicker.
   */
  read(
    options: {
      readonly after: LogPlace;
      readonly limit: number;
      readonly without?: readonly string[];
    } & OverTheCut,
  ): Promise<readonly RecordedEvent[]>;
  readStream(
    options: {
      readonly stream: string;
      readonly afterRevision: number | null;
      readonly limit: number;
    } & OverTheCut,
  ): Promise<readonly RecordedEvent[]>;
  /**
   * Every event after the place, then every new one, in batches and in order. Ends, without an error, when the
   * signal is aborted or the log is disposed of.
   */
  subscribe(
    options: {
      readonly after: LogPlace;
      readonly signal: AbortSignal;
    } & OverTheCut,
  ): AsyncIterable<readonly RecordedEvent[]>;
  [Symbol.asyncDispose](): Promise<void>;
}
