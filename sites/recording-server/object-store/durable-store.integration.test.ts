import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkMedia } from '../media-database/check-media.js';
import {
  camera1,
  collect,
  fragmentsOf,
  idsIn,
  never,
  openTestDatabase,
  segmentIds,
  temporaryFolder,
  testFragment,
  testInit,
} from '../media-database/media-fixture.js';
import { OWN_STAGE } from '../media-database/stage-directories.js';
import { DurableStore, whyNoDurableStore } from './durable-store.fixture.js';
import { objectStageOf } from './object-files.js';
import { ObjectStore } from './object-store.js';

const test = suite('archive in an object store that is killed');

const always = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, signal: never };
const SEGMENTS = 8;
const GROUPS = 4;
const GROUP_BYTES = 80_000;

async function objectsIn(store: DurableStore): Promise<readonly string[]> {
  const keys: string[] = [];
  const pages = new ObjectStore(store.access).list(`${store.access.prefix}/segments/`, { deep: true });
  for await (const page of pages) keys.push(...page.keys);
  return keys;
}

test('killed in the middle of an upload, again and again, it has every segment once and whole, and archiving goes on', async () => {
  await using folder = await temporaryFolder();
  await using store = await DurableStore.open(path.join(folder.path, 'store'));
  const dir = path.join(folder.path, 'media');
  const stage = objectStageOf(store.access);
  const options = { stages: [stage], objectStores: [store.access] };
  let killed = 0;
  {
    await using database = await openTestDatabase(dir, options);
    for (let segment = 0; segment < SEGMENTS; segment += 1) {
      database.beginRun({ deviceId: camera1, init: testInit(), cause: 'CAMERA_CONNECTED' });
      for (let group = 0; group < GROUPS; group += 1) {
        const index = segment * GROUPS + group;
        database.append(camera1, testFragment(index, { byteLength: GROUP_BYTES }));
      }
      await database.endRun({ deviceId: camera1, cause: 'CAMERA_DISCONNECTED' });
    }
    database.confirmIndex();
    const before = fragmentsOf(await collect(database.read(always))).map(({ bytes }) => bytes);
    for (let round = 0; idsIn(database, OWN_STAGE).length > 0; round += 1) {
      // In the middle of the first, at the end of the second, and further on: later than the last round it lives.
      const killAfter = (round + 1) * 0.47 * GROUPS * GROUP_BYTES;
      if (round < 5) store.killAfter(killAfter);
      for (const segmentId of idsIn(database, OWN_STAGE)) {
        const outcome = await database.moveSegment({ segmentId, toStage: stage, signal: never });
        if (outcome.moved) continue;
        assert.is(outcome.cause, 'UNAVAILABLE', outcome.detail);
        await store.ended();
        await store.start();
        killed += 1;
        break;
      }
      // What it has confirmed it has, and the rest is where it was.
      assert.equal(
        fragmentsOf(await collect(database.read(always))).map(({ bytes }) => bytes),
        before,
      );
      assert.equal(database.observed.damages, []);
    }
    await database.collectGarbage();
    assert.is(idsIn(database, stage).length, SEGMENTS);
  }
  assert.ok(killed >= 3, `it was killed ${killed} times`);
  assert.is((await objectsIn(store)).length, SEGMENTS);
  const silent = { signal: never, onProgress: () => undefined };
  assert.equal((await checkMedia({ dir, ...options, ...silent })).faults, []);
  await using database = await openTestDatabase(dir, { ...options, newSegmentId: segmentIds(100) });
  assert.is(fragmentsOf(await collect(database.read(always))).length, SEGMENTS * GROUPS);
});

const missing = whyNoDurableStore();
if (missing === null) test.run();
else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [...(skipped.HOLDFAST_SKIPPED ?? []), `durable-store.integration: ${missing}`];
}
