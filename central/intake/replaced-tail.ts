import type { LogPlace, RecordedEvent } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { copyInto } from '../postgres/copy-into.js';
import type { TransactionSql } from '../postgres/sql.js';
import { appendToFeed } from './postgres-replica-intake.js';
import { encodeReplicaEvents, REPLICA_EVENT_ROWS } from './replica-event-rows.js';

/** Removes what is held of a log behind a place, and what is signed of that. Returns the feed positions that are free now, in order. */
export async function removeTail(
  tx: TransactionSql,
  { site, common }: { readonly site: SiteId; readonly common: LogPlace },
): Promise<readonly number[]> {
  const { epoch, position } = common;
  const freed = await tx<{ seq: number }[]>`
    delete from replica_event where site = ${site} and (epoch, position) > (${epoch}, ${position}) returning seq`;
  await tx`
    delete from replica_checkpoint where site = ${site} and (epoch, size) > (${epoch}::int, ${position}::bigint)`;
  return freed.map(({ seq }) => seq).sort((one, other) => one - other);
}

/** Stores events under these feed positions, and at the end of the feed when all are taken. Returns those that are left. */
export async function storeInPlace(
  tx: TransactionSql,
  freed: readonly number[],
  pages: AsyncIterable<readonly RecordedEvent[]>,
): Promise<readonly number[]> {
  let taken = 0;
  for await (const events of pages) {
    const seqs = freed.slice(taken, taken + events.length);
    taken += seqs.length;
    const rows = seqs.map((seq, at) => encodeReplicaEvents([events[at]!], seq));
    if (rows.length > 0) await copyInto(tx, REPLICA_EVENT_ROWS, rows);
    await appendToFeed(tx, events.slice(seqs.length), async () => undefined);
  }
  return freed.slice(taken);
}
