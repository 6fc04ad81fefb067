import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  camera1,
  collect,
  fragmentsOf,
  never,
  openTestDatabase,
  segmentIds,
  temporaryFolder,
  testFragment,
  testInit,
} from './media-fixture.js';
import { copyIndex, DiskNotes, layOut } from './power-cut.fixture.js';

const test = suite('power cut');

const always = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
const GROUPS = 8;

/**
 * Records two segments of four groups. Each mark names a copy of the index, and how many groups were durable then.
 */
async function record(dir: string, copies: string): Promise<DiskNotes> {
  await mkdir(dir, { recursive: true });
  let durable = 0;
  let copyCount = 0;
  const mark = () => {
    const name = `${durable}-${copyCount++}`;
    copyIndex(dir, path.join(copies, name));
    notes.mark(name);
  };
  await using notes = await DiskNotes.begin(dir, mark);
  const observer = {
    fragmentsDropped: () => undefined,
    writeFailed: () => undefined,
    damageFound: () => undefined,
    wrote: () => {
      durable += 1;
      mark();
    },
  };
  const testLimits = { segmentMsMax: 8_000 };
  await using database = await openTestDatabase(dir, { testLimits, observer });
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  for (let index = 0; index < GROUPS; index += 1) {
    database.append(camera1, testFragment(index, { byteLength: 3_000 }));
    while (durable <= index) await setImmediate();
  }
  return notes;
}

test('at any write, with any luck, with the index of then or without: no durable group is lost, none is damaged', async () => {
  await using folder = await temporaryFolder();
  const copies = path.join(folder.path, 'copies');
  const { steps } = await record(path.join(folder.path, 'recorded'), copies);
  const writes = steps.filter(({ kind }) => kind === 'write').length;
  assert.ok(writes >= GROUPS, `${writes} writes were noted`);
  let cuts = 0;
  for (let at = 1; at <= steps.length; at += 1) {
    for (const luck of [0, 0.7]) {
      const dir = path.join(folder.path, `cut-${at}-${luck}`);
      await mkdir(dir);
      const mark = await layOut(steps, { at, luck, dir });
      // Every other time the index is lost as well.
      if (mark !== null && (at + luck * 10) % 2 !== 0) copyIndex(path.join(copies, mark), dir);
      await using database = await openTestDatabase(dir, { newSegmentId: segmentIds(500) });
      const held = fragmentsOf(await collect(database.read({ ...always, signal: never })));
      const durable = Number(mark?.split('-')[0] ?? 0);
      const where = `cut before step ${at} of ${steps.length}, luck ${luck}`;
      assert.ok(held.length >= durable, `${where}: ${durable} groups were durable, ${held.length} are held`);
      // At most the group that was being written goes, and what is held is what was recorded.
      assert.ok(held.length <= durable + 1, where);
      assert.equal(
        held.map(({ bytes }) => bytes),
        held.map((_, index) => testFragment(index, { byteLength: 3_000 }).bytes),
        where,
      );
      assert.equal(await collect(database.verify({ signal: never })), [], where);
      cuts += 1;
    }
  }
  assert.ok(cuts >= 4 * GROUPS);
});

test.run();
