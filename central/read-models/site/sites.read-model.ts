import type { HoldfastEvent } from '@holdfast/schema';
import { ModelTable } from '../model-table.js';
import { defineReadModel, IndigestibleEventError } from '../read-model.js';

export interface SiteRow {
  readonly id: string;
  readonly name: string;
  readonly nameFromOwnLog: boolean;
  readonly parentId: string | null;
  readonly enrolledAtMs: number | null;
  readonly sealingPublicKey: string | null;
}

const sites = new ModelTable<SiteRow>('site', ['id']);

type SiteEvent = Extract<HoldfastEvent, { type: 'SiteEstablished' | 'SiteRenamed' | 'ChildSiteEnrolled' }>;

export const sitesReadModel = defineReadModel({
  name: 'sites',
  version: 3,
  poison: 'stall-stream',
  checked: 'AS_A_WHOLE',
  tables: ['site'],
  eventTypes: ['SiteEstablished', 'SiteRenamed', 'ChildSiteEnrolled'],
  async fold(events, { tx }) {
    const rows = await sites.load(
      tx,
      'id',
      events.flatMap(({ site, event }) =>
        event.type === 'ChildSiteEnrolled' ? [site, event.data.siteId] : [site],
      ),
    );
    for (const { site, recordedAtMs, event } of events) {
      const id = event.type === 'ChildSiteEnrolled' ? event.data.siteId : site;
      const known = rows.get(id) ?? unknownSite(id);
      rows.set(id, evolve(known, event, site, recordedAtMs));
    }
    await sites.save(tx, rows.values());
  },
});

function unknownSite(id: string): SiteRow {
  return {
    ...{ id, name: id, nameFromOwnLog: false },
    ...{ parentId: null, enrolledAtMs: null, sealingPublicKey: null },
  };
}

function evolve(row: SiteRow, event: SiteEvent, site: string, atMs: number): SiteRow {
  switch (event.type) {
    case 'SiteEstablished': {
      if (event.data.siteId !== site) {
        throw new IndigestibleEventError(`the log of site ${site} establishes site ${event.data.siteId}`);
      }
      const { name, sealingPublicKey } = event.data;
      return { ...row, name, nameFromOwnLog: true, sealingPublicKey };
    }
    case 'SiteRenamed':
      return { ...row, name: event.data.name, nameFromOwnLog: true };
    case 'ChildSiteEnrolled': {
      const name = row.nameFromOwnLog ? row.name : event.data.name;
      return { ...row, name, parentId: site, enrolledAtMs: atMs };
    }
  }
}
