import type { Timers } from '../transport/timers.js';
import { FRAME_RAW_BYTES_TARGET } from './event-frame.js';

/** Of events that are checked one after the other: a frame of a catch-up, a ms of hashes. */
const BYTES_PER_TURN = FRAME_RAW_BYTES_TARGET;
/** What a batch costs at least, with the answer to it. */
const BYTES_MIN = BYTES_PER_TURN / 16;

/**
 * With a thousand sessions on one thread, what all of them bring at once must not hold up what is stored, shown and sent
 * meanwhile. Who waits longest is served first, and what a session receives while it waits is checked together.
 */
export class AcceptanceTurns {
  readonly #timers: Timers;
  readonly #waiting: { readonly bytes: number; readonly serve: () => void }[] = [];
  #bytesLeft = BYTES_PER_TURN;
  #isRenewing = false;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** Resolves when it is this one's turn to check so many bytes: at once as long as there is little to do. */
  take(byteLength: number): Promise<void> {
    const bytes = Math.max(BYTES_MIN, byteLength);
    this.#renew();
    if (this.#bytesLeft <= 0) return new Promise(serve => this.#waiting.push({ bytes, serve }));
    this.#bytesLeft -= bytes;
    return Promise.resolve();
  }

  #renew(): void {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    this.#timers.after(0, () => {
      this.#isRenewing = false;
      this.#bytesLeft = BYTES_PER_TURN;
      let served = 0;
      for (; served < this.#waiting.length && this.#bytesLeft > 0; served += 1) {
        this.#bytesLeft -= this.#waiting[served]!.bytes;
      }
      const next = this.#waiting.splice(0, served);
      if (this.#waiting.length > 0) this.#renew();
      for (const { serve } of next) serve();
    });
  }
}
