import type { TimeSpan } from '@holdfast/core';
import type { LinkView } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';

/** Remembers since when nothing is known of a site, so that what was missed can be named when its link is back. */
export class OutageWatch {
  readonly #downSinceMs = new Map<SiteId, number>();

  observe(site: SiteId, view: Pick<LinkView, 'state' | 'sinceMs'>): void {
    if (view.state !== 'UP' && view.sinceMs !== null) this.#downSinceMs.set(site, view.sinceMs);
  }

  /** The outage that has just ended, or null when the site was never connected before. */
  ended(site: SiteId, nowMs: number): TimeSpan | null {
    const fromMs = this.#downSinceMs.get(site);
    this.#downSinceMs.delete(site);
    return fromMs === undefined || fromMs >= nowMs ? null : { fromMs, toMs: nowMs };
  }
}
