import {
  CheckpointError,
  comparePlaces,
  endOf,
  type NoteVerifier,
  openCosignature,
  type SignedCheckpoint,
  witnessName,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { Timers } from '../transport/timers.js';
import { checkCheckpoint, type OriginKey } from './origin-checkpoint.js';
import { type AckFrame, ReplicationProtocolError } from './replication-frame.js';

/** A busy log is acknowledged many times a second; one receipt covers all that came before it, and costs two signatures. */
const RECEIPT_INTERVAL_MS = 5_000;

export interface ReceiptKeeperOptions {
  /** Of the site's own log. */
  readonly own: OriginKey;
  readonly parent: { readonly site: SiteId; readonly publicKey: Uint8Array; readonly verify: NoteVerifier };
  readonly timers: Timers;
  /** Keeps a checkpoint of the own log with the parent's cosignature. */
  readonly store: (receipt: SignedCheckpoint) => Promise<void>;
  /** Of a cosignature that is none, or of a store that failed. */
  readonly onFault: (error: unknown) => void;
}

/** What the parent has cosigned is checked and kept: the newest one every few seconds, and the last one at the end. */
export class ReceiptKeeper {
  readonly #options: ReceiptKeeperOptions;
  #newest: AckFrame | null = null;
  #stopTimer: (() => void) | null = null;
  #storing: Promise<void> = Promise.resolve();

  constructor(options: ReceiptKeeperOptions) {
    this.#options = options;
  }

  take(ack: AckFrame): void {
    this.#newest = ack;
    this.#stopTimer ??= this.#options.timers.after(RECEIPT_INTERVAL_MS, () => {
      this.#stopTimer = null;
      this.#keep();
    });
  }

  /** Keeps the last one. */
  async close(): Promise<void> {
    this.#stopTimer?.();
    this.#keep();
    await this.#storing;
  }

  #keep(): void {
    const ack = this.#newest;
    this.#newest = null;
    if (ack === null) return;
    this.#storing = this.#storing
      .then(async () => this.#options.store(await this.#check(ack)))
      .catch(error => this.#options.onFault(error));
  }

  async #check({ checkpoint, upTo }: AckFrame): Promise<SignedCheckpoint> {
    const { own, parent } = this.#options;
    const verdict = await checkCheckpoint(checkpoint!, own);
    if (!verdict.accepted) throw new FalseReceiptError(verdict.refusal.detail);
    const { head } = verdict.signed;
    if (upTo === null || comparePlaces(endOf(head), upTo) !== 0) {
      throw new ReplicationProtocolError(`acknowledged with a checkpoint of ${head.epoch}/${head.size}`);
    }
    const { publicKey, verify } = parent;
    try {
      openCosignature(checkpoint!, { name: witnessName(parent.site), publicKey, verify }, own.sha256);
    } catch (error) {
      if (error instanceof CheckpointError) throw new FalseReceiptError(error.message);
      throw error;
    }
    return verdict.signed;
  }
}

/** The parent has acknowledged with a checkpoint that it did not cosign, or that is none of this site's. */
export class FalseReceiptError extends Error {
  override readonly name = 'FalseReceiptError';
  readonly code = 'RECEIPT_FALSE';
}
