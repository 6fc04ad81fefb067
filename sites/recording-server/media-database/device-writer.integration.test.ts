import type { RecordingCause, RecordingGap } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PreviousEnd } from './media-database.js';
import {
  camera1,
  epochMs,
  openTestDatabase,
  segmentIds,
  temporaryFolder,
  testFragment,
  testInit,
} from './media-fixture.js';
import { OWN_STAGE } from './stage-directories.js';

const test = suite('writer of a device');

test('where a full disk takes no new segment behind one that was to go on, the gap has the full disk as its cause', async () => {
  await using folder = await temporaryFolder();
  const ids = segmentIds();
  let hasRoom = true;
  await using database = await openTestDatabase(folder.path, {
    testLimits: { segmentMsMax: 1_000 },
    // Stands in for a disk that is full to the byte.
    newSegmentId: () => {
      if (hasRoom) return ids();
      throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
    },
  });
  const until = async (condition: () => boolean) => {
    while (!condition()) await new Promise(resolve => setTimeout(resolve, 5));
  };
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  database.append(camera1, testFragment(0));
  await until(() => database.openSpan(camera1) !== null);
  hasRoom = false;
  database.append(camera1, testFragment(1));
  await until(() => database.observed.failures.length > 0);
  await database.halt(new Map([[OWN_STAGE, 'DISK_FULL']]));
  assert.is(database.observed.dropped.length, 1);
  hasRoom = true;
  database.unhalt();
  database.append(camera1, testFragment(10));
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  const gaps: RecordingGap[] = [];
  database.reportSealed(report => {
    gaps.push(...report.gaps);
    return [];
  });
  assert.equal(gaps, [{ fromMs: testFragment(0).toMs, toMs: testFragment(10).fromMs, cause: 'DISK_FULL' }]);
});

test('the gap behind a recording begins where it ended, also when all of it is deleted and the process is another', async () => {
  await using folder = await temporaryFolder();
  const record = async (index: number, told: PreviousEnd | null) => {
    await using database = await openTestDatabase(folder.path);
    database.beginRun({
      ...{ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED', previousEnd: told },
    });
    database.append(camera1, testFragment(index));
    await database.endRun({ deviceId: camera1, cause: 'DISK_FULL' });
    const gaps: RecordingGap[] = [];
    database.reportSealed(report => {
      gaps.push(...report.gaps);
      return [];
    });
    const all = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, after: null, limit: 10 };
    const segmentIds = database.segments(all).map(({ segment }) => segment.segmentId);
    await database.markDeleted({ segmentIds, policy: 'DISK_FULL', compose: () => [] });
    assert.is(database.newestEndMs(camera1), testFragment(index).toMs);
    return gaps;
  };
  await record(0, null);
  // What the log was told last of it is later: the camera went while nothing could be recorded.
  const told = { toMs: testFragment(0).toMs + 900, cause: 'CAMERA_DISCONNECTED', elsewhere: false } as const;
  assert.equal(await record(10, told), [
    { fromMs: testFragment(0).toMs, toMs: testFragment(10).fromMs, cause: 'DISK_FULL' },
  ]);
});

test('a gap in which recording had ended, and then could not begin, has the cause of most of it', async () => {
  const gapsBetween = async (refused: number, again: number) => {
    await using folder = await temporaryFolder();
    await using database = await openTestDatabase(folder.path);
    const run = (cause: RecordingCause, ...indexes: number[]) => {
      database.beginRun({ deviceId: camera1, init: testInit(), cause });
      return indexes.map(index => database.append(camera1, testFragment(index)).accepted);
    };
    run('SERVER_STARTED', 0);
    await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
    // As at a start without the password of what is to be encrypted.
    await database.halt(new Map([[OWN_STAGE, 'DISK_UNAVAILABLE']]));
    assert.equal(run('SERVER_STARTED', refused, refused + 1), [false, false]);
    database.unhalt();
    assert.ok(database.append(camera1, testFragment(again)).accepted);
    await database.endRun({ deviceId: camera1, cause: 'CAMERA_DISCONNECTED' });
    assert.equal(run('CAMERA_CONNECTED', again + 10), [true]);
    await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
    const gaps: RecordingGap[] = [];
    database.reportSealed(report => {
      gaps.push(...report.gaps);
      return [];
    });
    return gaps.map(({ fromMs, toMs, cause }) => [(fromMs - epochMs) / 2000, (toMs - epochMs) / 2000, cause]);
  };
  assert.equal(await gapsBetween(3, 30), [
    [1, 30, 'DISK_UNAVAILABLE'],
    [31, 40, 'CAMERA_DISCONNECTED'],
  ]);
  assert.equal(await gapsBetween(28, 30), [
    [1, 30, 'SERVER_STOPPED'],
    [31, 40, 'CAMERA_DISCONNECTED'],
  ]);
});

test('a disk that answers to nothing gathers no halts', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  const halted = new Map([[OWN_STAGE, 'DISK_UNAVAILABLE' as const]]);
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  database.append(camera1, testFragment(0));
  // Said each time that it is looked for the disk.
  const halts = Array.from({ length: 100 }, () => database.halt(halted));
  await Promise.all(halts);
  database.unhalt();
  database.append(camera1, testFragment(1));
  const halting = database.halt(halted);
  database.unhalt();
  database.append(camera1, testFragment(2));
  await database.halt(halted);
  await halting;
  const all = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, after: null, limit: 10 };
  const ends = database.segments(all).map(({ segment }) => segment.endedBecause);
  assert.equal(ends, ['DISK_UNAVAILABLE', 'DISK_UNAVAILABLE', 'DISK_UNAVAILABLE']);
});

test.run();
