import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { DeviceId, EventId, SegmentId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MediaDatabase, OutgoingFact } from './media-database.js';
import {
  camera1,
  camera2,
  collect,
  idsIn,
  never,
  noise,
  openTestDatabase,
  record,
  segmentIds,
  temporaryFolder,
  testFragment,
  testInit,
} from './media-fixture.js';
import { OWN_STAGE } from './stage-directories.js';

const test = suite('stand-in of a media directory that is away');

const away = 'MEDIA_DIRECTORY_MISSING: a test';
/** Four groups in each segment. */
const testLimits = { segmentMsMax: 8_000 };

/** The first camera is recorded into a storage of its own, with an archive behind it; the second into the media directory. */
async function disks(folder: string) {
  const [dir, standIn, other, archive] = ['media', 'stand-in', 'other', 'archive'].map(name =>
    path.join(folder, name),
  ) as [string, string, string, string];
  const stages = [other, archive];
  const liveStageOf = (deviceId: DeviceId) => (deviceId === camera1 ? other : OWN_STAGE);
  const common = { stages, liveStageOf, testLimits, usedStages: async () => new Set(stages) };
  {
    await using database = await openTestDatabase(dir, { stages, liveStageOf, testLimits });
    await record(database, 12);
    database.beginRun({ deviceId: camera2, init: testInit(), cause: 'SERVER_STARTED' });
    database.append(camera2, testFragment(0));
    await database.endRun({ deviceId: camera2, cause: 'SERVER_STOPPED' });
    database.reportSealed(() => []);
    database.confirmIndex();
  }
  renameSync(dir, `${dir}-disk`);
  return {
    ...{ dir, standIn, other, archive },
    openStandIn: () => openTestDatabase(standIn, { ...common, away, newSegmentId: segmentIds(500) }),
    mount: () => renameSync(`${dir}-disk`, dir),
    openAgain: () => openTestDatabase(dir, { ...common, standIn, newSegmentId: segmentIds(900) }),
  };
}

const fact: OutgoingFact = {
  ...{ eventId: '0198c0de-0000-7000-8000-00000000fac7' as EventId, stream: 'a-stream', type: 'AType' },
  ...{ occurredAtMs: 1, data: '{}' },
};

const allIds = (database: MediaDatabase) =>
  database
    .segments({ deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, after: null, limit: 100 })
    .map(({ segment }) => segment.segmentId);

test('knows what is in other storages, records there and nowhere else, and says so', async () => {
  await using folder = await temporaryFolder();
  const { standIn, other, openStandIn, dir } = await disks(folder.path);
  await using database = await openStandIn();
  const { segmentIds: ids } = { segmentIds: allIds(database) };
  assert.is(ids.length, 3);
  database.beginRun({ deviceId: camera2, init: testInit(), cause: 'SERVER_STARTED' });
  const refused = { accepted: false, refusal: 'HALTED' };
  assert.equal(database.append(camera2, testFragment(20)), refused);
  database.unhalt();
  assert.equal(database.append(camera2, testFragment(21)), refused);
  await database.halt(new Map([[other, 'DISK_FULL']]));
  assert.equal(database.append(camera2, testFragment(22)), refused);
  database.unhalt();
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  assert.equal(database.append(camera1, testFragment(23)), { accepted: true });
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  assert.is(idsIn(database, other).length, 4);
  assert.equal(readdirSync(path.join(standIn, 'segments')), []);
  assert.equal(readdirSync(path.join(standIn, 'open')), []);
  assert.not(existsSync(dir));
  // Who asks for what may be in the media directory is not told that it is gone.
  const unknown = segmentIds(77)() as SegmentId;
  const request = { deviceId: camera2, segmentIds: [unknown], resumeAtFragment: 0, signal: never };
  assert.equal(await collect(database.readSegments(request)), [
    { kind: 'missing', segmentId: unknown, cause: `STORE_UNREACHABLE: ${away}` },
  ]);
  const { moved } = await database.moveSegment({ segmentId: ids[0]!, toStage: OWN_STAGE, signal: never });
  assert.is(moved, false);
});

test('what was recorded, moved and deleted meanwhile is so in the media directory that is back', async () => {
  await using folder = await temporaryFolder();
  const { standIn, other, archive, openStandIn, mount, openAgain } = await disks(folder.path);
  let recorded: SegmentId;
  let [movedId, deletedId] = ['', ''] as [SegmentId, SegmentId] | [string, string];
  {
    await using database = await openStandIn();
    database.markReported(allIds(database), { reduced: false });
    database.confirmIndex();
    [movedId, deletedId] = allIds(database) as [SegmentId, SegmentId];
    const outcome = await database.moveSegment({
      segmentId: movedId as SegmentId,
      toStage: archive,
      signal: never,
    });
    assert.ok(outcome.moved);
    await database.markDeleted({
      segmentIds: [deletedId as SegmentId],
      policy: 'RETENTION_AGE',
      compose: () => [fact],
    });
    await database.collectGarbage();
    database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
    database.append(camera1, testFragment(30));
    await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
    recorded = allIds(database).at(-1)!;
  }
  {
    // Opened from the index that it has by now.
    await using database = await openStandIn();
    assert.is(database.recovery.indexRebuilt, false);
    assert.is(allIds(database).length, 3);
  }
  mount();
  // The first of them ends before the log is read.
  for (const isLogRead of [false, true]) {
    await using database = await openAgain();
    assert.is(database.recovery.standInTaken, true);
    assert.is(database.recovery.indexRebuilt, false);
    assert.equal(database.facts(10), [fact]);
    assert.equal(idsIn(database, archive), [movedId]);
    assert.ok(idsIn(database, other).includes(recorded));
    assert.is(idsIn(database, OWN_STAGE).length, 0);
    if (!isLogRead) continue;
    await database.markDeleted({
      segmentIds: [deletedId as SegmentId],
      policy: 'RETENTION_AGE',
      compose: () => [],
    });
    database.confirmIndex();
    assert.not(existsSync(standIn));
    const told: SegmentId[] = [];
    database.reportSealed(({ segments }) => {
      told.push(...segments.map(({ segmentId }) => segmentId));
      return [];
    });
    assert.equal(told, [recorded]);
    assert.is(database.segments({ ...all(camera2), limit: 10 }).length, 1);
  }
  await using database = await openAgain();
  assert.is(database.recovery.standInTaken, false);
  assert.is(allIds(database).length, 3);
  assert.equal(await collect(database.verify({ signal: never })), []);
});

const all = (deviceId: DeviceId) => ({
  ...{ deviceId, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, after: null },
});

test('one that cannot be read costs no recording: files say where they are', async () => {
  await using folder = await temporaryFolder();
  const { standIn, archive, openStandIn, mount, openAgain } = await disks(folder.path);
  let movedId: SegmentId;
  {
    await using database = await openStandIn();
    [movedId] = allIds(database) as [SegmentId];
    assert.ok((await database.moveSegment({ segmentId: movedId, toStage: archive, signal: never })).moved);
  }
  for (const name of readdirSync(standIn)) {
    if (name.startsWith('index.sqlite')) writeFileSync(path.join(standIn, name), noise(name, 8192));
  }
  mount();
  await using database = await openAgain();
  assert.is(database.recovery.indexRebuilt, true);
  assert.equal(idsIn(database, archive), [movedId]);
  assert.is(allIds(database).length, 3);
  assert.is(database.segments({ ...all(camera2), limit: 10 }).length, 1);
  database.confirmIndex();
  assert.not(existsSync(standIn));
  assert.equal(await collect(database.verify({ signal: never })), []);
});

test('a storage that is away as well is not begun anew, and its recordings are there when both are back', async () => {
  await using folder = await temporaryFolder();
  const { other, openStandIn, mount, openAgain } = await disks(folder.path);
  renameSync(other, `${other}-disk`);
  await mkdir(other);
  {
    await using database = await openStandIn();
    assert.equal(allIds(database), []);
    assert.match((await database.prepareStage(other))!, /is not what it was/);
    database.confirmIndex();
    assert.equal(readdirSync(other), []);
  }
  mount();
  await using database = await openAgain();
  database.confirmIndex();
  assert.is(allIds(database).length, 3);
});

test.run();
