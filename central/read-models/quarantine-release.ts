import type { SiteId } from '@holdfast/schema';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import { readFeedItems } from './feed-reader.js';
import { type FoldSettings, ModelFold } from './model-fold.js';
import { lockCheckpoint, saveLateChanges } from './projection-row.js';
import { PROJECTED_CHANNEL } from './projector.js';
import { type QuarantineRow, quarantineTable } from './quarantine.js';
import type { Change, ReadModel } from './read-model.js';

/** Folded in one transaction, one by one; the served tables are locked no longer than by a batch. */
const PAGE_EVENTS_MAX = 200;

export interface Release {
  readonly projection: string;
  /** How many events were folded at last. */
  readonly folded: number;
  /** How many stay, for now. */
  readonly left: number;
}

export interface ReleaseOptions extends FoldSettings {
  readonly sql: Sql;
  readonly models: readonly ReadModel[];
}

/**
 * Tries again what is in the quarantine of these projections, in the order of each stream: a stream that fails again stays where it
 * is. A projection that stands still is set going again.
 */
export async function releaseQuarantine(
  options: ReleaseOptions,
  which: { readonly projections: readonly string[]; readonly only: 'UNTIL_UPGRADE' | null },
): Promise<readonly Release[]> {
  const releases: Release[] = [];
  for (const model of options.models) {
    if (!which.projections.includes(model.name)) continue;
    const folded = await releaseProjection(options, model, which.only);
    const [row] = await options.sql<{ left: number }[]>`
      select count(*) as left from quarantined_event where projection = ${model.name}`;
    if (folded > 0 || row!.left > 0) releases.push({ projection: model.name, folded, left: row!.left });
  }
  return releases;
}

async function releaseProjection(
  options: ReleaseOptions,
  model: ReadModel,
  only: 'UNTIL_UPGRADE' | null,
): Promise<number> {
  const { sql } = options;
  if (only === null) await setGoing(sql, model);
  const streams = await sql<{ site: SiteId; stream: string; firstSeq: number }[]>`
    select site, stream, min(seq) as first_seq from quarantined_event
    where projection = ${model.name} group by site, stream
    having ${only}::text is null or bool_or(status = ${only}) order by 3`;
  let folded = 0;
  for (const { site, stream } of streams) {
    let afterSeq = 0;
    for (;;) {
      const page = await sql.begin(tx => releasePage(tx, options, model, { site, stream, afterSeq }));
      folded += page.folded;
      if (page.afterSeq === null) break;
      afterSeq = page.afterSeq;
    }
  }
  return folded;
}

/** The event at which it stood still is met again in the feed. */
async function setGoing(sql: Sql, { name }: ReadModel): Promise<void> {
  await sql.begin(async tx => {
    await lockCheckpoint(tx);
    await tx`
      delete from quarantined_event using projection
      where projection = name and name = ${name} and halted_because is not null
        and quarantined_event.seq > projection.seq`;
    await tx`update projection set halted_because = null where name = ${name}`;
  });
}

async function releasePage(
  tx: TransactionSql,
  options: ReleaseOptions,
  model: ReadModel,
  from: { readonly site: SiteId; readonly stream: string; readonly afterSeq: number },
): Promise<{ folded: number; afterSeq: number | null }> {
  const checkpoint = await lockCheckpoint(tx);
  // What it stands still at, or has come to stand still at again meanwhile, is met in the feed.
  const rows = await tx<QuarantineRow[]>`
    select * from quarantined_event
    where projection = ${model.name} and site = ${from.site} and stream = ${from.stream} and seq > ${from.afterSeq}
      and seq <= (select seq from projection where name = ${model.name})
    order by seq limit ${PAGE_EVENTS_MAX}`;
  const items = await readFeedItems(
    tx,
    rows.map(({ seq }) => seq),
  );
  const changes: Change[] = [];
  let folded = 0;
  let isStuck = false;
  for (const [index, item] of items.entries()) {
    const fold = new ModelFold(model, options, []);
    await fold.foldApart(tx, [item]);
    const [again] = fold.aside;
    if (again === undefined) {
      changes.push(...fold.changes);
      folded += 1;
      await tx`delete from quarantined_event where projection = ${model.name} and seq = ${item.seq}`;
      continue;
    }
    await quarantineTable.save(tx, [{ ...again, attempts: rows[index]!.attempts + 1 }]);
    isStuck = model.poison !== 'skip-and-record';
    if (isStuck) break;
  }
  await saveLateChanges(tx, changes, checkpoint.seq);
  await tx`select pg_notify(${PROJECTED_CHANNEL}, ${String(checkpoint.seq)})`;
  const isMore = !isStuck && rows.length === PAGE_EVENTS_MAX;
  return { folded, afterSeq: isMore ? rows.at(-1)!.seq : null };
}
