import { comparePlaces, type LogPlace, placeOf } from './log-place.js';
import type { RecordedEvent } from './site-log.js';

/** Events that a subscription reads at once: large enough to catch up fast, small enough to hold in memory. */
export const SUBSCRIPTION_PAGE_EVENTS = 512;

/** Wakes whoever waits for a log to grow past a place. */
export class LogGrowth {
  #end: LogPlace;
  #ended = false;
  #waiting: (() => void)[] = [];

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
    this.wake();
  }

  /** The log is closed: every subscription ends. */
  end(): void {
    this.#ended = true;
    this.wake();
  }

  /** Resolves when there is an event after `place`, or the waiting is over: whatever ends it calls `wake`. */
  async beyond(place: LogPlace, isOver: () => boolean): Promise<void> {
    while (comparePlaces(this.#end, place) <= 0 && !isOver()) {
      await new Promise<void>(resolve => {
        this.#waiting.push(resolve);
      });
    }
  }

  /** Has whoever waits look again whether it is to wait. */
  wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
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
  // Once for all its waiting: there is a wait for every append.
  const wake = () => growth.wake();
  signal.addEventListener('abort', wake, { once: true });
  try {
    while (!isOver()) {
      const { reach } = growth;
      const page = await options.read({ after, limit: SUBSCRIPTION_PAGE_EVENTS });
      if (isOver()) return;
      const last = page.at(-1);
      if (last === undefined) {
        // Not only beyond where the subscriber is: a log may give less than it reaches, and would be read again without a pause.
        await growth.beyond(comparePlaces(reach, after) > 0 ? reach : after, isOver);
        continue;
      }
      yield page;
      after = placeOf(last);
    }
  } finally {
    signal.removeEventListener('abort', wake);
  }
}
