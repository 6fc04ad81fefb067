import type { LogPlace, RecordedEvent, SignedCheckpoint } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';

/** How far a replica has come. `treeEdge` is the right edge of the Merkle tree over the leaves 1..position. */
export interface ReplicaCursor {
  /** 0 before the first event of a site was taken in. */
  readonly epoch: number;
  readonly position: number;
  /** Hashes of the complete subtrees, largest first (RFC 6962 compact range): at most 64 of 32 bytes. */
  readonly treeEdge: readonly Uint8Array[];
}

/**
 * Where a parent keeps replicas. The intake stores; it has checked nothing and projects nothing: leaf hashes, positions,
 * roots and signatures were checked by the replication server before `commit`. One conformance suite for all adapters.
 */
export interface ReplicaIntake {
  /** Begins a session of this site and fences every older one: their commits are answered `FENCED` from now on. */
  openSession(site: SiteId): Promise<{ readonly fence: number; readonly cursor: ReplicaCursor }>;
  /**
   * One durable transaction: compare-and-set of the cursor (from `before` to `after`, under `fence`), the raw events, the
   * feed counter, and the checkpoint. `events` are dense and begin at `before.position + 1` (or at 1 of a new epoch).
   */
  commit(batch: {
    readonly site: SiteId;
    readonly fence: number;
    readonly before: ReplicaCursor;
    readonly after: ReplicaCursor;
    readonly events: readonly RecordedEvent[];
    /** The newest that these events reach, proved and signed by the site. Left out when they reach none. */
    readonly checkpoint?: SignedCheckpoint;
  }): Promise<'COMMITTED' | 'FENCED' | 'STALE_CURSOR'>;
}

/** History that takes the place of what is held of a log. */
export interface ReplacingTail {
  readonly site: SiteId;
  /** What is held up to there stays. */
  readonly common: LogPlace;
  /** What was held of the log when it was compared. */
  readonly held: LogPlace;
  /** Those behind `common`, over one or more epochs: to be read to their end, which throws when they are not what the site has signed. */
  readonly events: AsyncIterable<readonly RecordedEvent[]>;
  /** Once they were read: where they end, and what the site has signed up to there; of each epoch at most one, the last one at the end. */
  readonly proven: () => { readonly end: ReplicaCursor; readonly checkpoints: readonly SignedCheckpoint[] };
}

/**
 * EXTENDED: nothing was held behind the common place. MOVED: something is held there that was not when it was compared.
 * TRUNCATED: the site has removed some of what is held behind it, so that it has to stay. Both change nothing.
 */
export type TailOutcome = 'EXTENDED' | 'REPLACED' | 'MOVED' | 'TRUNCATED';

/** Mends a replica that its own parent holds differently, as after a site and its region were restored from old copies. */
export interface ReplicaMender {
  /** How far a log is held; null: nothing of it. */
  cursor(site: SiteId): Promise<ReplicaCursor | null>;
  /** One durable transaction; every session that brings this log is fenced. */
  replaceTail(tail: ReplacingTail): Promise<TailOutcome>;
}

/** What a parent holds, to be handed on: up to its own parent, or back to a site that has lost it. */
export interface ReplicaReader {
  /** At most `limit` events of a site after a place, in order, over all its epochs; a page may end earlier. */
  read(options: {
    readonly site: SiteId;
    readonly after: LogPlace;
    readonly limit: number;
  }): Promise<readonly RecordedEvent[]>;
  /** At most `limit` leaf hashes of one epoch of a site after a place, in order: 32 bytes each. */
  leafHashes(options: {
    readonly site: SiteId;
    readonly after: LogPlace;
    readonly limit: number;
  }): Promise<Uint8Array>;
  /** The newest accepted checkpoint of a site, of one epoch or of all; null when there is none. */
  checkpoint(site: SiteId, epoch?: number): Promise<SignedCheckpoint | null>;
  /** Every site of which a checkpoint was accepted. */
  sites(): Promise<readonly SiteId[]>;
}
