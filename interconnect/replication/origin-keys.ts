import type { SiteId } from '@holdfast/schema';

/** Which key a parent believes the checkpoints of a log by. */
export interface OriginKeys {
  /**
   * Raw Ed25519. For `origin` equal to `child` it is the child's own; otherwise that of a site below the child. It is the
   * same whichever child is asked about. Null when none is known, or when the child has no such site below it.
   */
  keyOf(origin: SiteId, child: SiteId): Promise<Uint8Array | null>;
  /** Keeps the key that an enrolled child uses for the first time: from then on it is the only one. */
  pin(child: SiteId, publicKey: Uint8Array): Promise<void>;
}
