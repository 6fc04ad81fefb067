import { access, copyFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MediaDatabase, ReducedSegment, StoredSegment } from './media-database.js';
import {
  camera1,
  collect,
  fragmentsOf,
  never,
  openTestDatabase,
  pictureGroup,
  picturesIn,
  segmentIds,
  temporaryFolder,
  testInit,
} from './media-fixture.js';
import { MediaKeyring } from './media-keyring.js';
import { OWN_STAGE } from './stage-directories.js';
import { verifyMedia } from './verify-media.js';

const test = suite('reduction to key frames');
const always = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
const groups = [0, 1, 2].map(pictureGroup);

async function record(database: MediaDatabase): Promise<StoredSegment> {
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  for (const group of groups) database.append(camera1, group);
  await database.endRun({ deviceId: camera1, cause: 'CAMERA_DISCONNECTED' });
  return database.segments({ ...always, after: null, limit: 1 })[0]!;
}

function reducedOf(database: MediaDatabase): readonly ReducedSegment[] {
  const told: ReducedSegment[] = [];
  database.reportSealed(({ reduced }) => {
    told.push(...reduced);
    return [];
  });
  return told;
}

const picturesPlayed = async (database: MediaDatabase) =>
  fragmentsOf(await collect(database.read({ ...always, signal: never }))).map(picturesIn);

test('what moves keeps its key frames, its sound and its time, under a new digest that links to the old', async () => {
  await using folder = await temporaryFolder();
  for (const keyring of [null, await MediaKeyring.open(null, 'vault')]) {
    const dir = path.join(folder.path, keyring === null ? 'clear' : 'encrypted');
    const [near, far] = [`${dir} near`, `${dir} far`];
    const options = { stages: [near, far], keyring, isEncrypted: () => keyring !== null };
    {
      await using database = await openTestDatabase(dir, options);
      const before = await record(database);
      assert.equal(reducedOf(database), []);
      const { segmentId } = before.segment;
      const move = (toStage: string) =>
        database.moveSegment({ segmentId, toStage, signal: never, mayReduce: () => true });
      assert.is((await move(near)).moved, true);
      assert.equal(await picturesPlayed(database), [1, 1, 1]);
      const after = database.segment(segmentId)!;
      assert.equal([after.segment.fromMs, after.segment.toMs], [before.segment.fromMs, before.segment.toMs]);
      assert.ok(after.fileByteLength < before.fileByteLength / 2);
      assert.is(database.usageBytes(OWN_STAGE), 0);
      assert.is(database.usageBytes(near), after.fileByteLength);
      // What is reduced moves on as it is.
      assert.is((await move(far)).moved, true);
      assert.is(database.segment(segmentId)!.segment.digest, after.segment.digest);
    }
    // The files say by themselves what they were, also where the index is lost before the log has heard of it.
    await rm(path.join(dir, 'index.sqlite'));
    await using database = await openTestDatabase(dir, { ...options, newSegmentId: segmentIds(100) });
    const [stored] = database.segments({ ...always, after: null, limit: 1 });
    database.markReported([stored!.segment.segmentId], { reduced: false });
    const [told] = reducedOf(database);
    assert.is(told!.digest, stored!.segment.digest);
    assert.is.not(told!.previousDigest, told!.digest);
    assert.equal(reducedOf(database), []);
    const where = { dir, stages: [near, far], keys: keyring ?? undefined };
    const facts = [{ deviceId: camera1, segment: told! }];
    const verify = (sealedFacts: typeof facts) =>
      verifyMedia({ ...where, sealedFacts, deleted: new Set(), signal: never });
    assert.equal((await verify(facts)).damages, []);
    const old = [{ deviceId: camera1, segment: { ...told!, digest: told!.previousDigest } }];
    assert.match((await verify(old)).damages[0]!.detail, 'its manifest has digest');
  }
});

test('what is locked, before or while it is copied, or is not in the log yet, is not altered', async () => {
  await using folder = await temporaryFolder();
  const archive = path.join(folder.path, 'archive');
  await using database = await openTestDatabase(path.join(folder.path, 'media'), { stages: [archive] });
  const { segment, stage } = await record(database);
  const { segmentId } = segment;
  const there = () =>
    access(path.join(archive, 'segments', camera1)).then(
      () => true,
      () => false,
    );
  const move = (toStage: string, mayReduce: () => boolean) =>
    database.moveSegment({ segmentId, toStage, signal: never, mayReduce });
  assert.is((await move(archive, () => true)).moved, true);
  assert.equal(await picturesPlayed(database), [20, 20, 20], 'the log did not know of it');
  assert.is((await move(OWN_STAGE, () => false)).moved, true);
  reducedOf(database);

  const answers = [true, false];
  const locked = await move(archive, () => answers.shift()!);
  assert.equal([locked.moved, answers], [false, []]);
  assert.is(database.segment(segmentId)!.stage, stage);
  await database.collectGarbage();
  assert.is(database.usageBytes(archive), 0);
  assert.is(await there(), true);
  assert.equal(await picturesPlayed(database), [20, 20, 20]);
  assert.is((await move(archive, () => false)).moved, true);
  assert.is(database.segment(segmentId)!.segment.digest, segment.digest);
  assert.equal(reducedOf(database), []);
});

test('an index that is lost between the copy and the switch costs no picture: the whole one counts, unless the log says otherwise', async () => {
  for (const isToldReduced of [false, true]) {
    await using folder = await temporaryFolder();
    const [dir, archive] = [path.join(folder.path, 'media'), path.join(folder.path, 'archive')];
    const kept = path.join(folder.path, 'kept.mp4');
    let whole = '';
    {
      await using database = await openTestDatabase(dir, { stages: [archive] });
      const { segment } = await record(database);
      reducedOf(database);
      const [name] = (await readdir(dir, { recursive: true })).filter(file => file.endsWith('.mp4'));
      whole = path.join(dir, name!);
      await copyFile(whole, kept);
      const move = { segmentId: segment.segmentId, toStage: archive, signal: never, mayReduce: () => true };
      assert.is((await database.moveSegment(move)).moved, true);
    }
    // As after a crash at that moment.
    await copyFile(kept, whole);
    await rm(path.join(dir, 'index.sqlite'));
    const options = { stages: [archive], newSegmentId: segmentIds(100) };
    {
      // A start that gets no further than this finds both again.
      await using _database = await openTestDatabase(dir, options);
    }
    await using database = await openTestDatabase(dir, options);
    assert.equal(await picturesPlayed(database), [20, 20, 20]);
    const [stored] = database.segments({ ...always, after: null, limit: 1 });
    const ids = [stored!.segment.segmentId];
    database.markReported(ids, { reduced: false });
    if (isToldReduced) database.markReported(ids, { reduced: true });
    database.confirmIndex();
    await database.collectGarbage();
    assert.equal(await picturesPlayed(database), isToldReduced ? [1, 1, 1] : [20, 20, 20]);
    assert.equal(reducedOf(database), []);
    const files = async (root: string) =>
      (await readdir(root, { recursive: true })).filter(file => file.endsWith('.mp4')).length;
    assert.equal([await files(dir), await files(archive)], isToldReduced ? [0, 1] : [1, 0]);
    assert.equal(database.observed.damages, []);
  }
});

test.run();
