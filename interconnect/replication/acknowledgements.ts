import { comparePlaces, LOG_START, type LogPlace } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';

/** How far a log is durable above, each null while it is not known. */
export interface AcknowledgedLevels {
  /** At the parent, and signed for. */
  readonly parent: LogPlace | null;
  /** At the topmost parent. */
  readonly top: LogPlace | null;
}

const nothing: AcknowledgedLevels = { parent: null, top: null };

/** What a site's parent has said about the site's log, and about the logs that the site relays. Levels only rise. */
export class Acknowledgements {
  readonly #levels = new Map<SiteId, AcknowledgedLevels>();
  readonly #listeners = new Map<SiteId, Set<() => void>>();

  of(origin: SiteId): AcknowledgedLevels {
    return this.#levels.get(origin) ?? nothing;
  }

  rise(origin: SiteId, said: AcknowledgedLevels): void {
    const known = this.of(origin);
    const parent = later(known.parent, said.parent);
    const top = later(known.top, said.top);
    if (parent === known.parent && top === known.top) return;
    this.#levels.set(origin, { parent, top });
    for (const listener of this.#listeners.get(origin) ?? []) listener();
  }

  /** Resolves when the parent holds the log up to this place, or the signal is aborted. */
  async reached(origin: SiteId, place: LogPlace, signal: AbortSignal): Promise<void> {
    const isReached = () => comparePlaces(this.of(origin).parent ?? LOG_START, place) >= 0;
    if (signal.aborted || isReached()) return;
    await new Promise<void>(resolve => {
      const look = () => {
        if (!signal.aborted && !isReached()) return;
        stop();
        signal.removeEventListener('abort', look);
        resolve();
      };
      const stop = this.listen(origin, look);
      signal.addEventListener('abort', look, { once: true });
    });
  }

  /** Calls the listener whenever a level of this log has risen. Returns how to stop that. */
  listen(origin: SiteId, listener: () => void): () => void {
    const listeners = this.#listeners.get(origin) ?? new Set();
    this.#listeners.set(origin, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(origin) === listeners) this.#listeners.delete(origin);
    };
  }
}

function later(one: LogPlace | null, other: LogPlace | null): LogPlace | null {
  if (one === null || other === null) return one ?? other;
  return comparePlaces(other, one) > 0 ? other : one;
}
