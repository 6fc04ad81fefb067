import type { Sql } from '../postgres/sql.js';

export interface ProjectionState {
  /** Everything up to this feed position is folded. */
  readonly seq: number;
  /** The newest feed position. */
  readonly headSeq: number;
  /** Events that some model could not digest. */
  readonly quarantinedCount: number;
}

export async function readProjectionState(sql: Sql): Promise<ProjectionState> {
  const [row] = await sql<ProjectionState[]>`
    select (select coalesce(max(seq), 0) from read_model_checkpoint) as seq,
           (select seq from feed_head) as head_seq,
           (select count(*) from quarantined_event) as quarantined_count`;
  return row!;
}
