import type { LogPlace } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';

/** How far the log of a site is folded into what an answer is made of. */
export interface SiteProgress extends LogPlace {
  readonly siteId: SiteId;
  /** By the site's clock, when it recorded the last event that is folded. Zero before the first one. */
  readonly recordedAtMs: number;
}

/**
 * How far all of these projections have come with each site. One that stands still, catches up, or is not served yet, holds
 * back the others: an answer that is made of them all is as old as the oldest.
 */
export async function readSiteProgress(
  sql: Sql,
  { projections, site }: { readonly projections: readonly string[]; readonly site: SiteId | null },
): Promise<readonly SiteProgress[]> {
  return sql<SiteProgress[]>`
    with behind as (
      select min(case when version = 0 then 0 else seq end) as seq from projection
      where name = any(${projections as string[]}::text[])
        and (version = 0 or seq < (select seq from read_model_checkpoint))
    )
    select progress.site_id,
      case when behind.seq is null then progress.epoch else coalesce(last.epoch, 0) end as epoch,
      case when behind.seq is null then progress.position else coalesce(last.position, 0) end as position,
      case when behind.seq is null then progress.recorded_at_ms else coalesce(last.recorded_at >> 16, 0) end as recorded_at_ms
    from site_progress as progress cross join behind
    left join lateral (
      select epoch, position, recorded_at from replica_event
      where behind.seq is not null and site = progress.site_id and seq <= behind.seq order by seq desc limit 1
    ) as last on true
    ${site === null ? sql`` : sql`where progress.site_id = ${site}`}`;
}

/** Whether no projection is catching up with the others. Those that stand still, or wait for a build, are not waited for. */
export async function isNothingCatchingUp(sql: Sql): Promise<boolean> {
  const [row] = await sql`
    select 1 from projection
    where version > 0 and halted_because is null and seq < (select seq from read_model_checkpoint) limit 1`;
  return row === undefined;
}
