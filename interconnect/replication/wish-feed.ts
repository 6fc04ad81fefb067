import { endOf, type LogHead, type SiteLog } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';

/** What of a parent's log handing out wishes needs: the log itself, or what another process can read of it. */
export interface WishLog extends Pick<SiteLog, 'readStream' | 'subscribe'> {
  head(): Pick<LogHead, 'site' | 'epoch' | 'size'>;
}

/** Stream of the wishes for a child, in its parent's log. */
export function wishStreamOf(child: SiteId): string {
  return `${WISH_STREAM_PREFIX}${child}`;
}

const WISH_STREAM_PREFIX = 'wishes-';

/**
 * Tells sessions that there are new wishes for their child: one tail of the parent's log for all of them, since a thousand
 * sessions that each read it all would read nothing else.
 */
export class WishFeed {
  readonly #listeners = new Map<string, Set<() => void>>();

  /** Follows the log from its end until the signal is aborted or the log is closed. */
  async run(log: WishLog, signal: AbortSignal): Promise<void> {
    for await (const events of log.subscribe({ after: endOf(log.head()), signal })) {
      for (const event of events) {
        if (!event.stream.startsWith(WISH_STREAM_PREFIX)) continue;
        for (const listener of this.#listeners.get(event.stream) ?? []) listener();
      }
    }
  }

  /** Calls the listener whenever there are new wishes for the child. Returns how to stop that. */
  listen(child: SiteId, listener: () => void): () => void {
    const stream = wishStreamOf(child);
    const listeners = this.#listeners.get(stream) ?? new Set();
    this.#listeners.set(stream, listeners);
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(stream) === listeners) this.#listeners.delete(stream);
    };
  }
}
