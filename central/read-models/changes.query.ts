import type { Sql } from '../postgres/sql.js';
import type { ChangeKind } from './read-model.js';

export interface ChangeRecord<State> {
  readonly seq: number;
  /** The entity's row as of this change. */
  readonly state: State;
}

/**
 * The changes of one kind after a feed position, oldest first, and how far the feed was looked through for them. All those
 * of one position come together, so a few more than the limit may come.
 */
export async function readChangesAfter<State>(
  sql: Sql,
  query: { readonly kind: ChangeKind; readonly afterSeq: number; readonly limit: number },
): Promise<{ readonly items: readonly ChangeRecord<State>[]; readonly upToSeq: number }> {
  const { kind, afterSeq, limit } = query;
  const rows = await sql<{ foldedSeq: number; seq: number | null; state: State }[]>`
    select folded.seq as folded_seq, page.seq, page.state
    from read_model_checkpoint as folded left join lateral (
      select seq, state from change
      where kind = ${kind} and seq > ${afterSeq} and seq <= folded.seq order by seq fetch first (${limit}::int) rows with ties
    ) as page on true
    order by page.seq`;
  const foldedSeq = rows[0]?.foldedSeq ?? 0;
  const items = rows.flatMap(({ seq, state }) => (seq === null ? [] : { seq, state }));
  const full = items.length >= limit;
  return { items, upToSeq: full ? items.at(-1)!.seq : Math.max(afterSeq, foldedSeq) };
}

/** Everything up to this feed position is folded. */
export async function readFoldedSeq(sql: Sql): Promise<number> {
  const [row] = await sql<{ seq: number }[]>`select seq from read_model_checkpoint`;
  return row?.seq ?? 0;
}

/** Changes at or below this feed position are no longer kept. */
export async function readChangesHorizon(sql: Sql): Promise<number> {
  const [row] = await sql<{ seq: number }[]>`select changes_after_seq as seq from read_model_checkpoint`;
  return row?.seq ?? 0;
}
