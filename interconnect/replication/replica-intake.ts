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
