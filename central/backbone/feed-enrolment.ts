import type { HoldfastEvent, SiteId } from '@holdfast/schema';
import { inStream } from '../intake/replica-event-trees.js';
import type { Sql } from '../postgres/sql.js';

/** Nothing of the central's own log has arrived in the database: who may report to it is not known. */
export class OwnLogNotHeldError extends Error {
  override readonly name = 'OwnLogNotHeldError';
  readonly code = 'OWN_LOG_NOT_HELD';
}

/**
 * Whether a site may report here, for processes without the own log: as that log says, out of the feed. What other logs say of the
 * site, which may have been below them or pretend so, is not asked. Rejects with `OwnLogNotHeldError`: a child that is told that
 * it is not enrolled comes back much later than one that is told to come back.
 */
export async function isEnrolledIn(
  sql: Sql,
  { ownSite, child }: { readonly ownSite: SiteId; readonly child: SiteId },
): Promise<boolean> {
  const type: HoldfastEvent['type'] = 'ChildSiteEnrolled';
  const [own] = await sql<{ isHeld: boolean; isEnrolled: boolean }[]>`
    select exists (select 1 from replica_event where site = ${ownSite}) as is_held,
           exists (select 1 from replica_event
                   where ${inStream(sql, `child-site-${child}`)} and site = ${ownSite} and type = ${type}) as is_enrolled`;
  if (!own!.isHeld) throw new OwnLogNotHeldError(`nothing of the log of ${ownSite} is held yet`);
  return own!.isEnrolled;
}
