import type { SignedCheckpoint } from './checkpoint.js';
import type { LogPlace } from './log-place.js';
import type { RecordedEvent, SiteLog } from './site-log.js';

/** A site's own history as its parent gives it back, and what proves it. */
export interface PulledHistory {
  /** The last place at which this log and the history are the same; `LOG_START` when not even their first events are. */
  readonly common: LogPlace;
  /** The events behind `common`, in order, in portions of any size: their stored bytes. It may go over into later epochs. */
  readonly events:
    | AsyncIterable<readonly Pick<RecordedEvent, 'header' | 'data'>[]>
    | Iterable<readonly Pick<RecordedEvent, 'header' | 'data'>[]>;
  /** The site's own signature, kept by the parent, over the log up to the last of these events. */
  readonly checkpoint: SignedCheckpoint;
  /** For people, at most 500 characters: becomes that of `LogEpochOpened`. */
  readonly reason: string;
}

export type ReopenRefusal =
  /** This log does not reach as far as `common`, or holds it no longer. */
  | { readonly code: 'COMMON_NOT_HELD'; readonly detail: string }
  /** The events do not follow upon `common`, or do not hash to the root of the checkpoint, or it is not by this site. */
  | { readonly code: 'HISTORY_UNPROVEN'; readonly detail: string };

export type ReopenOutcome<Log> =
  | { readonly reopened: true; readonly log: Log }
  | { readonly reopened: false; readonly log: Log; readonly refusal: ReopenRefusal };

/** A log that can take back the history that was lost under it, when an old copy of it was restored. */
export interface ReopenableLog extends SiteLog {
  /**
   * Puts the pulled history in place of this log's own tail behind `common`, byte for byte; seals the epoch; opens the next
   * one with `LogEpochOpened`; records the tail again in it, with the ids, data, actors and times that its events had; and
   * ends with `LogHistoryRecovered`. All of it or, also at a kill, nothing.
   *
   * Ends this object like its disposal: whoever has read the tail has read what is not history any more, and must begin
   * again. `log` of the outcome is the one to go on with, also after a refusal, which changes nothing. When this
   * throws, the log is closed and as it was.
   */
  reopenAs(history: PulledHistory): Promise<ReopenOutcome<ReopenableLog>>;
}
