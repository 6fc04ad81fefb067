/** Full jitter: anything between nothing and the ceiling, which doubles with each failure. */
const CEILING_FIRST_MS = 500;
const CEILING_LAST_MS = 15_000;

export function backOffMs(attempt: number, random: number): number {
  return random * Math.min(CEILING_LAST_MS, CEILING_FIRST_MS * 2 ** attempt);
}

/** All who lost the same connection wait at one gate, so that they return with one attempt. */
export class ReconnectGate {
  readonly #onPlanned: (retryAtMs: number) => void;
  #attempt = 0;
  #opening: Promise<void> | null = null;
  #open: (() => void) | null = null;

  constructor(onPlanned: (retryAtMs: number) => void) {
    this.#onPlanned = onPlanned;
  }

  /** The connection stands: the next loss begins with the shortest wait. */
  reset(): void {
    this.#attempt = 0;
  }

  openNow(): void {
    this.#open?.();
  }

  wait(): Promise<void> {
    this.#opening ??= new Promise(resolve => {
      const delayMs = backOffMs(this.#attempt, Math.random());
      this.#attempt += 1;
      const timer = setTimeout(() => this.#open?.(), delayMs);
      this.#open = () => {
        clearTimeout(timer);
        this.#opening = null;
        this.#open = null;
        resolve();
      };
      this.#onPlanned(Date.now() + delayMs);
    });
    return this.#opening;
  }
}
