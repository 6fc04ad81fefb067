import { comparePlaces, type LogPlace, placeOf } from './log-place.js';
import type { RecordedEvent } from './site-log.js';

/** Events that a subscription reads at once: large enough to catch up fast, small enough to hold in memory. */
export const SUBSCRIPTION_PAGE_EVENTS = 512;

/** Wakes whoever waits for a log to grow past a place. */
export class LogGrowth {
  #end: LogPlace;
  #ended = false;
  readonly #waiting = new Set<() => void>();

  constructor(end: LogPlace) {
    this.#end = end;
  }

  /** The place of the last event. */
  get reach(): LogPlace {
    return this.#end;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The place of the last event is now this one. */
  grow(end: LogPlace): void {
    this.#end = end;
    this.#wakeAll();
  }

  /** The log is closed: every subscription ends. */
  end(): void {
    this.#ended = true;
    this.#wakeAll();
  }

  /** Resolves when there is an event after `place`, the signal is aborted, or the log has ended. */
  async beyond(place: LogPlace, signal: AbortSignal): Promise<void> {
    while (comparePlaces(this.#end, place) <= 0 && !signal.aborted && !this.#ended) {
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
 * Every event after a place, then every new one. The subscriber pulls: it is told only that there is more and reads
 * page after page from the log itself, so there is no boundary between catching up and being live, and one that is
 * slow holds back nobody and costs no memory.
 */
export async function* followLog(options: {
  readonly read: (page: {
    readonly after: LogPlace;
    readonly limit: number;
  }) => Promise<readonly RecordedEvent[]>;
  readonly growth: LogGrowth;
  readonly after: LogPlace;
  readonly signal: AbortSignal;
}): AsyncGenerator<readonly RecordedEvent[], void, undefined> {
  const { growth, signal } = options;
  let { after } = options;
  const isOver = () => signal.aborted || growth.ended;
  while (!isOver()) {
    const { reach } = growth;
    const page = await options.read({ after, limit: SUBSCRIPTION_PAGE_EVENTS });
    if (isOver()) return;
    const last = page.at(-1);
    if (last === undefined) {
      // Not only beyond where the subscriber is: a log may give less than it reaches, and would be read again without a pause.
      await growth.beyond(comparePlaces(reach, after) > 0 ? reach : after, signal);
      continue;
    }
    yield page;
    after = placeOf(last);
  }
}
