import type { SiteId } from '@holdfast/schema';

/** A checkpoint of a site's own log with the cosignature of a witness: since then nobody can deny that these events were there. */
export interface StoredReceipt {
  readonly witness: SiteId;
  readonly epoch: number;
  readonly size: number;
  readonly note: string;
  /** By this site's clock. */
  readonly receivedAtMs: number;
}

/** Where a site keeps its receipts. */
export interface ReceiptStore {
  /**
   * Keeps a note that was checked: a checkpoint of this very log with the cosignature of the witness. Resolves when it is
   * stored. Of each witness the newest is kept for ever in each epoch, and of those before it one an hour. Throws
   * `CheckpointError` when the note is of another log.
   */
  storeReceipt(receipt: { readonly witness: SiteId; readonly note: string }): Promise<void>;
  /** Oldest first. */
  receipts(): Promise<readonly StoredReceipt[]>;
}
