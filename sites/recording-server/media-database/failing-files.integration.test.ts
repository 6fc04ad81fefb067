import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MediaDatabase, StoredSegment } from './media-database.js';
import { MediaDirectory } from './media-directory.js';
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
import { OWN_STAGE } from './stage-directories.js';

const test = suite('media database on a disk that fails with single files');

const all = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, after: null, limit: 100 };

async function recordThree(database: MediaDatabase): Promise<void> {
  for (const index of [0, 10, 20]) {
    database.beginRun({ deviceId: camera1, init: testInit(), cause: 'CAMERA_CONNECTED' });
    database.append(camera1, testFragment(index));
    await database.endRun({ deviceId: camera1, cause: 'CAMERA_DISCONNECTED' });
  }
}

test('a file that the disk does not let go of keeps no other from going, and no server from starting', async () => {
  await using folder = await temporaryFolder();
  let stubborn = '';
  {
    await using database = await openTestDatabase(folder.path);
    await recordThree(database);
    const [first, second] = database.segments(all);
    const fileOf = ({ deviceId, segment }: StoredSegment) =>
      new MediaDirectory(folder.path).sealedFile({ ...segment, deviceId });
    stubborn = fileOf(first!);
    // Stands in for a damaged file system: a folder cannot be unlinked.
    await rm(stubborn);
    await mkdir(stubborn);
    const deleted = [first!, second!].map(({ segment }) => segment.segmentId);
    await database.markDeleted({ segmentIds: deleted, policy: 'RETENTION_AGE', compose: () => [] });
    assert.is((await database.collectGarbage()).segmentCount, 1);
    assert.is(database.garbageBytes(OWN_STAGE), first!.fileByteLength);
    assert.not(existsSync(fileOf(second!)));
  }
  await using database = await openTestDatabase(folder.path);
  assert.is(database.segments(all).length, 1);
  // It is tried again, and forgotten once it is gone.
  await rmdir(stubborn);
  assert.is((await database.collectGarbage()).segmentCount, 1);
  assert.is(database.garbageBytes(OWN_STAGE), 0);
  assert.is((await database.collectGarbage()).segmentCount, 0);
});

test('a file in recording that the disk does not give out keeps no server from starting', async () => {
  await using folder = await temporaryFolder();
  {
    await using database = await openTestDatabase(folder.path);
    await recordThree(database);
  }
  const unreadable = new MediaDirectory(folder.path).openFile(segmentIds(900)());
  await mkdir(unreadable);
  await using database = await openTestDatabase(folder.path, { newSegmentId: segmentIds(100) });
  assert.is(database.recovery.problems.length, 1);
  assert.match(database.recovery.problems[0]!, /0384\.mp4: cannot be sealed now: EISDIR/);
  await recordThree(database);
  await database.collectGarbage();
  assert.is(database.segments(all).length, 6);
  await rmdir(unreadable);
});

test('an archive that hangs is asked nothing more, keeps no recording waiting and no server from starting, and is used again', async () => {
  await using folder = await temporaryFolder();
  const dir = path.join(folder.path, 'media');
  const archive = path.join(folder.path, 'archive');
  const note = path.join(archive, 'holdfast-stage');
  {
    await using database = await openTestDatabase(dir, { stages: [archive] });
    await recordThree(database);
    const [first, second] = database.segments(all).map(({ segment }) => segment.segmentId);
    for (const segmentId of [first!, second!]) {
      const moved = await database.moveSegment({ segmentId, toStage: archive, signal: never });
      assert.ok(moved.moved);
    }
  }
  // Whoever opens a pipe that nobody writes into waits, as one does for a network folder whose server is gone.
  const owner = await readFile(note, 'utf8');
  await rm(note);
  assert.is(spawnSync('mkfifo', [note]).status, 0);
  const options = { stages: [archive], newSegmentId: segmentIds(100) };
  await using database = await openTestDatabase(dir, options);
  // Each question that nobody answers would take one of the four threads that files are written with.
  for (let question = 0; question < 20; question += 1) {
    assert.match((await database.prepareStage(archive))!, /does not answer/);
  }
  await recordThree(database);
  const played = await collect(database.read({ ...all, signal: never }));
  assert.is(fragmentsOf(played).length, 4, 'what lies elsewhere');
  await database.markDeleted({
    segmentIds: database.segments(all).map(({ segment }) => segment.segmentId),
    ...{ policy: 'RETENTION_AGE', compose: () => [] },
  });
  await database.collectGarbage();
  await writeFile(note, owner);
  await rm(note);
  await writeFile(note, owner);
  while ((await database.prepareStage(archive)) !== null) await setTimeout(20);
  await database.collectGarbage();
  assert.is(database.usageBytes(), 0);
});

test.run();
