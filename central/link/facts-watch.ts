import type { LinkState } from '@holdfast/core';
import type { LinkView } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';
import type { Wakeup } from '../read-models/wakeup.js';

const LOOK_MS = 2000;

/**
 * How far the read models have come with each site. What to retrieve is decided on facts: a link counts as up for that
 * purpose only when what the child said it has is folded here.
 */
export class FactsWatch {
  readonly #sql: Sql;
  readonly #positions = new Map<SiteId, { readonly epoch: number; readonly position: number }>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  linkState(site: SiteId, view: LinkView): LinkState {
    if (view.state !== 'UP') return view.state;
    const known = this.#positions.get(site);
    // What the child said in an earlier session is too little now.
    const isMeasured = view.roundTripMs !== null;
    if (!known || !isMeasured || view.headPosition === null || view.headEpoch !== known.epoch) {
      return 'CONNECTING';
    }
    return known.position >= view.headPosition ? 'UP' : 'CONNECTING';
  }

  async run(
    options: {
      readonly projected: Wakeup;
      readonly onMoved: () => void;
      readonly onFailure: (error: unknown) => void;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { projected, onMoved, onFailure } = options;
    while (!signal.aborted) {
      const seen = projected.count;
      await this.#look().then(onMoved, onFailure);
      await projected.after(seen, LOOK_MS, signal);
    }
  }

  async #look(): Promise<void> {
    const rows = await this.#sql<{ siteId: SiteId; epoch: number; position: number }[]>`
      select site_id, epoch, position from site_progress`;
    for (const { siteId, ...progress } of rows) this.#positions.set(siteId, progress);
  }
}
