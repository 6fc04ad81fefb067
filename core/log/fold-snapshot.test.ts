import type { EventId, SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeFold,
  encodeFold,
  FOLD_EVENTS_MAX,
  FoldKeeper,
  type FoldSnapshot,
  type FoldStore,
} from './fold-snapshot.js';
import { createMemorySiteLog } from './memory-site-log.js';
import { readStreamEnd } from './read-stream-end.js';
import { referenceSha256 } from './sha256.reference.js';
import type { RecordedEvent, SiteLog } from './site-log.js';

const test = suite('fold snapshots');
const site = '018f0000-0000-7000-8000-000000000001' as SiteId;
let idCount = 0;

function newLog(nowMs = 1): SiteLog {
  return createMemorySiteLog({ site, now: () => nowMs, sha256: referenceSha256 });
}

async function append(log: SiteLog, count: number, stream = 's'): Promise<void> {
  const events = Array.from({ length: count }, () => ({
    id: `018f0000-0000-7000-8000-${String(++idCount).padStart(12, '0')}` as EventId,
    ...{ type: 'T', version: 1, data: new Uint8Array(2), actor: 'a', occurredAtMs: 1 },
    ...({ clockQuality: 'UNKNOWN', causationId: null, correlationId: null } as const),
  }));
  await log.append([{ stream, expected: 'any', events }]);
}

class MemoryFoldStore implements FoldStore {
  snapshot: FoldSnapshot | null = null;
  saveCount = 0;
  load = async () => this.snapshot;
  save = async (_: string, snapshot: FoldSnapshot) => {
    this.snapshot = snapshot;
    this.saveCount += 1;
  };
}

async function foldOn(keeper: FoldKeeper, log: SiteLog): Promise<number> {
  const page = await log.read({ after: keeper.place, limit: 5000 });
  for (const event of page) keeper.passed(event);
  return page.length;
}

test('maps and sets come back as they were, one within another', () => {
  const state = { a: new Map([['k', { s: new Set([1, 2]), n: null }]]), b: [new Set<string>()], c: 'text' };
  assert.equal(decodeFold(encodeFold(state)), state);
});

test('a fold goes on where its snapshot was taken', async () => {
  const [log, store] = [newLog(), new MemoryFoldStore()];
  await append(log, 5);
  const keeper = new FoldKeeper({ log, store, name: 'f' });
  assert.is(await keeper.restore(), null);
  const first = await foldOn(keeper, log);
  await keeper.save({ count: first });
  await append(log, 2);
  const again = new FoldKeeper({ log, store, name: 'f' });
  assert.equal(await again.restore(), { count: first });
  assert.is(await foldOn(again, log), 2);
});

test('the snapshot of another history is of no use', async () => {
  const [log, store] = [newLog(), new MemoryFoldStore()];
  await append(log, 5);
  const keeper = new FoldKeeper({ log, store, name: 'f' });
  await foldOn(keeper, log);
  await keeper.save({ any: 'state' });
  const [other, shorter] = [newLog(2), newLog()];
  await append(other, 5);
  for (const changed of [other, shorter]) {
    assert.is(await new FoldKeeper({ log: changed, store, name: 'f' }).restore(), null);
  }
});

test('what a log left out has passed too, and is not looked at again', async () => {
  const [log, store] = [newLog(), new MemoryFoldStore()];
  await append(log, 5);
  const without = ['T'];
  const sparing: SiteLog = Object.assign(Object.create(log) as SiteLog, {
    head: () => log.head(),
    read: async (options: Parameters<SiteLog['read']>[0]) =>
      (await log.read(options)).filter(event => !options.without?.includes(event.type)),
  });
  const folded: string[] = [];
  const options = {
    without,
    fold: (event: RecordedEvent) => folded.push(event.type),
    state: () => ({ folded }),
  };
  const keeper = new FoldKeeper({ log: sparing, store, name: 'f' });
  await keeper.readOn(options);
  assert.equal(folded, ['LogEpochOpened']);
  assert.equal(keeper.place, { epoch: 1, position: 6 });
  await keeper.save({ folded });
  assert.equal(await new FoldKeeper({ log: sparing, store, name: 'f' }).restore(), { folded });
});

test('it is saved once in so many events, and never when nothing has passed', async () => {
  const [log, store] = [newLog(), new MemoryFoldStore()];
  const keeper = new FoldKeeper({ log, store, name: 'f' });
  await keeper.save({});
  assert.is(store.saveCount, 0);
  await append(log, 1);
  const [event] = await log.read({ after: keeper.place, limit: 1 });
  for (let count = 1; count < FOLD_EVENTS_MAX; count += 1) keeper.passed(event!);
  keeper.saveSometimes(() => ({}));
  assert.is(store.saveCount, 0);
  keeper.passed(event!);
  keeper.saveSometimes(() => ({}));
  assert.is(store.saveCount, 1);
});

test('the end of a stream is found whatever its length', async () => {
  const log = newLog();
  for (let length = 0; length <= 20; length += 1) {
    const end = await readStreamEnd(log, { stream: 'end', count: 3 });
    const expected = Array.from({ length: Math.min(3, length) }, (_, i) => length - Math.min(3, length) + i);
    assert.equal(
      end.map(event => event.revision),
      expected,
    );
    await append(log, 1, 'end');
  }
});

test.run();
