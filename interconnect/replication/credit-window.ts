import { FRAME_RAW_BYTES_MAX } from './event-frame.js';

/** What one child may have on its way or waiting here, before compression. Fills 300 Mbit/s at 100 ms round trip. */
export const SESSION_CREDIT_BYTES_MAX = 4 * 1024 * 1024;
/** One frame always fits, else a session could wait for ever. */
const SESSION_CREDIT_BYTES_MIN = FRAME_RAW_BYTES_MAX;
/** What all children together may have waiting, as long as each still has its minimum. */
export const TOTAL_CREDIT_BYTES_MAX = 256 * 1024 * 1024;

/** How large a window each of so many sessions gets, in bytes. */
export function sessionCreditBytes(sessionCount: number, totalBytesMax = TOTAL_CREDIT_BYTES_MAX): number {
  const share = Math.floor(totalBytesMax / Math.max(1, sessionCount));
  return Math.min(SESSION_CREDIT_BYTES_MAX, Math.max(SESSION_CREDIT_BYTES_MIN, share));
}

/** The receiver's side: what was granted and has not come back as a durable commit. */
export class GrantedCredit {
  /** Granted and not used yet. */
  #open = 0;
  /** Arrived and not durable yet. */
  #held = 0;

  /** Bytes to grant now so that open and held together reach the window; 0 when there is nothing to grant. */
  grant(windowBytes: number): number {
    const bytes = Math.max(0, windowBytes - this.#open - this.#held);
    this.#open += bytes;
    return bytes;
  }

  /** False when the sender had no credit for these bytes. */
  arrive(bytes: number): boolean {
    if (bytes > this.#open) return false;
    this.#open -= bytes;
    this.#held += bytes;
    return true;
  }

  /** They are durable, or were known before. */
  release(bytes: number): void {
    this.#held -= bytes;
  }
}

/** The sender's side: waits until there is credit. Who waits longest is served first. */
export class ReceivedCredit {
  #bytes = 0;
  readonly #waiting: { readonly bytes: number; readonly wake: () => void }[] = [];

  add(bytes: number): void {
    // A receiver that grants without end would only harm itself; the sum must stay a number that counts.
    this.#bytes = Math.min(Number.MAX_SAFE_INTEGER, this.#bytes + bytes);
    this.#serve();
  }

  /** Resolves with true when the bytes were taken, with false when the signal was aborted before. */
  take(bytes: number, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return Promise.resolve(false);
    return new Promise(resolve => {
      const waiter = {
        bytes,
        wake: () => {
          signal.removeEventListener('abort', give);
          resolve(true);
        },
      };
      const give = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        resolve(false);
        this.#serve();
      };
      this.#waiting.push(waiter);
      signal.addEventListener('abort', give, { once: true });
      this.#serve();
    });
  }

  #serve(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (first.bytes > this.#bytes) return;
      this.#bytes -= first.bytes;
      this.#waiting.shift();
      first.wake();
    }
  }
}
