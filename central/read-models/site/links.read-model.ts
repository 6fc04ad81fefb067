import type { HoldfastEvent } from '@holdfast/schema';
import { ModelTable } from '../model-table.js';
import { defineReadModel } from '../read-model.js';

export interface LinkRow {
  readonly siteId: string;
  /** The site whose log tells of this link. */
  readonly parentId: string;
  readonly state: 'UP' | 'DOWN';
  readonly sinceMs: number;
  readonly session: number;
  /** Known when the link was lost; null while it is up. */
  readonly lastEpoch: number | null;
  readonly lastPosition: number | null;
  readonly cause: string | null;
}

const links = new ModelTable<LinkRow>('link', ['siteId']);

type LinkEvent = Extract<HoldfastEvent, { type: 'LinkEstablished' | 'LinkLost' }>;

export const linksReadModel = defineReadModel({
  name: 'links',
  version: 3,
  poison: 'stall-stream',
  checked: 'AS_A_WHOLE',
  tables: ['link'],
  eventTypes: ['LinkEstablished', 'LinkLost'],
  async fold(events, { tx, changed }) {
    const rows = await links.load(
      tx,
      'siteId',
      events.map(({ event }) => event.data.siteId),
    );
    for (const { seq, site, event } of events) {
      const row = evolve(rows.get(event.data.siteId), event, site);
      rows.set(row.siteId, row);
      changed({ kind: 'link', seq, entityId: row.siteId, state: row });
    }
    await links.save(tx, rows.values());
  },
});

function evolve(link: LinkRow | undefined, event: LinkEvent, parentId: string): LinkRow {
  const { siteId, atMs: sinceMs } = event.data;
  if (event.type === 'LinkEstablished') {
    const { session } = event.data;
    return {
      ...{ siteId, parentId, state: 'UP', sinceMs, session },
      ...{ lastEpoch: null, lastPosition: null, cause: null },
    };
  }
  const { lastEpoch, lastPosition, cause } = event.data;
  return {
    ...{ siteId, parentId, state: 'DOWN', sinceMs, session: link?.session ?? 0 },
    ...{ lastEpoch, lastPosition, cause },
  };
}
