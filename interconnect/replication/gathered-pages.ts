import { comparePlaces, type LogPlace, placeOf, type RecordedEvent } from '@holdfast/core';
import { unhurriedEventTypes } from '@holdfast/schema';
import type { Timers } from '../transport/timers.js';

/** How long events that nobody waits for are let gather: each frame costs a signature here, and its check at the parent. */
const GATHER_MS_MAX = 2_000;
/** Enough for a frame that is worth its signature. */
const GATHER_EVENTS_MAX = 100;

type Page = readonly RecordedEvent[];

/**
 * The pages of a subscription, those that hold only `unhurried` events together with what follows them within a moment. An event
 * that somebody waits for takes what waits before it along at once: the order of a log is one.
 */
export async function* gatheredPages(
  pages: AsyncIterable<Page>,
  options: {
    readonly timers: Timers;
    /** What is not behind it was there before the session: it has waited for the link long enough. */
    readonly behind: LogPlace;
  },
): AsyncGenerator<Page> {
  const { behind, timers } = options;
  const mayWait = (events: Page) =>
    events.length < GATHER_EVENTS_MAX &&
    comparePlaces(placeOf(events.at(-1)!), behind) > 0 &&
    events.every(({ type }) => unhurriedEventTypes.has(type));
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
      if (!mayWait(first.value)) {
        yield first.value;
        next = readOn();
        continue;
      }
      next = readOn();
      const gathered = [...first.value];
      const timeout = Promise.withResolvers<null>();
      const stop = timers.after(GATHER_MS_MAX, () => timeout.resolve(null));
      try {
        while (mayWait(gathered)) {
          const more = await Promise.race([next, timeout.promise]);
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
