import { FOLD_EVENTS_MAX, FoldKeeper, type FoldStore, type LogFold, noFoldStore } from './fold-snapshot.js';
import { comparePlaces, endOf } from './log-place.js';
import type { SiteLog } from './site-log.js';

/** A fold with the name under which its snapshots are kept, before it has folded anything. */
export interface NamedFold extends LogFold {
  readonly name: string;
}

/**
 * Makes the snapshots of folds that have none, as after an upgrade, in one pass over the log for all of them. Whoever opens
 * afterwards begins with them; each on its own would read the whole log once more.
 */
export async function foldAhead(options: {
  readonly log: SiteLog;
  readonly store: FoldStore;
  readonly folds: readonly NamedFold[];
}): Promise<void> {
  const { log, store } = options;
  // A pass over so little is over at once.
  if (comparePlaces(endOf(log.head()), { epoch: 1, position: FOLD_EVENTS_MAX }) <= 0) return;
  const folds: NamedFold[] = [];
  for (const fold of options.folds) if ((await store.load(fold.name)) === null) folds.push(fold);
  const [first, ...others] = folds;
  if (first === undefined || others.length === 0) return;
  const without = first.without.filter(type => others.every(other => other.without.includes(type)));
  const read = folds.map(({ fold, without: unread }) => ({ fold, unread: new Set(unread) }));
  const keeper = new FoldKeeper({ log, store: noFoldStore, name: 'ahead' });
  await keeper.readOn({
    without,
    fold(recorded) {
      for (const { fold, unread } of read) if (!unread.has(recorded.type)) fold(recorded);
    },
    state: () => ({}),
  });
  for (const { name, state } of folds) {
    const snapshot = keeper.snapshotOf(state());
    if (snapshot !== null) await store.save(name, snapshot);
  }
}
