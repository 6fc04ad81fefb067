import type { TransactionSql } from '../postgres/sql.js';
import { ModelTable } from './model-table.js';
import type { Change } from './read-model.js';

export interface ProjectionRow {
  readonly name: string;
  /** Of the fold that filled what is served; 0: nothing is served yet. */
  readonly version: number;
  readonly seq: number;
  readonly haltedBecause: string | null;
  readonly buildFailedBecause: string | null;
}

interface ChangeRow {
  readonly kind: string;
  readonly seq: number;
  readonly entityId: string;
  readonly state: object;
}

const changeTable = new ModelTable<ChangeRow>('change', ['kind', 'seq', 'entityId']);

/** One at a time folds, releases or swaps, also when two processes share a database. Returns where the feed is followed to. */
export async function lockCheckpoint(tx: TransactionSql): Promise<{ readonly seq: number }> {
  const [row] = await tx<{ seq: number }[]>`select seq from read_model_checkpoint for update`.execute();
  return row!;
}

export function readProjections(tx: TransactionSql): Promise<readonly ProjectionRow[]> {
  return tx<ProjectionRow[]>`select * from projection order by seq, name`.execute();
}

/**
 * What was folded later than its place in the feed: who subscribed has read on beyond it, so it is told with the next
 * event. Of several changes of one entity the last one counts.
 */
export async function saveLateChanges(
  tx: TransactionSql,
  changes: readonly Change[],
  checkpointSeq: number,
): Promise<void> {
  const late = new Map<string, ChangeRow>();
  for (const change of changes) {
    late.set(`${change.kind}/${change.entityId}`, { ...change, seq: checkpointSeq + 1 });
  }
  await changeTable.save(tx, late.values());
}

export async function saveChanges(tx: TransactionSql, changes: readonly Change[]): Promise<void> {
  await changeTable.save(tx, changes);
}
