import type { HoldfastEvent, SiteId } from '@holdfast/schema';
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
  version: 4,
  poison: 'stall-stream',
  checked: 'AS_A_WHOLE',
  tables: ['site'],
  eventTypes: ['SiteEstablished', 'SiteRenamed', 'ChildSiteEnrolled'],
  async fold(events, { tx, ownSite }) {
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
      rows.set(id, evolve(known, event, { site, recordedAtMs, ownSite }));
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

interface Origin {
  /** Whose log it is. */
  readonly site: SiteId;
  readonly recordedAtMs: number;
  readonly ownSite: SiteId;
}

function evolve(row: SiteRow, event: SiteEvent, origin: Origin): SiteRow {
  const { site, recordedAtMs } = origin;
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
      if (row.id === site || row.id === origin.ownSite) {
        throw new IndigestibleEventError(
          `the log of site ${site} enrols site ${row.id}, which is not below it`,
        );
      }
      if (!isParentNow(row, origin)) return row;
      const name = row.nameFromOwnLog ? row.name : event.data.name;
      return { ...row, name, parentId: site, enrolledAtMs: recordedAtMs };
    }
  }
}

/**
 * Which of two enrolments says where a site is, in whatever order they arrive: the one in our own log, which nobody below us
 * writes, else the later one, as of a site that has moved.
 */
function isParentNow(row: SiteRow, { site, recordedAtMs, ownSite }: Origin): boolean {
  const { parentId, enrolledAtMs } = row;
  if (parentId === null || parentId === site || site === ownSite) return true;
  if (parentId === ownSite) return false;
  const heldAtMs = enrolledAtMs ?? 0;
  return recordedAtMs > heldAtMs || (recordedAtMs === heldAtMs && site > parentId);
}
