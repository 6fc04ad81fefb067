import type { Timers } from '../transport/timers.js';

/**
 * In a tenth of a second, of all logs together: some hundredth of a core. A child keeps one cosignature every few seconds, and each
 * covers all before it.
 */
const COSIGNATURES_PER_PERIOD = 20;
const PERIOD_MS = 100;

/**
 * With a thousand sites that are acknowledged every second, signatures that nobody keeps would be a fifth of what a parent has to
 * do. As long as there are few, each acknowledgement is cosigned; beyond that the logs take turns, and each turn is for the newest.
 */
export class CosigningTurns {
  readonly #timers: Timers;
  /** In the order in which they came. */
  readonly #waiting = new Set<() => void>();
  #left = COSIGNATURES_PER_PERIOD;
  #isRenewing = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** True: now. Else `turn` is called when it has come, once however often it was asked for. */
  take(turn: () => void): boolean {
    this.#renew();
    if (this.#left > 0) {
      this.#left -= 1;
      return true;
    }
    this.#waiting.add(turn);
    return false;
  }

  /** Nobody is left to take the turn. */
  cancel(turn: () => void): void {
    this.#waiting.delete(turn);
  }

  #renew(): void {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    this.#timers.after(PERIOD_MS, () => {
      this.#isRenewing = false;
      const next = [...this.#waiting].slice(0, COSIGNATURES_PER_PERIOD);
      this.#left = COSIGNATURES_PER_PERIOD - next.length;
      for (const turn of next) this.#waiting.delete(turn);
      if (this.#waiting.size > 0) this.#renew();
      for (const turn of next) turn();
    });
  }
}
