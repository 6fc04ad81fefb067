import { setTimeout as delay } from 'node:timers/promises';

/** Holds all transfers from one site together below the bandwidth of its budget, over some seconds. */
export class TransferPacer {
  readonly #now: () => number;
  #freeAtMs = 0;

  /** `now`: milliseconds of any clock; a step of it is a short pause or burst. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Resolves when the next bytes may be asked for, or at once when the signal is aborted. Null: no limit. */
  async taken(byteCount: number, bytesPerSecondMax: number | null, signal: AbortSignal): Promise<void> {
    if (bytesPerSecondMax === null) return;
    const nowMs = this.#now();
    // A clock that was set back must not stop transfers until it has caught up.
    const waitMsMax = 60_000;
    const beginMs = Math.min(Math.max(this.#freeAtMs, nowMs), nowMs + waitMsMax);
    this.#freeAtMs = beginMs + (byteCount / bytesPerSecondMax) * 1000;
    await delay(this.#freeAtMs - nowMs, undefined, { signal }).catch(() => undefined);
  }
}
