import { createHash } from 'node:crypto';
import { cp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkMedia } from './check-media.js';
import { exportMedia } from './export-media.js';
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
import { MEDIA_KEYS_FILE, MediaKeyMissingError, MediaKeyring, NO_MEDIA_KEYS } from './media-keyring.js';
import { changeMediaPassword, openMediaKeyring } from './open-media-keyring.js';
import { BOX_HEAD_BYTE_LENGTH, ENTRY_BOX_BYTE_LENGTH } from './segment-boxes.js';
import { verifyMedia } from './verify-media.js';

const test = suite('encrypted storage');
const password = 'correct horse';
const always = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
const silent = { signal: never, onProgress: () => undefined };
const keyring = await MediaKeyring.open(null, password);
const fragments = Array.from({ length: 6 }, (_, index) => testFragment(index));
const recordedBytes = fragments.map(({ bytes }) => Buffer.from(bytes));
const encrypted = { keyring, isEncrypted: () => true };

async function record(folder: string, archive: string) {
  const database = await openTestDatabase(folder, { ...encrypted, stages: [archive] });
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  for (const fragment of fragments.slice(0, 3)) database.append(camera1, fragment);
  await database.endRun({ deviceId: camera1, cause: 'CAMERA_DISCONNECTED' });
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'CAMERA_CONNECTED' });
  for (const fragment of fragments.slice(3)) database.append(camera1, fragment);
  while (database.openSpan(camera1)?.toMs !== fragments.at(-1)!.toMs) {
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  return database;
}

async function filesIn(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true });
  return names.filter(name => name.endsWith('.mp4')).map(name => path.join(folder, name));
}

type Read = (window: typeof always & { signal: AbortSignal }) => Parameters<typeof collect>[0];
const bytesOf = async (database: { readonly read: Read }) =>
  fragmentsOf((await collect(database.read({ ...always, signal: never }))) as never).map(({ bytes }) =>
    Buffer.from(bytes),
  );

/** Fails where the file is no sequence of whole boxes. */
function boxTypesOf(bytes: Buffer): readonly string[] {
  const types: string[] = [];
  let at = 0;
  for (; at < bytes.length; at += bytes.readUInt32BE(at))
    types.push(bytes.toString('latin1', at + 4, at + 8));
  assert.is(at, bytes.length);
  return types;
}

test('what is recorded is read back from live database and archive, and stands on no disk in clear', async () => {
  await using folder = await temporaryFolder();
  const archive = path.join(folder.path, 'archive');
  await using database = await record(path.join(folder.path, 'media'), archive);
  assert.equal(await bytesOf(database), recordedBytes);
  const [{ segment }] = database.segments({ ...always, after: null, limit: 10 }) as [never];
  const { segmentId } = segment as { segmentId: never };
  const moved = await database.moveSegment({ segmentId, toStage: archive, signal: never });
  assert.is(moved.moved, true);
  assert.equal(await bytesOf(database), recordedBytes);
  const files = await filesIn(folder.path);
  assert.is(files.length, 2);
  for (const file of files) {
    const stored = await readFile(file);
    assert.equal(new Set(boxTypesOf(stored)), new Set(['ftyp', 'moov', 'uuid']));
    // `moof` and `mdat` of the fixture are noise: 64 bytes of them are found in clear, or not at all.
    for (const bytes of recordedBytes) assert.is(stored.includes(bytes.subarray(200, 264)), false);
  }
  const whole = await collect(
    database.readSegments({ deviceId: camera1, segmentIds: [segmentId], resumeAtFragment: 1, signal: never }),
  );
  assert.equal(
    fragmentsOf(whole).map(({ bytes }) => Buffer.from(bytes)),
    recordedBytes.slice(1, 3),
  );
});

test('damage is seen without the key; that nobody changed anything is seen with it', async () => {
  await using folder = await temporaryFolder();
  const dir = path.join(folder.path, 'media');
  {
    await using database = await record(dir, path.join(folder.path, 'archive'));
    await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
    const sealedFacts = database.segments({ ...always, after: null, limit: 10 });
    const verify = (keys = NO_MEDIA_KEYS) =>
      verifyMedia({ dir, sealedFacts, keys, deleted: new Set(), signal: never });
    const counts = async (keys = NO_MEDIA_KEYS) => {
      const { checkedSegmentCount, closedSegmentCount, damages } = await verify(keys);
      return [checkedSegmentCount, closedSegmentCount, damages.length];
    };
    assert.equal(
      [await counts(), await counts(keyring)],
      [
        [2, 2, 0],
        [2, 0, 0],
      ],
    );
  }
  const check = (keys = NO_MEDIA_KEYS) => checkMedia({ dir, stages: [], keys, ...silent });
  assert.equal((await check()).faults, []);
  assert.is((await check()).closedSegmentCount, 2);
  const [file] = (await filesIn(dir)) as [string];
  const bytes = await readFile(file);
  const firstEntryAt = entryAt(bytes);
  const storedAt = firstEntryAt + ENTRY_BOX_BYTE_LENGTH + BOX_HEAD_BYTE_LENGTH;
  const storedEnd =
    firstEntryAt + ENTRY_BOX_BYTE_LENGTH + bytes.readUInt32BE(storedAt - BOX_HEAD_BYTE_LENGTH);
  bytes[storedEnd - 1]! ^= 1;
  await writeFile(file, bytes);
  assert.equal(
    (await check()).faults.map(({ code }) => code),
    ['FILE_DAMAGED'],
  );
  // Whoever changes the bytes can make their digest anew, and nothing more.
  const [nonceAndTag, ciphertext] = [
    bytes.subarray(storedAt, storedAt + 28),
    bytes.subarray(storedAt + 60, storedEnd),
  ];
  createHash('sha256')
    .update(nonceAndTag)
    .update(ciphertext)
    .digest()
    .copy(bytes, storedAt + 28);
  await writeFile(file, bytes);
  assert.equal((await check()).faults, []);
  assert.equal(
    (await check(keyring)).faults.map(({ code }) => code),
    ['FILE_DAMAGED'],
  );
});

/** Behind `ftyp`, `moov` and the head. */
function entryAt(bytes: Buffer): number {
  let at = 0;
  for (let box = 0; box < 3; box += 1) at += bytes.readUInt32BE(at);
  return at;
}

test('after a crash everything is sealed without the key, and with it read', async () => {
  await using folder = await temporaryFolder();
  const [dir, crashed] = [path.join(folder.path, 'media'), path.join(folder.path, 'crashed')];
  {
    await using _database = await record(dir, path.join(folder.path, 'archive'));
    await cp(dir, crashed, { recursive: true });
  }
  {
    await using database = await openTestDatabase(crashed, { newSegmentId: segmentIds(500) });
    assert.is(database.recovery.recovered.length, 1);
    await bytesOf(database).then(
      () => assert.unreachable(),
      error => assert.instance(error, MediaKeyMissingError),
    );
    assert.equal(database.observed.damages, []);
    assert.equal(await database.missingKeys(), [keyring.current.keyId]);
    const options = { segmentIds: [database.recovery.recovered[0]!.segment.segmentId], resumeAtFragment: 0 };
    const [missing] = await collect(database.readSegments({ deviceId: camera1, ...options, signal: never }));
    assert.match(missing!.kind === 'missing' ? missing!.cause : '', /^STORE_UNREACHABLE.*password/);
  }
  await using database = await openTestDatabase(crashed, { keyring });
  assert.equal(await database.missingKeys(), []);
  assert.equal(await bytesOf(database), recordedBytes);
});

test('a key that is lost is missed for as long as there are recordings of it, also when newer ones have another', async () => {
  await using folder = await temporaryFolder();
  const dir = path.join(folder.path, 'media');
  const lost = keyring.current.keyId;
  {
    await using _database = await record(dir, path.join(folder.path, 'archive'));
  }
  await rm(path.join(dir, MEDIA_KEYS_FILE));
  const other = { keyring: await MediaKeyring.open(null, password), isEncrypted: () => true };
  {
    await using database = await openTestDatabase(dir, { ...other, newSegmentId: segmentIds(500) });
    database.beginRun({ deviceId: camera1, init: testInit(), cause: 'CAMERA_CONNECTED' });
    database.append(camera1, testFragment(20));
    await database.endRun({ deviceId: camera1, cause: 'CAMERA_DISCONNECTED' });
    const [oldest] = database.segments({ ...always, after: null, limit: 1 });
    const asked = {
      deviceId: camera1,
      segmentIds: [oldest!.segment.segmentId],
      resumeAtFragment: 0,
      signal: never,
    };
    const [missing] = await collect(database.readSegments(asked));
    assert.match(missing!.kind === 'missing' ? missing!.cause : '', /^MEDIA_KEY_MISSING/);
  }
  const again = { ...other, newSegmentId: segmentIds(900) };
  {
    await using database = await openTestDatabase(dir, again);
    assert.equal(await database.missingKeys(), [lost], 'at the next start');
    database.confirmIndex();
  }
  await using database = await openTestDatabase(dir, again);
  assert.equal(await database.missingKeys(), [lost], 'and at the one after');
  const old = database.segments({ ...always, toMs: fragments.at(-1)!.toMs, after: null, limit: 9 });
  const segmentIdsOf = old.map(({ segment }) => segment.segmentId);
  await database.markDeleted({ segmentIds: segmentIdsOf, policy: 'RETENTION_AGE', compose: () => [] });
  assert.equal(await database.missingKeys(), [], 'until all of it is gone');
});

test('what is to be encrypted is not written in the clear when there is no key', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path, { isEncrypted: () => true });
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  database.append(camera1, testFragment(0));
  while (database.observed.failures.length === 0) await new Promise(resolve => setTimeout(resolve, 5));
  assert.equal(
    [await filesIn(folder.path), database.observed.failures[0]!.code],
    [[], 'MEDIA_PASSWORD_MISSING'],
  );
  await database.unlock(keyring);
  database.retryWrites();
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  assert.equal(await bytesOf(database), [Buffer.from(testFragment(0).bytes)]);
  const [file] = await filesIn(folder.path);
  assert.is((await readFile(file!)).includes(Buffer.from(testFragment(0).bytes).subarray(200)), false);
});

test('a span is exported with the key, and without it nothing is written', async () => {
  await using folder = await temporaryFolder();
  const dir = path.join(folder.path, 'media');
  {
    await using _database = await record(dir, path.join(folder.path, 'archive'));
  }
  const out = path.join(folder.path, 'out.mp4');
  const [fromMs, toMs] = [fragments[0]!.fromMs, fragments.at(-1)!.toMs];
  const span = { deviceId: camera1, fromMs, toMs, out, ...silent };
  await exportMedia({ ...span, directories: [{ dir, stages: [] }] }).then(
    () => assert.unreachable(),
    error => assert.is(error.code, 'MEDIA_KEY_MISSING'),
  );
  const list = await exportMedia({ ...span, directories: [{ dir, stages: [], keys: keyring }] });
  assert.is(list.files.flatMap(file => file.fragments).length, 6);
});

test('the key is opened by its password alone, and comes back from a copy in an archive', async () => {
  await using folder = await temporaryFolder();
  const [dir, archive] = [path.join(folder.path, 'media'), path.join(folder.path, 'archive')];
  {
    await using _database = await record(dir, archive);
  }
  const own = path.join(dir, MEDIA_KEYS_FILE);
  const text = await readFile(own, 'utf8');
  assert.is(await readFile(path.join(archive, MEDIA_KEYS_FILE), 'utf8'), text);
  const { key, keyId } = keyring.current;
  assert.is(text.includes(key.toString('base64')), false);
  const open = (given: string) => openMediaKeyring({ dir, stages: [archive], password: given, create: true });
  await open('wrong').then(
    () => assert.unreachable(),
    error => assert.is(error.code, 'MEDIA_PASSWORD_WRONG'),
  );
  await rm(own);
  const found = await open(password);
  assert.is(found!.current.keyId, keyId);
  {
    await using database = await openTestDatabase(dir, {
      keyring: found,
      isEncrypted: () => true,
      stages: [archive],
    });
    assert.equal(await bytesOf(database), recordedBytes);
  }
  assert.is(await readFile(own, 'utf8'), text);

  // A key that was made while the archive was away does not write over the one that only the archive has.
  const other = await MediaKeyring.open(null, password);
  await rm(own);
  await using database = await openTestDatabase(dir, {
    keyring: other,
    isEncrypted: () => true,
    stages: [archive],
  });
  assert.equal(await bytesOf(database), recordedBytes);
  for (const file of [own, path.join(archive, MEDIA_KEYS_FILE)]) {
    const again = await MediaKeyring.open(await readFile(file, 'utf8'), password);
    assert.is(again.get(keyId)?.equals(key), true);
    assert.is(again.get(other.current.keyId)?.equals(other.current.key), true);
  }
});

test('another password opens the same keys, also those of a copy that was away', async () => {
  await using folder = await temporaryFolder();
  const [dir, archive] = [path.join(folder.path, 'media'), path.join(folder.path, 'archive')];
  const where = { dir, stages: [archive] };
  const passwords = { from: password, to: 'battery staple' };
  const change = () => changeMediaPassword(where, passwords);
  {
    await using _database = await record(dir, archive);
    await change().then(
      () => assert.unreachable(),
      error => assert.is(error.code, 'MEDIA_DATABASE_IN_USE'),
    );
  }
  const away = `${archive} away`;
  await rename(archive, away);
  assert.equal(await change(), [dir]);
  await rename(away, archive);
  const changed = await openMediaKeyring({ ...where, password: passwords.to, create: false });
  {
    await using database = await openTestDatabase(dir, { keyring: changed, stages: [archive] });
    assert.equal(await bytesOf(database), recordedBytes);
  }
  const copy = await readFile(path.join(archive, MEDIA_KEYS_FILE), 'utf8');
  assert.is(copy, await readFile(path.join(dir, MEDIA_KEYS_FILE), 'utf8'));
});

test.run();
