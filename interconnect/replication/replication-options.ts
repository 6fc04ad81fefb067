import type {
  LogPlace,
  NoteSigner,
  NoteVerifier,
  PulledHistory,
  RecordedEvent,
  Sha256,
  SignedCheckpoint,
  SiteLog,
  WishPlace,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { Timers } from '../transport/timers.js';
import type { Acknowledgements } from './acknowledgements.js';
import type { HistoryHolder } from './lost-history.js';
import type { OfferedLog } from './offered-log.js';
import type { ParentDuplex } from './replication-duplex.js';
import type { RelayedHead } from './replication-frame.js';

/** Where a parent's wishes go: in order, and what was answered may come again when the parent's log has lost its end. */
export interface WishSink {
  /** The last wish of this parent that was answered; null when none was. */
  cursor(): Promise<WishPlace | null>;
  /** Resolves when each of them is answered durably, those not again that are. Rejecting ends the session; they come again. */
  accept(wishes: readonly RecordedEvent[]): Promise<void>;
}

/** The key that the parent cosigns with. */
export interface ParentKey {
  /** Raw Ed25519; null before the first session. */
  known(parent: SiteId): Uint8Array | null;
  /** From now on it is the only one that counts. */
  pin(parent: SiteId, publicKey: Uint8Array): Promise<void>;
}

/** The logs of the sites below this one, as far as they are held here. */
export interface RelayedLogs {
  /** Those that are held, then each as soon as it is. Ends when the signal is aborted. */
  follow(signal: AbortSignal): AsyncIterable<{ readonly origin: SiteId; readonly log: OfferedLog }>;
  /** How far each of them reaches, by what its site said last in a session that lasts. Left out: nobody here knows. */
  heads?(): readonly RelayedHead[];
  /** The parent holds more, or another history, of one of them, up to `held`. Left out: such a log is refused, and stays so. */
  takeBack?(origin: SiteId, from: HistoryHolder & { readonly held: LogPlace }): Promise<RecoveryOutcome>;
}

/**
 * EXTENDED: what is held of a log goes on as far as above. REPLACED: it did not, and its end was replaced.
 * NOTHING: what is held is as it was.
 */
export type RecoveryOutcome = 'EXTENDED' | 'REPLACED' | 'NOTHING';

/** Takes back what was lost of the own log. */
export interface LostHistorySink {
  /** Whether it is pulled now: it may have to wait. No: such a log is refused, and its parent is asked again. */
  isWanted(): boolean;
  /** To be read to its end before this resolves: the session ends then, and every other until the log was repaired with it. */
  take(history: PulledHistory): Promise<void>;
}

export type ChildLink =
  | { readonly state: 'CONNECTING' }
  | { readonly state: 'UP'; readonly parent: SiteId; readonly session: number }
  | { readonly state: 'DOWN'; readonly reason: string };

export interface ReplicationOptions {
  readonly log: SiteLog;
  readonly site: SiteId;
  /** The site's log key. */
  readonly signer: NoteSigner;
  readonly verify: NoteVerifier;
  /** Opens a stream to the parent: `dialParent`. */
  readonly dial: () => ParentDuplex;
  /** Whose wishes the sink answers: another site behind that stream is refused. Unchecked when left out. */
  readonly parentSite?: SiteId;
  readonly parentKey: ParentKey;
  readonly wishes: WishSink;
  /** Learns what the parent acknowledges. */
  readonly acknowledgements: Acknowledgements;
  /** Keeps a checkpoint of the log that the parent has cosigned. Left out: it is only checked. */
  readonly storeReceipt?: (receipt: SignedCheckpoint) => Promise<void>;
  readonly relayed?: RelayedLogs;
  /** The parent holds history that this log has lost. Left out: such a log is refused, and stays so. */
  readonly lostHistory?: LostHistorySink;
  readonly logger: Logger;
  readonly sha256: Sha256;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly timers: Timers;
  /** 0 (inclusive) to 1. */
  readonly random: () => number;
  /** Name and version, for the parent's log. */
  readonly software: string;
  /** Longest wait between two attempts. */
  readonly backoffMsMax?: number;
  /** Longest wait until a log below that was refused is offered again. */
  readonly refusedLogRetryMsMax?: number;
  /** From dialling to Want. */
  readonly dialTimeoutMs?: number;
  readonly onLink?: (link: ChildLink) => void;
}
