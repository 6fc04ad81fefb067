import type { EventId, SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { foldAhead, type NamedFold } from './fold-ahead.js';
import { FOLD_EVENTS_MAX, FoldKeeper, type FoldSnapshot, type FoldStore } from './fold-snapshot.js';
import { createMemorySiteLog } from './memory-site-log.js';
import type { SiteLog } from './site-log.js';

const test = suite('folds read ahead');
const site = '018f0000-0000-7000-8000-000000000001' as SiteId;

/** Nothing is proved here, and a real one in plain JavaScript takes seconds for so many events. */
const noHash = () => new Uint8Array(32);

/** Events of types A and B in turn. */
async function logOf(count: number): Promise<SiteLog> {
  const log = createMemorySiteLog({ site, now: () => 1, sha256: noHash });
  for (let first = 0; first < count; first += 500) {
    const events = Array.from({ length: Math.min(500, count - first) }, (_, index) => ({
      id: `018f0000-0000-7000-8000-${String(first + index).padStart(12, '0')}` as EventId,
      ...{
        type: index % 2 === 0 ? 'A' : 'B',
        version: 1,
        data: new Uint8Array(2),
        actor: 'a',
        occurredAtMs: 1,
      },
      ...({ clockQuality: 'UNKNOWN', causationId: null, correlationId: null } as const),
    }));
    await log.append([{ stream: 's', expected: 'any', events }]);
  }
  return log;
}

class MemoryFoldStore implements FoldStore {
  readonly snapshots = new Map<string, FoldSnapshot>();
  load = async (name: string) => this.snapshots.get(name) ?? null;
  save = async (name: string, snapshot: FoldSnapshot) => void this.snapshots.set(name, snapshot);
}

function counting(name: string, without: readonly string[]): NamedFold {
  const state: Record<string, number> = {};
  const fold: NamedFold['fold'] = ({ type }) => {
    state[type] = (state[type] ?? 0) + 1;
  };
  return { name, without, fold, state: () => state };
}

/** Counts the pages that are read. */
function counted(log: SiteLog): { readonly log: SiteLog; readonly reads: () => number } {
  let reads = 0;
  const read: SiteLog['read'] = options => {
    reads += 1;
    return log.read(options);
  };
  return {
    log: Object.assign(Object.create(log) as SiteLog, { read, head: () => log.head() }),
    reads: () => reads,
  };
}

test('folds without a snapshot get theirs in one pass, each without what it leaves out', async () => {
  const { log, reads } = counted(await logOf(FOLD_EVENTS_MAX));
  const store = new MemoryFoldStore();
  await foldAhead({ log, store, folds: [counting('all', []), counting('less', ['A'])] });
  const pageCount = reads();
  const half = FOLD_EVENTS_MAX / 2;
  const keeperOf = (name: string) => new FoldKeeper({ log, store, name });
  assert.equal(await keeperOf('all').restore(), { LogEpochOpened: 1, A: half, B: half });
  assert.equal(await keeperOf('less').restore(), { LogEpochOpened: 1, B: half });
  const alone = counted(log);
  const { fold, state, without } = counting('alone', []);
  await new FoldKeeper({ log: alone.log, store, name: 'alone' }).readOn({ fold, state, without });
  assert.is(pageCount, alone.reads());
});

test('a fold that has a snapshot, or is alone without one, is let read for itself', async () => {
  const { log, reads } = counted(await logOf(FOLD_EVENTS_MAX));
  const store = new MemoryFoldStore();
  const [one, other] = [counting('one', []), counting('other', [])];
  await foldAhead({ log, store, folds: [one] });
  await store.save('other', { place: { epoch: 1, position: 1 }, leafHash: new Uint8Array(32), state: '{}' });
  await foldAhead({ log, store, folds: [one, other] });
  assert.is(reads(), 0);
});

test.run();
