import { rejects } from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { repairMediaDirectory } from '../../media-directories.js';
import { checkMedia } from './check-media.js';
import type { StoredSegment } from './media-database.js';
import {
  camera1,
  collect,
  fragmentsOf,
  never,
  openTestDatabase,
  segmentIds,
  server1,
  temporaryFolder,
  testFragment,
  testInit,
} from './media-fixture.js';

const test = suite('check and repair of a media directory');

const silent = { stages: [], objectStores: [], signal: never, onProgress: () => undefined };
const check = (dir: string) => checkMedia({ ...silent, dir });
const repair = (dir: string) => repairMediaDirectory({ ...silent, dir, recordingServerId: server1 });

/** Six segments of 32 fragments each, their files in order of time. */
async function recorded(dir: string): Promise<readonly string[]> {
  await using database = await openTestDatabase(dir);
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  for (let index = 0; index < 192; index += 1) database.append(camera1, testFragment(index));
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  database.reportSealed(() => []);
  database.confirmIndex();
  const names = await readdir(path.join(dir, 'segments'), { recursive: true });
  return names
    .filter(name => name.endsWith('.mp4'))
    .sort()
    .map(name => path.join(dir, 'segments', name));
}

async function flipByte(file: string, at: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[at]! ^= 1;
  await writeFile(file, bytes);
}

test('a directory in order is found so, also while its recording server runs', async () => {
  await using folder = await temporaryFolder();
  const files = await recorded(folder.path);
  assert.is(files.length, 6);
  const alone = await check(folder.path);
  assert.equal([alone.index, alone.segmentCount, alone.faults], ['COMPARED', 6, []]);
  await using database = await openTestDatabase(folder.path, { newSegmentId: segmentIds(100) });
  assert.is(database.recovery.indexRebuilt, false);
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  database.append(camera1, testFragment(300));
  const beside = await check(folder.path);
  assert.equal([beside.index, beside.segmentCount, beside.faults], ['IN_USE', 6, []]);
  await rejects(() => repair(folder.path), { code: 'MEDIA_DATABASE_IN_USE' });
});

test('an index that differs from the files, or is none, is named, and a repair makes it again from them', async () => {
  await using folder = await temporaryFolder();
  await recorded(folder.path);
  const indexFile = path.join(folder.path, 'index.sqlite');
  const codes = async () => (await check(folder.path)).faults.map(({ code }) => code).sort();
  const index = new DatabaseSync(indexFile);
  index.exec(`
    DELETE FROM segment WHERE segment_id = (SELECT min(segment_id) FROM segment);
    UPDATE segment SET digest = zeroblob(32) WHERE segment_id = (SELECT max(segment_id) FROM segment);
  `);
  index.close();
  assert.equal(await codes(), ['INDEX_DIFFERS', 'NOT_INDEXED']);
  for (const [spoil, code] of [
    [() => writeFile(indexFile, 'this is no database, whatever its name says'), 'INDEX_UNUSABLE'],
    [() => rm(indexFile), 'INDEX_MISSING'],
  ] as const) {
    await spoil();
    for (const suffix of ['-wal', '-shm']) await rm(`${indexFile}${suffix}`, { force: true });
    const found = await check(folder.path);
    assert.equal([found.index, found.faults.map(fault => fault.code)], ['UNUSABLE', [code]]);
    await repair(folder.path);
    assert.equal(await codes(), []);
  }
});

/** One damage of each kind: to the first five files, and one file that nobody knows. */
async function damage(dir: string, [missing, flipped, torn, rubbish, misplaced]: readonly string[]) {
  await rm(missing!);
  await flipByte(flipped!, 5000);
  await truncate(torn!, 20_000);
  await writeFile(rubbish!, 'no media');
  await rename(misplaced!, path.join(dir, 'segments', camera1, '2026-01-01', 'misplaced.mp4'));
}

test('every damage is named, put in order as far as it can be, and nothing is deleted', async () => {
  await using folder = await temporaryFolder();
  const files = await recorded(folder.path);
  await damage(folder.path, files);
  const { faults } = await check(folder.path);
  assert.equal(faults.map(({ code }) => code).sort(), [
    'FILE_DAMAGED',
    'FILE_DAMAGED',
    'FILE_DAMAGED',
    'FILE_MISPLACED',
    'FILE_MISSING',
  ]);
  const { repairs, segmentCount } = await repair(folder.path);
  assert.is(segmentCount, 5);
  assert.equal(repairs.map(({ action }) => action).sort(), [
    'CUT',
    'FORGOTTEN',
    'FORGOTTEN',
    'LEFT_DAMAGED',
    'MOVED',
    'MOVED_ASIDE',
  ]);
  assert.ok(existsSync(files[3]!.replace('segments', 'damaged')));
  assert.equal(
    (await check(folder.path)).faults.map(({ code, file }) => [code, file]),
    [['FILE_DAMAGED', files[1]]],
  );
  await using database = await openTestDatabase(folder.path);
  // The log is read again for what the index does not know of segments that were taken in.
  assert.is(database.recovery.indexRebuilt, true);
  const told = database.facts(100).map(({ type, data }) => [type, JSON.parse(data).segmentId]);
  assert.equal(
    told.map(([type]) => type),
    ['RecordingDamaged', 'RecordingDamaged', 'RecordingDamaged', 'RecordingDamaged'],
  );
  const window = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, signal: never };
  const played = fragmentsOf(await collect(database.read(window))).length;
  // Two whole segments, one without its damaged fragment, and what stood before the tear.
  assert.ok(played > 2 * 32 + 31 && played < 3 * 32 + 31, `${played}`);
});

test('the log hears of a recording before it hears that its file is gone', async () => {
  await using folder = await temporaryFolder();
  await recorded(folder.path);
  {
    await using database = await openTestDatabase(folder.path, { newSegmentId: segmentIds(100) });
    database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
    database.append(camera1, testFragment(300));
    await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
    const window = { deviceId: camera1, fromMs: testFragment(300).fromMs, toMs: Number.MAX_SAFE_INTEGER };
    const [{ segment }] = database.segments({ ...window, after: null, limit: 1 }) as [StoredSegment];
    const names = await readdir(path.join(folder.path, 'segments'), { recursive: true });
    await rm(path.join(folder.path, 'segments', names.find(name => name.includes(segment.segmentId))!));
  }
  const { repairs } = await repair(folder.path);
  assert.equal(
    repairs.map(({ action }) => action),
    ['FORGOTTEN'],
  );
  await using database = await openTestDatabase(folder.path);
  const told = database.facts(10).map(({ type, data }) => [type, JSON.parse(data).gaps?.length]);
  assert.equal(told, [
    ['RecordingSealed', 1],
    ['RecordingDamaged', undefined],
  ]);
});

test('an index that lost rows takes the files in again, and one that is lost is made again', async () => {
  await using folder = await temporaryFolder();
  await recorded(folder.path);
  await rm(path.join(folder.path, 'index.sqlite'));
  assert.equal(
    (await check(folder.path)).faults.map(({ code }) => code),
    ['INDEX_MISSING'],
  );
  const { repairs } = await repair(folder.path);
  assert.equal(
    repairs.map(({ action, detail }) => [action, detail]),
    [['ADOPTED', 'made again from 6 files']],
  );
  assert.equal((await check(folder.path)).faults, []);
});

test('a cancelled repair can be begun again', async () => {
  await using folder = await temporaryFolder();
  const files = await recorded(folder.path);
  await damage(folder.path, files);
  const stop = new AbortController();
  const options = {
    dir: folder.path,
    recordingServerId: server1,
    stages: [],
    objectStores: [],
    signal: stop.signal,
  };
  await rejects(() => repairMediaDirectory({ ...options, onProgress: done => done === 3 && stop.abort() }), {
    name: 'AbortError',
  });
  await repair(folder.path);
  assert.equal(
    (await check(folder.path)).faults.map(({ code }) => code),
    ['FILE_DAMAGED'],
  );
});

test.run();
