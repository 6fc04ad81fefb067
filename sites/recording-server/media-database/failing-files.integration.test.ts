import { existsSync } from 'node:fs';
import { mkdir, rm, rmdir } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MediaDatabase, StoredSegment } from './media-database.js';
import { MediaDirectory } from './media-directory.js';
import {
  camera1,
  openTestDatabase,
  segmentIds,
  temporaryFolder,
  testFragment,
  testInit,
} from './media-fixture.js';

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
    assert.is((await database.collectGarbage()).segmentCount, 2);
    assert.not(existsSync(fileOf(second!)));
  }
  await using database = await openTestDatabase(folder.path);
  assert.is(database.segments(all).length, 1);
  // It is tried again, and forgotten once it is gone.
  await rmdir(stubborn);
  await database.collectGarbage();
  await mkdir(stubborn);
  await database.collectGarbage();
  await rmdir(stubborn);
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

test.run();
