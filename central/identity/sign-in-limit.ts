import { backOffCeilingMs } from '@holdfast/core';

/** Wrong passwords in a row after which a name or an address has to wait. */
const FAILURES_MAX = 5;
/** No jitter: who may try again, and when, is told. */
const PAUSE = { firstMs: 1000, mostMs: 60_000 };
/** Names and addresses remembered; beyond it the one that failed longest ago is forgotten. */
const REMEMBERED_MAX = 10_000;

interface Failures {
  readonly count: number;
  readonly waitUntilMs: number;
}

/** Slows guessing down: per user name and per address, each pause twice the one before. */
export class SignInLimit {
  readonly #failures = new Map<string, Failures>();

  /** Milliseconds to wait before another try; 0 when there may be one now. */
  waitMs(keys: readonly string[], nowMs: number): number {
    return Math.max(0, ...keys.map(key => (this.#failures.get(key)?.waitUntilMs ?? 0) - nowMs));
  }

  failed(keys: readonly string[], nowMs: number): void {
    for (const key of keys) {
      const count = (this.#failures.get(key)?.count ?? 0) + 1;
      const doublings = count - FAILURES_MAX;
      const pauseMs = doublings < 0 ? 0 : backOffCeilingMs(PAUSE, doublings);
      this.#failures.delete(key);
      this.#failures.set(key, { count, waitUntilMs: nowMs + pauseMs });
      const [oldest] = this.#failures.keys();
      if (this.#failures.size > REMEMBERED_MAX && oldest !== undefined) this.#failures.delete(oldest);
    }
  }

  succeeded(keys: readonly string[]): void {
    for (const key of keys) this.#failures.delete(key);
  }
}
