import type { RecordedEvent } from './site-log.js';

/** Events that a subscription reads at once: large enough to catch up fast, small enough to hold in memory. */
export const SUBSCRIPTION_PAGE_EVENTS = 512;

/** Wakes whoever waits for a log to grow past a position. */
export class LogGrowth {
  #size: number;
  #ended = false;
  readonly #waiting = new Set<() => void>();

  constructor(size: number) {
    this.#size = size;
  }

  get ended(): boolean {
    return this.#ended;
  }

  grow(size: number): void {
    this.#size = size;
    this.#wakeAll();
  }

  /** The log is closed: every subscription ends. */
  end(): void {
    this.#ended = true;
    this.#wakeAll();
  }

  /** Resolves when there is an event after `position`, the signal is aborted, or the log has ended. */
  async beyond(position: number, signal: AbortSignal): Promise<void> {
    while (this.#size <= position && !signal.aborted && !this.#ended) {
      await new Promise<void>(resolve => {
        const wake = () => {
          this.#waiting.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#waiting.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

/**
 * Every event after a position, then every new one. The subscriber pulls: it is told only that there is more and reads
 * page after page from the log itself, so there is no boundary between catching up and being live, and one that is
 * slow holds back nobody and costs no memory.
 */
export async function* followLog(options: {
  readonly read: (page: {
    readonly after: number;
    readonly limit: number;
  }) => Promise<readonly RecordedEvent[]>;
  readonly growth: LogGrowth;
  readonly after: number;
  readonly signal: AbortSignal;
}): AsyncGenerator<readonly RecordedEvent[], void, undefined> {
  const { growth, signal } = options;
  let { after } = options;
  const isOver = () => signal.aborted || growth.ended;
  while (!isOver()) {
    const page = await options.read({ after, limit: SUBSCRIPTION_PAGE_EVENTS });
    if (isOver()) return;
    const last = page.at(-1);
    if (last === undefined) {
      await growth.beyond(after, signal);
      continue;
    }
    yield page;
    after = last.position;
  }
}
