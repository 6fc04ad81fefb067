import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, open, readdir, rename, rm, stat, truncate } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MediaDirectory } from './media-directory.js';
import {
  camera1,
  collect,
  fragmentsOf,
  never,
  noise,
  openTestDatabase,
  segmentIds,
  server1,
  temporaryFolder,
  testFragment,
  testInit,
} from './media-fixture.js';

const test = suite('crash recovery');

const always = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };

/**
 * Records in a process of its own and kills it behind the given number of durable fragments: in the middle of the next ones,
 * or, when it `waits`, with exactly these. Answers the last index.
 */
async function recordAndKill(
  dir: string,
  options: { segment: number; fragment: number; after: number; waits?: boolean },
) {
  const program = path.join(import.meta.dirname, 'crash-recorder.fixture.js');
  const child = spawn(
    process.execPath,
    [
      '--disable-warning=ExperimentalWarning',
      program,
      dir,
      String(options.segment),
      String(options.fragment),
      ...(options.waits ? [server1, camera1, String(options.after)] : []),
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const closed = once(child, 'close');
  let last = options.fragment - 1;
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    seen += 1;
    if (seen >= options.after) child.kill('SIGKILL');
  }
  await closed;
  assert.ok(seen >= options.after, 'the recorder ended by itself');
  return last;
}

test('kill -9 at any point loses no durable fragment, and the log hears of each segment once', async () => {
  await using folder = await temporaryFolder();
  const reported: string[] = [];
  let fragment = 0;
  for (let round = 0; round < 6; round += 1) {
    const last = await recordAndKill(folder.path, {
      segment: 1 + round * 1000,
      fragment,
      after: 1 + Math.floor(Math.random() * 14),
    });
    await using database = await openTestDatabase(folder.path);
    assert.equal(
      database.recovery.problems.filter(problem => !problem.includes('no complete fragment')),
      [],
    );
    const items = await collect(database.read({ deviceId: camera1, ...always, signal: never }));
    const held = fragmentsOf(items);
    assert.ok(held.length > last, `fragment ${last} was durable, ${held.length} are held`);
    assert.equal(
      held.map(({ bytes }) => bytes),
      held.map((_, index) => testFragment(index, { byteLength: 20_000 }).bytes),
    );
    assert.equal(await collect(database.verify({ signal: never })), []);
    for (const recovered of database.recovery.recovered) {
      assert.is(recovered.segment.endedBecause, 'SERVER_CRASHED');
    }
    database.reportSealed(report => {
      reported.push(...report.segments.map(segment => segment.segmentId));
      return [];
    });
    const stored = database.segments({ deviceId: camera1, ...always, after: null, limit: 1000 });
    assert.equal(
      reported,
      stored.map(({ segment }) => segment.segmentId),
    );
    fragment = held.length;
  }
});

/** A database that is left as a crash leaves it: one unsealed file of three fragments. */
async function crashed(dir: string): Promise<string> {
  await recordAndKill(dir, { segment: 1, fragment: 0, after: 3, waits: true });
  const [file] = await readdir(path.join(dir, 'open'));
  return path.join(dir, 'open', file!);
}

test('torn bytes behind the last complete fragment are cut off, and counted', async () => {
  await using folder = await temporaryFolder();
  const file = await crashed(folder.path);
  await appendFile(file, noise('torn', 5555));
  await using database = await openTestDatabase(folder.path);
  const [recovered] = database.recovery.recovered;
  assert.is(recovered!.segment.fragmentCount, 3);
  assert.is(database.recovery.tornBytes, 5555);
  assert.equal(await collect(database.verify({ signal: never })), []);
});

test('a fragment that is only half there is cut off', async () => {
  await using folder = await temporaryFolder();
  const file = await crashed(folder.path);
  // Head, entry and one fragment are longer than this by a third fragment's half, whatever came after the third.
  await truncate(file, 624 + 400 + 2 * 20_200 + 10_000);
  await using database = await openTestDatabase(folder.path);
  assert.is(database.recovery.recovered[0]!.segment.fragmentCount, 2);
});

test('a fragment of which the disk has the length and not the bytes is cut off', async () => {
  await using folder = await temporaryFolder();
  const file = await crashed(folder.path);
  const { size } = await stat(file);
  await truncate(file, size - 5_000);
  await truncate(file, size);
  await using database = await openTestDatabase(folder.path);
  assert.is(database.recovery.recovered[0]!.segment.fragmentCount, 2);
  assert.equal(await collect(database.verify({ signal: never })), []);
});

test('the end of a seal that is longer than its file is none', async () => {
  await using folder = await temporaryFolder();
  const file = await crashed(folder.path);
  await appendFile(file, Buffer.from('0010000048465345', 'hex'));
  await using database = await openTestDatabase(folder.path);
  assert.is(database.recovery.recovered[0]!.segment.fragmentCount, 3);
  assert.is(database.recovery.tornBytes, 8);
});

test('a seal behind a fragment that is damaged does not count: what stands before that is kept', async () => {
  await using folder = await temporaryFolder();
  const file = await crashed(folder.path);
  const { size } = await stat(file);
  let sealed: string;
  {
    await using database = await openTestDatabase(folder.path);
    const [segment] = database.recovery.recovered;
    const { fromMs, segmentId } = segment!.segment;
    sealed = new MediaDirectory(folder.path).sealedFile({ deviceId: camera1, segmentId, fromMs });
  }
  // It was sealed, and not moved; the index is lost.
  await rename(sealed, file);
  for (const name of await readdir(folder.path)) {
    if (name.startsWith('index.sqlite')) await rm(path.join(folder.path, name));
  }
  const handle = await open(file, 'r+');
  await handle.write(Buffer.alloc(100), 0, 100, size - 5_000);
  await handle.close();
  await using database = await openTestDatabase(folder.path);
  assert.is(database.recovery.recovered[0]!.segment.fragmentCount, 2);
  assert.equal(await collect(database.verify({ signal: never })), []);
});

test('the gap that a crash left ends with the next run, and is named for it', async () => {
  await using folder = await temporaryFolder();
  await crashed(folder.path);
  await using database = await openTestDatabase(folder.path, { newSegmentId: segmentIds(500) });
  const endedMs = database.recovery.recovered[0]!.segment.toMs;
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  const later = testFragment(100);
  database.append(camera1, later);
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  const gaps = await new Promise(resolve => {
    database.reportSealed(report => {
      resolve(report.gaps);
      return [];
    });
  });
  assert.equal(gaps, [{ fromMs: endedMs, toMs: later.fromMs, cause: 'SERVER_CRASHED' }]);
});

test('a file without a head is kept and named, an empty one removed', async () => {
  await using folder = await temporaryFolder();
  const file = await crashed(folder.path);
  await truncate(file, 300);
  await using database = await openTestDatabase(folder.path);
  assert.is(database.recovery.recovered.length, 0);
  assert.match(database.recovery.problems[0]!, /no head can be read in its 300 bytes/);
  assert.is((await stat(file)).size, 300);
  await truncate(file, 0);
  await database[Symbol.asyncDispose]();
  await using again = await openTestDatabase(folder.path);
  assert.is(again.recovery.recovered.length, 0);
  assert.equal(await readdir(path.dirname(file)), []);
});

test.run();
