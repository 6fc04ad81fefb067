import { setTimeout as delay } from 'node:timers/promises';

/** While the server is away it is asked so often whether it is back: who waits for it waits no longer than that. */
const PROBE_MS = 1_000;
/** However often it goes and comes back, it is told of no more often. */
const TOLD_MS = 60_000;

interface ServerPresenceOptions {
  readonly now: () => number;
  /** Resolves when the server answers. */
  readonly probe: () => Promise<unknown>;
  /** Aborted when the log is closed. */
  readonly signal: AbortSignal;
  readonly onTrouble: (detail: string) => void;
}

/** Whether the server that keeps a log answers. While it does not, it is asked again and again. */
export class ServerPresence {
  readonly #options: ServerPresenceOptions;
  #away: { readonly sinceMs: number; readonly reason: string } | null = null;
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(options: ServerPresenceOptions) {
    this.#options = options;
  }

  get away(): { readonly sinceMs: number; readonly reason: string } | null {
    return this.#away;
  }

  readonly trouble = (detail: string): void => {
    const { now, onTrouble } = this.#options;
    if (this.#away === null) {
      this.#away = { sinceMs: now(), reason: detail };
      void this.#probe();
    }
    if (performance.now() - this.#toldMs < TOLD_MS) return;
    this.#toldMs = performance.now();
    onTrouble(detail);
  };

  readonly answered = (): void => {
    this.#away = null;
  };

  async #probe(): Promise<void> {
    const { probe, signal } = this.#options;
    while (this.#away !== null && !signal.aborted) {
      await delay(PROBE_MS, undefined, { signal }).catch(() => undefined);
      if (this.#away === null || signal.aborted) return;
      await probe().then(this.answered, () => undefined);
    }
  }
}
