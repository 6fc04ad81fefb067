import type {
  CheckpointSource,
  PulledHistory,
  ReceiptStore,
  ReopenableLog,
  ReopenOutcome,
  SignedCheckpoint,
  TruncatableLog,
} from '@holdfast/core';

/**
 * What a site keeps its log in: what it has acknowledged is kept, it signs where it stands, and takes lost history back. A log
 * on a server of others is not truncated.
 */
export interface DurableSiteLog
  extends ReopenableLog,
    CheckpointSource,
    ReceiptStore,
    Partial<TruncatableLog> {
  /** What was found that no restart of those who work on it mends; null when the signal is aborted or it is closed before. */
  failure?(signal: AbortSignal): Promise<Error | null>;
  /** Why it takes no facts now, for people; null: it does. */
  failedBecause?(): string | null;
  /** Takes nothing any more, and lets others write the file. What it has signed last, which a damaged file may not have taken. */
  release?(): Promise<SignedCheckpoint>;
  reopenAs(history: PulledHistory): Promise<ReopenOutcome<DurableSiteLog>>;
}
