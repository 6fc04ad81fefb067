import type { LinkState } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { Sql } from '../../postgres/sql.js';
import { type Page, type PageRequest, readPage } from '../page.query.js';
import type { LinkRow } from './links.read-model.js';
import type { SiteRow } from './sites.read-model.js';

/** Sites nest as deep as their operators like; a loop in the parents (a mistake, or an attempt) must still end. */
const TREE_DEPTH_MAX = 32;

export interface LinkToSite {
  readonly state: LinkState;
  readonly sinceMs: number;
}

/** A link on the way to a site, as it is folded. */
export type LinkHop = Pick<LinkRow, 'state' | 'sinceMs' | 'session' | 'lastEpoch' | 'lastPosition'> & {
  readonly siteId: SiteId;
};

/** What is known of a link beyond the read models; null: nothing. `via`: the child of ours that the way to the site begins with. */
export type LiveLink = (hop: LinkHop, via: SiteId) => LinkToSite | null;

/**
 * The link that decides how current the facts about a site are: of all links between us and it, the first that is down,
 * else its own. Null for ourselves. A site that never had a link counts as down since ever. `live` knows of our own children more
 * than their read models do: of a loss some moments before the log, and whether the facts have arrived; these, of the sites below them too.
 */
export async function readLinkTo(
  sql: Sql,
  siteId: SiteId,
  ownSite: SiteId,
  live: LiveLink = () => null,
): Promise<LinkToSite | null> {
  if (siteId === ownSite) return null;
  const stored = await sql<LinkHop[]>`
    with recursive up (site_id, depth) as (
      select ${siteId}::uuid, 0
      union all
      select site.parent_id, depth + 1 from up join site on site.id = up.site_id
      where site.parent_id is not null and site.parent_id <> ${ownSite}::uuid and depth < ${TREE_DEPTH_MAX}
    )
    select link.site_id, link.state, link.since_ms, link.session, link.last_epoch, link.last_position
    from up join link using (site_id) order by depth desc`;
  const chain = stored.map(hop => live(hop, stored[0]!.siteId) ?? hop);
  const link = chain.find(hop => hop.state !== 'UP') ?? chain.at(-1);
  // Enrolled and never seen: nothing was ever known of it.
  return link ? { state: link.state, sinceMs: link.sinceMs } : { state: 'DOWN', sinceMs: 0 };
}

export function readSites(sql: Sql, page: PageRequest): Promise<Page<SiteRow>> {
  return readPage<SiteRow>(sql, page, {
    ...{ from: sql`site`, columns: sql`*`, where: [], direction: 'asc', sort: byName },
  });
}

export async function readSitesById(sql: Sql, ids: readonly string[]): Promise<readonly SiteRow[]> {
  return sql<SiteRow[]>`select * from site where id = any(${ids as string[]}::uuid[])`;
}

export async function readChildren(sql: Sql, parentId: string): Promise<readonly SiteRow[]> {
  return sql<SiteRow[]>`select * from site where parent_id = ${parentId} order by name, id`;
}

export async function readLink(sql: Sql, siteId: string): Promise<LinkRow | null> {
  const [row] = await sql<LinkRow[]>`select * from link where site_id = ${siteId}`;
  return row ?? null;
}

const byName = [
  { column: 'name', type: 'text', value: (row: SiteRow) => row.name },
  { column: 'id', type: 'uuid', value: (row: SiteRow) => row.id },
] as const;

export async function readLinkCounts(
  sql: Sql,
): Promise<readonly { readonly state: string; readonly count: number }[]> {
  return sql<{ state: string; count: number }[]>`
    select state, count(link.site_id) as count from (values ('UP'), ('DOWN')) as states (state)
    left join link using (state) group by state`;
}
