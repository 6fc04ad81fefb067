import { appendFile, readdir } from 'node:fs/promises';
import path from 'node:path';
import type { Fragment, SegmentImport, SegmentManifest } from '@holdfast/core';
import type { RecordingServerId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MediaDatabase } from './media-database.js';
import {
  camera1,
  collect,
  epochMs,
  fragmentsOf,
  never,
  openTestDatabase,
  temporaryFolder,
  testFragment,
  testInit,
} from './media-fixture.js';

const test = suite('segment import');

const centralServer = '0198c0de-0000-7000-8000-00000000aa09' as RecordingServerId;
const always = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
const openCentral = (dir: string) => openTestDatabase(dir, { recordingServerId: centralServer });

interface Source {
  readonly manifest: SegmentManifest;
  readonly initBytes: Uint8Array;
  readonly digest: string;
  readonly fragments: readonly Fragment[];
}

/** A segment of ten fragments, as another site's recording server gives it out. */
async function segmentOfAnotherSite(): Promise<Source> {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'CAMERA_CONNECTED' });
  for (let index = 0; index < 10; index += 1) database.append(camera1, testFragment(index));
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  const [stored] = database.segments({ deviceId: camera1, ...always, after: null, limit: 1 });
  const { segmentId, digest } = stored!.segment;
  const items = await collect(
    database.readSegments({
      deviceId: camera1,
      segmentIds: [segmentId],
      resumeAtFragment: 0,
      signal: never,
    }),
  );
  const [first, second] = items;
  if (first?.kind !== 'manifest' || second?.kind !== 'init') throw new Error('manifest and init come first');
  return {
    manifest: first.manifest,
    initBytes: second.init.bytes,
    digest,
    fragments: fragmentsOf(items),
  };
}

async function openImport(database: MediaDatabase, source: Source): Promise<SegmentImport> {
  const opening = await database.importSegment(source);
  if (!opening.opened) throw new Error(opening.refusal.code);
  return opening.segment;
}

async function appendFrom(segment: SegmentImport, source: Source, end: number): Promise<void> {
  for (const fragment of source.fragments.slice(segment.heldFragments, end)) {
    assert.is((await segment.append(fragment.bytes)).accepted, true);
  }
}

test('a copy has the digest of the original, plays, and is not reported as recorded here', async () => {
  const source = await segmentOfAnotherSite();
  await using folder = await temporaryFolder();
  await using database = await openCentral(folder.path);
  await using segment = await openImport(database, source);
  await appendFrom(segment, source, 10);
  assert.is((await segment.finish()).finished, true);
  const stored = database.segment(source.manifest.segmentId);
  assert.is(stored?.origin, 'IMPORTED');
  assert.is(stored?.segment.digest, source.digest);
  const played = await collect(database.read({ deviceId: camera1, ...always, signal: never }));
  assert.equal(fragmentsOf(played), source.fragments);
  assert.is(
    database.reportSealed(() => []),
    0,
  );
  assert.equal(await readdir(path.join(folder.path, 'import')), []);
});

test('goes on at the last verified fragment, over restarts and a torn end', async () => {
  const source = await segmentOfAnotherSite();
  await using folder = await temporaryFolder();
  for (const [end, heldBefore] of [
    [4, 0],
    [7, 4],
  ] as const) {
    await using database = await openCentral(folder.path);
    await using segment = await openImport(database, source);
    assert.is(segment.heldFragments, heldBefore);
    await appendFrom(segment, source, end);
    const outcome = await segment.finish();
    assert.equal(outcome, {
      finished: false,
      refusal: { code: 'INCOMPLETE', heldFragments: end, fragmentCount: 10 },
    });
  }
  const file = path.join(folder.path, 'import', `${source.manifest.segmentId}.mp4`);
  await appendFile(file, source.fragments[7]!.bytes.subarray(0, 333));
  await using database = await openCentral(folder.path);
  await using segment = await openImport(database, source);
  assert.is(segment.heldFragments, 7);
  await appendFrom(segment, source, 10);
  assert.is((await segment.finish()).finished, true);
  assert.equal(await collect(database.verify({ signal: never })), []);
});

test('a fragment other than the one in the manifest is refused by name and not written', async () => {
  const source = await segmentOfAnotherSite();
  await using folder = await temporaryFolder();
  await using database = await openCentral(folder.path);
  await using segment = await openImport(database, source);
  const tampered = Buffer.from(source.fragments[0]!.bytes);
  tampered[500]! ^= 1;
  for (const bytes of [tampered, source.fragments[1]!.bytes, Buffer.alloc(0)]) {
    const outcome = await segment.append(bytes);
    if (outcome.accepted) throw new Error('accepted');
    assert.is(outcome.refusal.code, 'DIGEST_MISMATCH');
  }
  assert.is(segment.heldFragments, 0);
  await appendFrom(segment, source, 10);
  const more = await segment.append(source.fragments[0]!.bytes);
  assert.is(!more.accepted && more.refusal.code, 'TOO_MANY_FRAGMENTS');
  assert.is((await segment.finish()).finished, true);
});

test('what the log does not prove is not opened', async () => {
  const source = await segmentOfAnotherSite();
  await using folder = await temporaryFolder();
  await using database = await openCentral(folder.path);
  const codes: string[] = [];
  for (const change of [
    { digest: '0'.repeat(64) },
    { manifest: { ...source.manifest, fragments: source.manifest.fragments.slice(1) } },
    { manifest: { ...source.manifest, fragments: [] } },
    { initBytes: testInit('another').bytes },
  ]) {
    const opening = await database.importSegment({ ...source, ...change });
    codes.push(opening.opened ? 'opened' : opening.refusal.code);
  }
  assert.equal(codes, ['MANIFEST_MISMATCH', 'MANIFEST_MISMATCH', 'MANIFEST_MALFORMED', 'INIT_MISMATCH']);
  assert.equal(await readdir(path.join(folder.path, 'import')), []);
});

test('one import of a segment at a time; a segment that is here is complete', async () => {
  const source = await segmentOfAnotherSite();
  await using folder = await temporaryFolder();
  await using database = await openCentral(folder.path);
  {
    await using segment = await openImport(database, source);
    const second = await database.importSegment(source);
    assert.equal(second, { opened: false, refusal: { code: 'IN_PROGRESS' } });
    await appendFrom(segment, source, 10);
    await segment.finish();
  }
  await using again = await openImport(database, source);
  assert.is(again.complete, true);
  assert.is(again.heldFragments, 10);
  assert.is((await again.finish()).finished, true);
});

test('while recording is halted nothing is taken in', async () => {
  const source = await segmentOfAnotherSite();
  await using folder = await temporaryFolder();
  await using database = await openCentral(folder.path);
  await using segment = await openImport(database, source);
  await database.halt(new Map([['', 'DISK_FULL']]));
  const outcome = await segment.append(source.fragments[0]!.bytes);
  assert.is(!outcome.accepted && outcome.refusal.code, 'DISK_FULL');
  database.unhalt();
  await appendFrom(segment, source, 10);
  assert.is((await segment.finish()).finished, true);
});

test('an import that nobody went on with is removed after its time, an open one is not', async () => {
  const source = await segmentOfAnotherSite();
  await using folder = await temporaryFolder();
  let nowMs = Date.now();
  await using database = await openTestDatabase(folder.path, { now: () => nowMs });
  const segment = await openImport(database, source);
  await appendFrom(segment, source, 3);
  nowMs += 365 * 24 * 3600_000;
  await database.collectGarbage();
  assert.is((await readdir(path.join(folder.path, 'import'))).length, 1);
  await segment[Symbol.asyncDispose]();
  await database.collectGarbage();
  assert.equal(await readdir(path.join(folder.path, 'import')), []);
  assert.ok(epochMs < nowMs);
});

test.run();
