import type { Sql } from '../postgres/sql.js';

export type ServedState = 'FOLLOWING' | 'CATCHING_UP' | 'HALTED' | 'NOT_SERVED';

export interface ProjectionView {
  readonly name: string;
  /** Of the fold that filled what is served. */
  readonly version: number;
  readonly state: ServedState;
  /** Why it is halted, or why its last build was given up. */
  readonly detail: string | null;
  readonly seq: number;
  /** Events that it does not show yet. */
  readonly lag: number;
  readonly quarantinedCount: number;
  /** When something of it was last folded again and compared. */
  readonly checkedAtMs: number | null;
  /** Parts of it that a check found to be something else than what the log folds into. */
  readonly differenceCount: number;
  readonly differences: readonly DifferenceRow[];
  /** While it is built anew: how far that has come, of the events so far. */
  readonly buildSeq: number | null;
}

export interface DifferenceRow {
  readonly projection: string;
  /** Null: the projection is checked as a whole. */
  readonly siteId: string | null;
  readonly description: string;
  readonly foundAtMs: number;
}

export interface ProjectionState {
  /** Everything up to this feed position is folded, but for projections that stand still. */
  readonly seq: number;
  /** The newest feed position. */
  readonly headSeq: number;
  readonly projections: readonly ProjectionView[];
}

export async function readProjectionState(sql: Sql): Promise<ProjectionState> {
  const [row] = await sql<Pick<ProjectionState, 'seq' | 'headSeq'>[]>`
    select (select seq from read_model_checkpoint) as seq, (select seq from feed_head) as head_seq`;
  const { headSeq, seq } = row!;
  const projections = await sql<Omit<ProjectionView, 'lag' | 'differenceCount' | 'differences'>[]>`
    select name, version, seq,
      case when version = 0 then 'NOT_SERVED' when halted_because is not null then 'HALTED'
           when seq < ${seq} then 'CATCHING_UP' else 'FOLLOWING' end as state,
      coalesce(halted_because, 'build given up: ' || build_failed_because) as detail,
      (select count(*) from quarantined_event where projection = name) as quarantined_count,
      checked_at_ms,
      (select min(projection_build.seq) from projection_build where name = any(projections)) as build_seq
    from projection order by name`;
  // Behind the builds: what has just replaced a projection has none of its differences.
  const differences = await sql<DifferenceRow[]>`
    select projection, case when scope <> 'all' then scope end as site_id, description, found_at_ms
    from projection_difference order by found_at_ms, scope`;
  return {
    ...{ seq, headSeq },
    projections: projections.map(view => {
      const own = differences.filter(({ projection }) => projection === view.name);
      const lag = Math.max(0, headSeq - view.seq);
      return { ...view, lag, differences: own, differenceCount: own.length };
    }),
  };
}
