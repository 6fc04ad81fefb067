import type { RecordedEvent } from '@holdfast/core';
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
 * Where a parent keeps replicas. The intake stores; it has checked nothing and projects nothing: leaf hashes,
 * positions and roots were checked by the replication server before `commit`. One conformance suite for all adapters.
 */
export interface ReplicaIntake {
  /** Begins a session of this site and fences every older one: their commits are answered `FENCED` from now on. */
  openSession(site: SiteId): Promise<{ readonly fence: number; readonly cursor: ReplicaCursor }>;
  /**
   * One durable transaction: compare-and-set of the cursor (from `before` to `after`, under `fence`), the raw events, and the
   * feed counter. `events` are dense and begin at `before.position + 1` (or at 1 of a new epoch).
   */
  commit(batch: {
    readonly site: SiteId;
    readonly fence: number;
    readonly before: ReplicaCursor;
    readonly after: ReplicaCursor;
    readonly events: readonly RecordedEvent[];
  }): Promise<'COMMITTED' | 'FENCED' | 'STALE_CURSOR'>;
}
