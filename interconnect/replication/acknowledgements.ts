import { comparePlaces, type LogPlace } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';

/** How far a log is durable above, each null while it is not known. */
export interface AcknowledgedLevels {
  /** At the parent, and signed for. */
  readonly parent: LogPlace | null;
  /** At the topmost parent, and at the parent, through which it went. */
  readonly top: LogPlace | null;
}

const nothing: AcknowledgedLevels = { parent: null, top: null };

/** What a site's parent has said about the site's log, and about the logs that the site relays, over all sessions. */
export class Acknowledgements {
  readonly #levels = new Map<SiteId, AcknowledgedLevels>();
  readonly #listeners = new Map<SiteId, Set<() => void>>();

  of(origin: SiteId): AcknowledgedLevels {
    return this.#levels.get(origin) ?? nothing;
  }

  /** The parent has acknowledged this much; null: it says nothing about that level. Of the top, what was said last counts. */
  learn(origin: SiteId, said: AcknowledgedLevels): void {
    const known = this.of(origin);
    const parent = later(known.parent, said.parent);
    this.#set(origin, { parent, top: earlier(said.top ?? known.top, parent) });
  }

  /**
   * The parent holds the log up to this place at most, whatever it had acknowledged: it may have been restored from an old copy.
   * Nothing becomes known by that.
   */
  lower(origin: SiteId, to: LogPlace): void {
    const { parent, top } = this.of(origin);
    this.#set(origin, { parent: earlier(parent, to), top: earlier(top, to) });
  }

  /** Calls the listener whenever a level of this log has moved. Returns how to stop that. */
  listen(origin: SiteId, listener: () => void): () => void {
    const listeners = this.#listeners.get(origin) ?? new Set();
    this.#listeners.set(origin, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(origin) === listeners) this.#listeners.delete(origin);
    };
  }

  #set(origin: SiteId, levels: AcknowledgedLevels): void {
    const known = this.of(origin);
    if (isSame(levels.parent, known.parent) && isSame(levels.top, known.top)) return;
    this.#levels.set(origin, levels);
    for (const listener of this.#listeners.get(origin) ?? []) listener();
  }
}

function later(one: LogPlace | null, other: LogPlace | null): LogPlace | null {
  if (one === null || other === null) return one ?? other;
  return comparePlaces(other, one) > 0 ? other : one;
}

/** Null when one of them is not known. */
function earlier(one: LogPlace | null, other: LogPlace | null): LogPlace | null {
  if (one === null || other === null) return null;
  return comparePlaces(other, one) < 0 ? other : one;
}

function isSame(one: LogPlace | null, other: LogPlace | null): boolean {
  return one === other || (one !== null && other !== null && comparePlaces(one, other) === 0);
}
