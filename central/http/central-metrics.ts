import { defineLiveMetrics, type LiveViewers } from '@holdfast/sites';
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Sql } from '../postgres/sql.js';
import { readProjectionState } from '../read-models/projection-state.query.js';
import { readLinkCounts } from '../read-models/site/sites.query.js';

export interface CentralMetricsOptions {
  readonly sql: Sql;
  readonly live: LiveViewers;
  /** Adds what other parts of this process measure. Labels have few values: never an id. */
  readonly defineMetrics?: ((registry: Registry) => void) | undefined;
}

/** What `/metrics` tells, read when it is asked for. */
export function createCentralMetrics({ sql, live, defineMetrics }: CentralMetricsOptions): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const taken = new Gauge({
    ...{ name: 'holdfast_intake_events', help: 'Events taken in from all sites.', registers },
    async collect() {
      const { headSeq, seq, projections } = await readProjectionState(sql);
      taken.set(headSeq);
      lag.set(headSeq - seq);
      for (const { name, lag: behind, quarantinedCount, differenceCount } of projections) {
        quarantined.set({ projection: name }, quarantinedCount);
        differences.set({ projection: name }, differenceCount);
        projectionLag.set({ projection: name }, behind);
      }
    },
  });
  const lag = new Gauge({
    ...{ name: 'holdfast_projection_lag_events', help: 'Events that no read model shows yet.', registers },
  });
  const quarantined = new Gauge({
    ...{ name: 'holdfast_quarantined_events', help: 'Events that a projection has put aside.' },
    ...{ labelNames: ['projection'], registers },
  });
  const differences = new Gauge({
    ...{
      name: 'holdfast_projection_differences',
      help: 'Parts of a projection that a check found to differ.',
    },
    ...{ labelNames: ['projection'], registers },
  });
  const projectionLag = new Gauge({
    ...{ name: 'holdfast_projection_behind_events', help: 'Events that a projection does not show yet.' },
    ...{ labelNames: ['projection'], registers },
  });
  const links = new Gauge({
    ...{ name: 'holdfast_links', help: 'Links to other sites by state.', labelNames: ['state'], registers },
    async collect() {
      for (const { state, count } of await readLinkCounts(sql)) links.set({ state }, count);
    },
  });
  defineLiveMetrics(registry, () => [live]);
  defineMetrics?.(registry);
  return registry;
}
