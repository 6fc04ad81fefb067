import { type LogHead, type NoteSigner, type SignedCheckpoint, signCheckpoint } from '@holdfast/core';
import { sha256 } from './sha256.js';

/** A log that has grown gets a stored checkpoint at least this often; one row of some 300 bytes each. */
export const CHECKPOINT_INTERVAL_MS = 60_000;

export interface CheckpointKeeperOptions {
  readonly head: () => LogHead;
  readonly signer: NoteSigner;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly intervalMs: number;
  readonly store: (checkpoint: SignedCheckpoint & { readonly signedAtMs: number }) => void;
}

/** Signs where a log stands when it is asked, and has it stored once in a while. */
export class CheckpointKeeper implements Disposable {
  readonly #options: CheckpointKeeperOptions;
  readonly #timer: NodeJS.Timeout;
  #signed: SignedCheckpoint | null = null;
  #stored: SignedCheckpoint | null = null;
  #storedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: CheckpointKeeperOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.store(), options.intervalMs);
    this.#timer.unref();
  }

  /** Signing again at the same size gives the same note. */
  signed(): SignedCheckpoint {
    const signed = this.#sign();
    if (this.#options.now() - this.#storedAtMs >= this.#options.intervalMs) this.store();
    return signed;
  }

  /** Has the log's checkpoint stored, unless it is already. */
  store(): void {
    const signed = this.#sign();
    if (signed === this.#stored) return;
    this.#storedAtMs = this.#options.now();
    this.#stored = signed;
    this.#options.store({ ...signed, signedAtMs: Math.floor(this.#storedAtMs) });
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #sign(): SignedCheckpoint {
    const head = this.#options.head();
    const known = this.#signed;
    if (known !== null && known.head.size === head.size && known.head.epoch === head.epoch) return known;
    this.#signed = { head, note: signCheckpoint(head, this.#options.signer, sha256) };
    return this.#signed;
  }
}
