import { sideBySide } from '../postgres/side-by-side.js';
import type { TransactionSql } from '../postgres/sql.js';
import type { FeedBatch, FeedItem } from './feed-reader.js';
import { concerns, type FoldSettings, ModelFold, typeOf } from './model-fold.js';
import { type QuarantineRow, quarantineTable, readStalledStreams } from './quarantine.js';
import type { Change, ReadModel } from './read-model.js';

export interface FoldOutcome {
  readonly changes: readonly Change[];
  readonly aside: readonly QuarantineRow[];
  /** Projections that stand still, and at which event. */
  readonly halted: ReadonlyMap<string, { readonly seq: number; readonly reason: string }>;
}

/**
 * `TOGETHER` is fast and fails as a whole, and with it the transaction; `APART` finds what cannot be digested.
 */
export type FoldMode = 'TOGETHER' | 'APART';

/** Folds a batch into the tables of these models, and writes what had to be put aside. */
export async function foldBatch(
  tx: TransactionSql,
  batch: Pick<FeedBatch, 'items'>,
  options: FoldSettings & {
    readonly models: readonly ReadModel[];
    readonly mode: FoldMode;
    /**
     * One projection after the other, with the connection for itself. For batches so large that their rows are worth copying in;
     * those of the projector are small, and are folded side by side so that no answer is waited for.
     */
    readonly isLarge?: boolean;
    /** Whether anything is in the quarantine. */
    readonly isAnythingAside: boolean;
  },
): Promise<FoldOutcome> {
  const { models, mode, isLarge = false } = options;
  const stalled = options.isAnythingAside ? await readStalledStreams(tx, streamsOf(batch.items)) : new Map();
  const folds = models.map(
    model =>
      new ModelFold(
        model,
        options,
        model.poison === 'skip-and-record' ? [] : (stalled.get(model.name) ?? []),
      ),
  );
  const itemsOf = routed(batch.items, models);
  if (mode === 'APART') {
    for (const fold of folds) await fold.foldApart(tx, itemsOf.get(fold.model)!);
  } else if (isLarge) {
    for (const fold of folds) await fold.foldTogether({ tx, isAlone: true }, itemsOf.get(fold.model)!);
  } else {
    // Their tables are their own.
    const at = { tx, isAlone: false };
    await sideBySide(...folds.map(fold => fold.foldTogether(at, itemsOf.get(fold.model)!)));
  }
  const aside = folds.flatMap(fold => fold.aside);
  await quarantineTable.save(tx, aside);
  return {
    changes: folds.flatMap(fold => fold.changes),
    aside,
    halted: new Map(folds.flatMap(fold => (fold.halted ? [[fold.model.name, fold.halted] as const] : []))),
  };
}

/**
 * `TOGETHER`, and when that fails for a reason that another try would meet again, `APART`. Each try is a transaction.
 */
export async function inEitherMode<Result>(
  attempt: (mode: FoldMode) => Promise<Result>,
  isTransient: (error: unknown) => boolean,
): Promise<Result> {
  try {
    return await attempt('TOGETHER');
  } catch (error) {
    if (isTransient(error)) throw error;
    return attempt('APART');
  }
}

/** What concerns each model, after one look at each event. */
function routed(
  items: readonly FeedItem[],
  models: readonly ReadModel[],
): ReadonlyMap<ReadModel, readonly FeedItem[]> {
  const itemsOf = new Map<ReadModel, FeedItem[]>(models.map(model => [model, []]));
  const receiversOf = new Map<string, readonly FeedItem[][]>();
  for (const item of items) {
    const type = typeOf(item);
    let receivers = receiversOf.get(type);
    if (receivers === undefined) {
      receivers = models.filter(model => concerns(model, type)).map(model => itemsOf.get(model)!);
      receiversOf.set(type, receivers);
    }
    for (const receiver of receivers) receiver.push(item);
  }
  return itemsOf;
}

function streamsOf(items: readonly FeedItem[]): ReadonlySet<string> {
  return new Set(items.map(({ stream }) => stream));
}
