import type { Wakeup } from '../../read-models/wakeup.js';

/** Read at once; what a slow reader has not fetched stays in the database. */
export const FOLLOW_PAGE_ITEMS = 100;
/** A lost notification delays an item by at most so much. */
const POLL_MS = 1000;

export interface FollowSource<Item> {
  readonly projected: Wakeup;
  /**
   * At most `FOLLOW_PAGE_ITEMS` items after a feed position, in order, and up to where everything was looked at: the last
   * item's position, or the end of what is folded.
   */
  readonly read: (afterSeq: number) => Promise<{ readonly items: readonly Item[]; readonly upToSeq: number }>;
}

/**
 * Every item after the position, then every new one, until the reader stops. The reader pulls: a slow socket holds
 * one page in memory, and loses nothing.
 */
export function follow<Item>(
  source: FollowSource<Item>,
  afterSeq: number,
): AsyncIterableIterator<Item> & { return(): Promise<IteratorResult<Item>> } {
  const stopped = new AbortController();
  const items = followUntil(source, afterSeq, stopped.signal);
  return {
    next: () => items.next(),
    // A generator that waits would answer `return` only after its next item: wake it.
    return: () => {
      stopped.abort();
      return items.return(undefined);
    },
    throw: error => {
      stopped.abort();
      return items.throw(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* followUntil<Item>(
  { projected, read }: FollowSource<Item>,
  afterSeq: number,
  signal: AbortSignal,
): AsyncGenerator<Item, undefined> {
  let position = afterSeq;
  while (!signal.aborted) {
    const seen = projected.count;
    const { items, upToSeq } = await read(position);
    position = upToSeq;
    for (const item of items) {
      if (signal.aborted) return;
      yield item;
    }
    if (items.length === 0) await projected.after(seen, POLL_MS, signal);
  }
}
