import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { SegmentId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  camera1,
  idsIn,
  never,
  openTestDatabase,
  record,
  temporaryFolder,
  testFragment,
  testInit,
} from './media-fixture.js';
import { OWN_STAGE } from './stage-directories.js';
import { verifyMedia } from './verify-media.js';

const test = suite('media verification');

test('proves every segment against the log, names what is damaged, and forgives what was deleted', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  for (let index = 0; index < 160; index += 1) database.append(camera1, testFragment(index));
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  const window = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, after: null, limit: 100 };
  const sealedFacts = database.segments(window).map(({ deviceId, segment }) => ({ deviceId, segment }));
  const verify = (deleted: readonly SegmentId[] = [], facts = sealedFacts) =>
    verifyMedia({ dir: folder.path, sealedFacts: facts, deleted: new Set(deleted), signal: never });

  // The database is open: verifying needs neither its index nor its absence.
  assert.equal((await verify()).damages, []);
  assert.is((await verify()).checkedSegmentCount, 5);

  const names = await readdir(path.join(folder.path, 'segments'), { recursive: true });
  const fileOf = (index: number) =>
    path.join(
      folder.path,
      'segments',
      names.find(name => name.includes(sealedFacts[index]!.segment.segmentId))!,
    );
  await rm(fileOf(0));
  const bytes = await readFile(fileOf(1));
  bytes[3000]! ^= 1;
  await writeFile(fileOf(1), bytes);
  const ids = sealedFacts.map(({ segment }) => segment.segmentId);
  assert.equal(
    (await verify()).damages.map(damage => [damage.segmentId, damage.kind]),
    [
      [ids[0], 'FILE_MISSING'],
      [ids[1], 'FILE_DAMAGED'],
    ],
  );
  assert.equal((await verify([ids[0]!, ids[1]!])).damages, []);

  // A whole, well-formed file that is not the one in the log is found out by its digest.
  const [, , third, fourth] = sealedFacts;
  const swapped = [{ ...third!, segment: { ...third!.segment, digest: fourth!.segment.digest } }];
  const [damage] = (await verify([], swapped)).damages;
  assert.match(damage!.detail, /the log says/);
});

test('what is in a store that cannot be reached is neither missing nor proved', async () => {
  await using folder = await temporaryFolder();
  const [dir, archive] = [path.join(folder.path, 'media'), path.join(folder.path, 'archive')];
  await using database = await openTestDatabase(dir, { stages: [archive] });
  await record(database, 96);
  const [archived, lost, here] = idsIn(database, OWN_STAGE);
  await database.moveSegment({ segmentId: archived!, toStage: archive, signal: never });
  const everything = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, after: null, limit: 9 };
  const sealedFacts = database.segments(everything).map(({ deviceId, segment }) => ({ deviceId, segment }));
  const verify = async () => {
    const where = { dir, stages: [archive], sealedFacts, deleted: new Set<SegmentId>(), signal: never };
    const { damages, unreached } = await verifyMedia(where);
    return [damages.map(({ segmentId }) => segmentId), unreached.map(({ segmentId }) => segmentId)];
  };
  assert.equal(await verify(), [[], []]);
  // An empty mount point.
  await rename(archive, `${archive} away`);
  await mkdir(archive);
  assert.equal(await verify(), [[], [archived]]);
  const [file] = (await readdir(dir, { recursive: true })).filter(name => name.endsWith(`${lost}.mp4`));
  await rm(path.join(dir, file!));
  assert.equal(await verify(), [[], [archived, lost]], 'it may be in the archive as well');
  await rm(archive, { recursive: true });
  await rename(`${archive} away`, archive);
  assert.equal(await verify(), [[lost], []]);
  assert.ok(here);
});

test.run();
