import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { SegmentId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkMedia } from './check-media.js';
import {
  camera1,
  collect,
  fragmentsOf,
  idsIn,
  never,
  openTestDatabase,
  record,
  segmentIds,
  temporaryFolder,
} from './media-fixture.js';
import { OWN_STAGE } from './stage-directories.js';

const test = suite('moving segments between stages');

const window = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
async function filesBelow(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter(name => /\.mp4/.test(name));
}

test('a moved segment plays on, counts where it is, and leaves nothing behind', async () => {
  await using folder = await temporaryFolder();
  const dir = path.join(folder.path, 'media');
  const archive = path.join(folder.path, 'archive');
  await using database = await openTestDatabase(dir, { stages: [archive] });
  await record(database, 128);
  const before = fragmentsOf(await collect(database.read({ ...window, signal: never })));
  const [first, second] = idsIn(database, OWN_STAGE);
  const usageBytes = database.usageBytes();
  const reading = database.read({ ...window, signal: never })[Symbol.asyncIterator]();
  await reading.next();
  for (const segmentId of [first!, second!]) {
    const outcome = await database.moveSegment({ segmentId, toStage: archive, signal: never });
    assert.is(outcome.moved, true);
  }
  assert.equal(idsIn(database, archive), [first, second]);
  assert.is((await filesBelow(archive)).length, 2);
  assert.is((await filesBelow(dir)).length, 2);
  assert.equal(
    [database.usageBytes(), database.usageBytes(OWN_STAGE) + database.usageBytes(archive)],
    [usageBytes, usageBytes],
  );
  // Also who was reading when it moved goes on, and nothing is reported as damaged.
  let count = 0;
  for (let step = await reading.next(); !step.done; step = await reading.next()) count += 1;
  assert.is(count, before.length);
  assert.equal(
    fragmentsOf(await collect(database.read({ ...window, signal: never }))).map(({ bytes }) => bytes),
    before.map(({ bytes }) => bytes),
  );
  assert.equal(database.observed.damages, []);
  const again = await database.moveSegment({ segmentId: first!, toStage: archive, signal: never });
  assert.equal([again.moved, !again.moved && again.cause], [false, 'GONE']);
});

test('who clears up what moves leave over never removes what one has just switched over to', async () => {
  await using folder = await temporaryFolder();
  const dir = path.join(folder.path, 'media');
  const archives = ['near', 'far'].map(name => path.join(folder.path, name));
  await using database = await openTestDatabase(dir, { stages: archives });
  await record(database, 512);
  const before = fragmentsOf(await collect(database.read({ ...window, signal: never })));
  const segments = idsIn(database, OWN_STAGE);
  let isOver = false;
  // So many that what each has read of the index is old when its turn at the disk comes.
  const clearing = Promise.all(
    Array.from({ length: 64 }, async () => {
      while (!isOver) await database.collectGarbage();
    }),
  );
  for (const toStage of archives) {
    for (const segmentId of segments) {
      while (!(await database.moveSegment({ segmentId, toStage, signal: never })).moved);
    }
  }
  isOver = true;
  await clearing;
  assert.is((await filesBelow(archives[1]!)).length, segments.length);
  assert.equal(
    fragmentsOf(await collect(database.read({ ...window, signal: never }))).map(({ bytes }) => bytes),
    before.map(({ bytes }) => bytes),
  );
  assert.equal(database.observed.damages, []);
});

test('an archive that is away while the index is made anew is not taken for new, and what is in it is found when it is back', async () => {
  await using folder = await temporaryFolder();
  const dir = path.join(folder.path, 'media');
  const archive = path.join(folder.path, 'archive');
  const options = { stages: [archive], usedStages: async () => new Set([archive]) };
  let held: readonly SegmentId[];
  {
    await using database = await openTestDatabase(dir, { stages: [archive] });
    await record(database, 64);
    const [segmentId] = idsIn(database, OWN_STAGE);
    await database.moveSegment({ segmentId: segmentId!, toStage: archive, signal: never });
    database.confirmIndex();
    held = [...idsIn(database, OWN_STAGE), ...idsIn(database, archive)].sort();
  }
  await rm(path.join(dir, 'index.sqlite'));
  await rename(archive, `${archive}-away`);
  await mkdir(archive);
  for (const newSegmentId of [segmentIds(100), segmentIds(200)]) {
    await using database = await openTestDatabase(dir, { ...options, newSegmentId });
    assert.match((await database.prepareStage(archive))!, /not mounted/);
    assert.equal(await readdir(archive), []);
    assert.match(database.recovery.problems.join(), 'indexed at the next start');
    database.confirmIndex();
  }
  await rm(archive, { recursive: true });
  await rename(`${archive}-away`, archive);
  for (const isRebuilt of [true, false]) {
    await using database = await openTestDatabase(dir, options);
    assert.is(database.recovery.indexRebuilt, isRebuilt);
    assert.equal([...idsIn(database, OWN_STAGE), ...idsIn(database, archive)].sort(), held);
    database.confirmIndex();
  }
});

test('an archive that is not mounted takes nothing, loses nothing, and is no damage', async () => {
  await using folder = await temporaryFolder();
  const dir = path.join(folder.path, 'media');
  const archive = path.join(folder.path, 'mount', 'archive');
  {
    await using database = await openTestDatabase(dir, { stages: [archive] });
    // Its parent is not there: nothing is made on whatever disk that is.
    assert.match((await database.prepareStage(archive))!, /ENOENT/);
    await record(database, 64);
    await mkdir(path.dirname(archive));
    assert.is(await database.prepareStage(archive), null);
    // Also one that holds nothing is missed when it is away.
    await rename(archive, `${archive}-away`);
    await mkdir(archive);
    assert.match((await database.prepareStage(archive))!, /not mounted/);
    await rm(archive, { recursive: true });
    await rename(`${archive}-away`, archive);
    const [segmentId] = idsIn(database, OWN_STAGE);
    await database.moveSegment({ segmentId: segmentId!, toStage: archive, signal: never });
    database.confirmIndex();
  }
  await rename(archive, `${archive}-away`);
  // An empty mount point.
  await mkdir(archive);
  await using database = await openTestDatabase(dir, { stages: [archive], newSegmentId: segmentIds(100) });
  assert.match((await database.prepareStage(archive))!, /not mounted/);
  const [here] = idsIn(database, OWN_STAGE);
  const outcome = await database.moveSegment({ segmentId: here!, toStage: archive, signal: never });
  assert.equal([outcome.moved, !outcome.moved && outcome.cause], [false, 'UNAVAILABLE']);
  assert.is(fragmentsOf(await collect(database.read({ ...window, signal: never }))).length, 32);
  assert.equal(database.observed.damages, []);
  // What is deleted meanwhile goes when the archive is back.
  const [away] = idsIn(database, archive);
  await database.markDeleted({ segmentIds: [away!], policy: 'RETENTION_AGE', compose: () => [] });
  await database.collectGarbage();
  await rm(archive, { recursive: true });
  await rename(`${archive}-away`, archive);
  assert.is((await filesBelow(archive)).length, 1);
  await database.collectGarbage();
  assert.equal(await filesBelow(archive), []);
});

test('a damaged segment stays where it is and is not multiplied', async () => {
  await using folder = await temporaryFolder();
  const dir = path.join(folder.path, 'media');
  const archive = path.join(folder.path, 'archive');
  await using database = await openTestDatabase(dir, { stages: [archive] });
  await record(database, 32);
  const [file] = await filesBelow(dir);
  const bytes = await readFile(path.join(dir, file!));
  bytes[5000]! ^= 1;
  await writeFile(path.join(dir, file!), bytes);
  const [segmentId] = idsIn(database, OWN_STAGE);
  const outcome = await database.moveSegment({ segmentId: segmentId!, toStage: archive, signal: never });
  assert.equal([outcome.moved, !outcome.moved && outcome.cause], [false, 'DAMAGED']);
  await database.collectGarbage();
  assert.equal([(await filesBelow(dir)).length, (await filesBelow(archive)).length], [1, 0]);
});

async function moveAndKill(dir: string, archive: string, moves: number, delayMs: number): Promise<void> {
  const program = path.join(import.meta.dirname, 'crash-mover.fixture.js');
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, dir, archive], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    assert.is(line, 'true');
    seen += 1;
    if (seen === moves) setTimeout(() => child.kill('SIGKILL'), delayMs);
  }
  await closed;
}

test('kill -9 at any point of a move leaves every segment whole in one place, and nothing besides', async () => {
  await using folder = await temporaryFolder();
  const dir = path.join(folder.path, 'media');
  const archive = path.join(folder.path, 'archive');
  {
    await using database = await openTestDatabase(dir, { stages: [archive] });
    await record(database, 160);
    database.confirmIndex();
  }
  for (let round = 0; round < 8; round += 1) {
    await moveAndKill(dir, archive, 1 + Math.floor(Math.random() * 6), Math.random() * 12);
    {
      await using database = await openTestDatabase(dir, {
        stages: [archive],
        newSegmentId: segmentIds(100),
      });
      assert.is(idsIn(database, OWN_STAGE).length + idsIn(database, archive).length, 5);
      assert.is(fragmentsOf(await collect(database.read({ ...window, signal: never }))).length, 160);
      assert.equal(database.observed.damages, []);
    }
    const files = [...(await filesBelow(dir)), ...(await filesBelow(archive))];
    assert.is(files.length, 5, files.join('\n'));
    const options = { dir, stages: [archive], signal: never, onProgress: () => undefined };
    assert.equal((await checkMedia(options)).faults, []);
  }
});

test('an index that is lost is made again from all stages, a copy that a crash left over goes', async () => {
  await using folder = await temporaryFolder();
  const dir = path.join(folder.path, 'media');
  const archive = path.join(folder.path, 'archive');
  {
    await using database = await openTestDatabase(dir, { stages: [archive] });
    await record(database, 64);
    const [segmentId] = idsIn(database, OWN_STAGE);
    await database.moveSegment({ segmentId: segmentId!, toStage: archive, signal: never });
  }
  const [moved] = await filesBelow(archive);
  await mkdir(path.dirname(path.join(dir, moved!)), { recursive: true });
  await writeFile(path.join(dir, moved!), await readFile(path.join(archive, moved!)));
  await writeFile(path.join(archive, `${moved}.part`), 'half a copy');
  await rm(path.join(dir, 'index.sqlite'));
  await using database = await openTestDatabase(dir, { stages: [archive], newSegmentId: segmentIds(100) });
  assert.is(database.recovery.reindexedCount, 2);
  assert.is(idsIn(database, archive).length, 1);
  assert.is(fragmentsOf(await collect(database.read({ ...window, signal: never }))).length, 64);
  assert.not.ok(existsSync(path.join(dir, moved!)));
  assert.equal(await filesBelow(archive), [moved]);
});

test.run();
