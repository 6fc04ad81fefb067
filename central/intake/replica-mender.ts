import { comparePlaces, type LogPlace } from '@holdfast/core';
import type { ReplacingTail, ReplicaMender, TailOutcome } from '@holdfast/interconnect';
import { LogTruncated, type SiteId } from '@holdfast/schema';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import { lockCheckpoint } from '../read-models/projection-row.js';
import { startProjectionsOver } from '../read-models/start-over.js';
import { FEED_CHANNEL, readReplicaCursor } from './postgres-replica-intake.js';
import { storeCheckpoints } from './postgres-replica-reader.js';
import { removeTail, storeInPlace } from './replaced-tail.js';

/**
 * Puts the end of a replica right in a central's database, and has all projections built anew where events are replaced by that. Who
 * follows the feed beside them has read what is not there any more then, and reads it again (`EventsOfType`).
 */
export function createReplicaMender(of: { readonly sql: Sql; readonly ownSite: SiteId }): ReplicaMender {
  const { sql } = of;
  return {
    cursor: site => readReplicaCursor(sql, site),
    replaceTail: tail => sql.begin(tx => replaceTail(tx, of, tail)),
  };
}

async function replaceTail(
  tx: TransactionSql,
  of: Parameters<typeof createReplicaMender>[0],
  { site, common, held, events, proven }: ReplacingTail,
): Promise<TailOutcome> {
  // Before the cursor, and that before the feed, as everybody takes them.
  await lockCheckpoint(tx);
  const [cursor] = await tx<LogPlace[]>`
    select epoch, position from replica_cursor where site = ${site} for update`;
  const isBeginning = comparePlaces(common, held) === 0;
  if (cursor === undefined || (isBeginning && comparePlaces(cursor, held) !== 0)) return 'MOVED';
  if (await isTruncated(tx, site, common)) return 'TRUNCATED';
  const freed = await removeTail(tx, { site, common });
  const left = await storeInPlace(tx, freed, events);
  const { end, checkpoints } = proven();
  await storeCheckpoints(tx, checkpoints);
  await tx`
    update replica_cursor set epoch = ${end.epoch}, position = ${end.position},
      tree_edge = ${Buffer.concat(end.treeEdge)}, fence = fence + 1, verified_at = now()
    where site = ${site}`;
  if (freed.length > 0) {
    await tx`insert into feed_gap (seq) select unnest(${left as number[]}::bigint[])`;
    await tx`
      insert into replaced_tail (site, epoch, event_count) values (${site}, ${end.epoch}, ${freed.length})
      on conflict (site) do update
      set epoch = excluded.epoch, event_count = excluded.event_count, replaced_at = excluded.replaced_at`;
    await startProjectionsOver(tx, of);
  }
  await tx`select pg_notify(${FEED_CHANNEL}, '')`;
  return freed.length === 0 ? 'EXTENDED' : 'REPLACED';
}

/** What of it the site has removed it could not record again. */
async function isTruncated(tx: TransactionSql, site: SiteId, common: LogPlace): Promise<boolean> {
  const [found] = await tx`
    select 1 from replica_event
    where site = ${site} and (epoch, position) > (${common.epoch}, ${common.position}) and type = ${LogTruncated.type}
    limit 1`;
  return found !== undefined;
}
