import type { SiteId } from '@holdfast/schema';
import type { BatchFrame } from '../replication/replication-frame.js';

/** A frame of a site's log on its way from an intake node to the projector nodes: its bytes are those that the site sent. */
export interface BackboneFrame {
  readonly site: SiteId;
  /** The fence of the session in which it was published: what was published before a gap was noticed is told by it. */
  readonly session: number;
  readonly frame: BatchFrame;
}

/** What a partition holds from one offset to another, in order. */
export interface BackboneDelivery {
  readonly partition: number;
  readonly from: number;
  /** The offset behind it, where to go on. */
  readonly next: number;
  /** May be empty: what is no frame of ours is reported and passed over. */
  readonly frames: readonly BackboneFrame[];
}

/** Who takes frames off the backbone. It keeps its own positions, with what it stores. */
export interface BackboneReader {
  /** Where to begin in a partition that came to this node; null: with the first frame that is kept. */
  startOf(partition: number): Promise<number | null>;
  /**
   * Resolves when everything of it is stored, with its position. `MOVED`: another node has stored in this partition since, so
   * `startOf` is asked again. Rejecting makes it come again.
   */
  take(delivery: BackboneDelivery): Promise<'TAKEN' | 'MOVED'>;
}

/**
 * What carries frames between the nodes of one central. Frames of one site come out in the order in which their publishing was
 * confirmed. At least once: what was published twice comes twice.
 */
export interface Backbone extends AsyncDisposable {
  /**
   * Asks it again and again whether it is there and takes frames, and tells each answer, until the signal is aborted. Nothing need
   * wait for it: publishing rejects while it is away, and whoever consumes goes on waiting.
   */
  watch(
    answers: { readonly onThere: () => void; readonly onAway: (error: Error) => void },
    signal: AbortSignal,
  ): Promise<void>;
  /**
   * Resolves when every replica in sync has them. After a rejection nobody knows: they may come out or not, also later, so
   * whoever publishes goes on only from what was confirmed.
   */
  publish(frames: readonly BackboneFrame[]): Promise<void>;
  /** Shares the partitions with every other consumer of this backbone, until the signal is aborted. */
  consume(reader: BackboneReader, signal: AbortSignal): Promise<void>;
}
