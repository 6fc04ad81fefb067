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

/** The sender's side: waits until there is credit. */
export class ReceivedCredit {
  #bytes = 0;
  #wake: (() => void) | null = null;

  add(bytes: number): void {
    // A receiver that grants without end would only harm itself; the sum must stay a number that counts.
    this.#bytes = Math.min(Number.MAX_SAFE_INTEGER, this.#bytes + bytes);
    this.#wake?.();
  }

  /** Resolves with true when the bytes were taken, with false when the signal was aborted before. */
  async take(bytes: number, signal: AbortSignal): Promise<boolean> {
    while (this.#bytes < bytes && !signal.aborted) {
      await new Promise<void>(resolve => {
        const wake = () => {
          this.#wake = null;
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#wake = wake;
        signal.addEventListener('abort', wake, { once: true });
      });
    }
    if (signal.aborted) return false;
    this.#bytes -= bytes;
    return true;
  }
}
