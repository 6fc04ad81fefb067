import type { Timers } from '../transport/timers.js';

/** Groups of batches that are checked one after the other: some ms of signatures and hashes. */
const GROUPS_PER_TURN = 16;

/**
 * With a thousand sessions on one thread, what all of them bring at once must not hold up what is stored, shown and sent
 * meanwhile. Who waits longest is served first, and what a session receives while it waits is checked together.
 */
export class AcceptanceTurns {
  readonly #timers: Timers;
  readonly #waiting: (() => void)[] = [];
  #left = GROUPS_PER_TURN;
  #isRenewing = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Resolves when it is this one's turn: at once as long as there is little to do. */
  take(): Promise<void> {
    this.#renew();
    if (this.#left === 0) return new Promise(resolve => this.#waiting.push(resolve));
    this.#left -= 1;
    return Promise.resolve();
  }

  #renew(): void {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    this.#timers.after(0, () => {
      this.#isRenewing = false;
      const served = this.#waiting.splice(0, GROUPS_PER_TURN);
      this.#left = GROUPS_PER_TURN - served.length;
      if (this.#waiting.length > 0) this.#renew();
      for (const serve of served) serve();
    });
  }
}
