import { comparePlaces, type LogPlace, placeOf, type RecordedEvent } from '@holdfast/core';
import { unhurriedEventTypes } from '@holdfast/schema';
import type { Timers } from '../transport/timers.js';

/**
 * How often events that nobody waits for are sent, and so how long they gather at most: each frame costs a signature here, and its
 * check at the parent. Of each log at a moment of its own: sites that were connected, or had something to record, at the same time
 * would send at the same time for ever, and an alarm would wait behind them all.
 */
const GATHER_PERIOD_MS = 2_000;
/** Enough for a frame that is worth its signature. */
const GATHER_EVENTS_MAX = 100;

type Page = readonly RecordedEvent[];

/**
 * The pages of a subscription, those that hold only `unhurried` events together with what follows them within a moment. An event
 * that somebody waits for takes what waits before it along at once: the order of a log is one. So does the parent when it is told
 * how far the log reaches: what it knows of and does not have, it takes for facts that are missing.
 */
export class GatheredPages {
  readonly #timers: Timers;
  readonly #now: () => number;
  /** Where in each period. */
  readonly #phaseMs: number;
  #told: LogPlace;
  #endGathering: () => void = () => undefined;

  constructor(options: {
    readonly timers: Timers;
    readonly now: () => number;
    /** 0 (inclusive) to 1. */
    readonly random: () => number;
    /** How far the parent was told at the beginning of the session that the log reaches. */
    readonly told: LogPlace;
  }) {
    this.#timers = options.timers;
    this.#now = options.now;
    this.#phaseMs = Math.floor(options.random() * GATHER_PERIOD_MS);
    this.#told = options.told;
  }

  tell(place: LogPlace): void {
    this.#told = place;
    this.#endGathering();
  }

  async *of(pages: AsyncIterable<Page>): AsyncGenerator<Page> {
    const source = pages[Symbol.asyncIterator]();
    const readOn = () => {
      const page = source.next();
      // Of a failure its reader hears when it comes to it.
      page.catch(() => undefined);
      return page;
    };
    let next = readOn();
    try {
      for (let first = await next; !first.done; first = await next) {
        if (!this.#mayWait(first.value)) {
          yield first.value;
          next = readOn();
          continue;
        }
        next = readOn();
        const gathered = [...first.value];
        const ended = Promise.withResolvers<null>();
        const endGathering = () => ended.resolve(null);
        this.#endGathering = endGathering;
        const stop = this.#timers.after(this.#untilSendingMs(), endGathering);
        try {
          while (this.#mayWait(gathered)) {
            const more = await Promise.race([next, ended.promise]);
            if (more === null || more.done) break;
            for (const event of more.value) gathered.push(event);
            next = readOn();
          }
        } finally {
          stop();
        }
        yield gathered;
      }
    } finally {
      // It may be waiting for the log to grow: whoever aborts the subscription ends that.
      source.return?.().catch(() => undefined);
    }
  }

  #untilSendingMs(): number {
    return GATHER_PERIOD_MS - ((this.#now() + this.#phaseMs) % GATHER_PERIOD_MS);
  }

  #mayWait(events: Page): boolean {
    return (
      events.length < GATHER_EVENTS_MAX &&
      comparePlaces(placeOf(events.at(-1)!), this.#told) > 0 &&
      events.every(({ type }) => unhurriedEventTypes.has(type))
    );
  }
}
