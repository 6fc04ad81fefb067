import { readEventData, readStreamEnd, type SiteLog, type TimeSpan } from '@holdfast/core';
import type { LinkView } from '@holdfast/interconnect';
import { EventDecodeError, type LinkEvent, type SiteId } from '@holdfast/schema';

/** A kill may come between the return of a link and the requests for what was missed: so many outages are looked at again. */
const OUTAGES_REPEATED = 3;
/** More than a link that flaps ends while its facts arrive; beyond, the oldest two become one. */
const OUTAGES_WAITING_MAX = 100;
/** An outage has a fact where it begins and one where it ends; some facts more, because some change nothing. */
const LAST_FACTS = 4 * OUTAGES_REPEATED;

export interface OutageHealing {
  /** Whether everything is known here that the site has recorded until now. */
  readonly isCurrent: (site: SiteId) => boolean;
  /** Asks for what was missed. Asked again for the same outage it must change nothing. */
  readonly request: (site: SiteId, outage: TimeSpan) => Promise<unknown>;
  readonly onFailure: (error: unknown, site: SiteId, outage: TimeSpan) => void;
}

/**
 * Remembers since when nothing is known of a site, and has what was missed requested when the link is back and the facts
 * have arrived: before, a camera that was added in the outage is not known. A request that fails is made again.
 */
export class OutageWatch {
  readonly #healing: OutageHealing;
  readonly #downSinceMs = new Map<SiteId, number>();
  readonly #waiting = new Map<SiteId, TimeSpan[]>();
  #healed: Promise<void> = Promise.resolve();

  constructor(healing: OutageHealing) {
    this.#healing = healing;
  }

  /** Takes up the last outages from the parent's log, for those that were not healed when it was killed. */
  async restore(log: SiteLog, site: SiteId): Promise<void> {
    for (const outage of (await readOutages(log, site)).slice(-OUTAGES_REPEATED)) this.#wait(site, outage);
  }

  /** After every change of a link. */
  observe(site: SiteId, view: Pick<LinkView, 'state' | 'sinceMs'>): void {
    if (view.sinceMs === null) return;
    if (view.state !== 'UP') {
      this.#downSinceMs.set(site, view.sinceMs);
      return;
    }
    const fromMs = this.#downSinceMs.get(site);
    this.#downSinceMs.delete(site);
    if (fromMs !== undefined) this.#wait(site, { fromMs, toMs: view.sinceMs });
  }

  /** To be called whenever facts have arrived. Resolves when what could be requested was. */
  heal(): Promise<void> {
    this.#healed = this.#healed.then(async () => {
      for (const [site, outages] of this.#waiting) {
        if (this.#healing.isCurrent(site)) await this.#healSite(site, outages);
      }
    });
    return this.#healed;
  }

  #wait(site: SiteId, outage: TimeSpan): void {
    if (outage.fromMs >= outage.toMs) return;
    const waiting = this.#waiting.get(site) ?? [];
    waiting.push(outage);
    if (waiting.length > OUTAGES_WAITING_MAX) {
      const [first, second] = waiting.splice(0, 2);
      waiting.unshift({ fromMs: first!.fromMs, toMs: second!.toMs });
    }
    this.#waiting.set(site, waiting);
  }

  async #healSite(site: SiteId, outages: TimeSpan[]): Promise<void> {
    for (const outage of [...outages]) {
      try {
        await this.#healing.request(site, outage);
        outages.splice(outages.indexOf(outage), 1);
      } catch (error) {
        this.#healing.onFailure(error, site, outage);
        return;
      }
    }
  }
}

/** The last spans in the log in which a link that had been up was not. */
async function readOutages(log: SiteLog, site: SiteId): Promise<readonly TimeSpan[]> {
  const outages: TimeSpan[] = [];
  let downSinceMs: number | null = null;
  for (const recorded of await readStreamEnd(log, { stream: `link-${site}`, count: LAST_FACTS })) {
    const fact = readEventData(recorded);
    // An outage that newer software tells of in its own way is not healed by itself; it can be asked for.
    if (fact instanceof EventDecodeError) continue;
    const { type, data } = fact as LinkEvent;
    if (type === 'LinkLost') downSinceMs = data.atMs;
    else {
      if (downSinceMs !== null && downSinceMs < data.atMs)
        outages.push({ fromMs: downSinceMs, toMs: data.atMs });
      downSinceMs = null;
    }
  }
  return outages;
}
