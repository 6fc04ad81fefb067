import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Fragment } from '@holdfast/core';
import pino from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { camera1, noise, temporaryFolder, testFragment } from '../media-database/media-fixture.js';
import { hasSmallDisks, runOnSmallDisk } from '../media-database/small-disk.fixture.js';
import { PreBuffer, type PreBufferOptions } from './pre-buffer.js';
import { PRE_BUFFER_FILE_BYTES, PRE_BUFFER_WRITING_BYTES_MAX } from './pre-buffer-files.js';
import { PRE_BUFFER_RETRY_MS, PreBufferFolder } from './pre-buffer-folder.js';

const name = 'pre-buffer on the disk';
const test = suite(name);
const megabyte = 1024 * 1024;
/** When the `index`th group of pictures, of two seconds, arrives. */
const at = (index: number) => testFragment(index).arrivalMs;

/** A pre-buffer whose memory holds two groups, and its folder; what the disk and the clock say can be set. */
async function opened(options: PreBufferOptions = {}) {
  const stack = new AsyncDisposableStack();
  const media = stack.use(await temporaryFolder());
  const folder = path.join(media.path, 'pre-buffer');
  await mkdir(folder);
  await writeFile(path.join(folder, 'of the last start'), 'left');
  const world = { freeBytes: 1e12, nowMs: 0, said: [] as string[], released: 0, release: () => {} };
  world.release = () => {
    world.released += 1;
  };
  const say = (line: string) => void world.said.push(JSON.parse(line).msg);
  const preBuffers = stack.use(
    await PreBufferFolder.open({
      dir: media.path,
      freeBytes: async () => world.freeBytes,
      freeBytesMin: 1000,
      monotonicMs: () => world.nowMs,
      logger: pino({ level: 'info' }, { write: say }),
    }),
  );
  const filesOf = (onGivenUp: () => void) => preBuffers.filesOf(camera1, onGivenUp);
  const buffer = stack.use(new PreBuffer({ memoryMsMax: 4_000, filesOf, ...options }));
  const files = async () => (await readdir(folder)).map(file => path.join(folder, file));
  return {
    ...{ buffer, preBuffers, folder, world, files },
    /** One after the other, each when the one before has found its place. */
    async push(group: Fragment, keepMs = 10_000_000) {
      buffer.push({ ...group, release: world.release }, keepMs);
      await preBuffers.settled();
    },
    async taken() {
      const taken: (Fragment | null)[] = [];
      while (buffer.holdsUpTo(Number.MAX_SAFE_INTEGER)) taken.push(await buffer.shift());
      return taken;
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

const indexOf = (group: Fragment | null) => group && (group.fromMs - testFragment(0).fromMs) / 2000;
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

test('what memory does not hold is on the disk, encrypted, and comes back as it was and in order', async () => {
  await using held = await opened();
  assert.equal(await held.files(), [], 'nothing of the last start');
  for (const index of range(0, 20)) await held.push(testFragment(index));
  assert.equal(held.buffer.span, { fromMs: at(0), toMs: at(20) });
  assert.is(held.world.released, 18);
  const onDisk = Buffer.concat(await Promise.all((await held.files()).map(file => readFile(file))));
  assert.is(onDisk.length, 18 * testFragment(0).bytes.length);
  for (const index of range(0, 18)) {
    assert.is(onDisk.indexOf(noise(`mdat ${index}`, 1000).subarray(0, 16)), -1, 'in the clear');
  }
  assert.not(held.buffer.isInMemory(at(5)));
  held.buffer.claimFrom(at(5) + 500);
  const taken = await held.taken();
  assert.equal(taken.map(indexOf), range(5, 20));
  for (const [index, group] of taken.entries()) {
    assert.equal(Buffer.from(group!.bytes), testFragment(5 + index).bytes);
  }
  await held.preBuffers.settled();
  assert.equal(await held.files(), []);
});

test('what memory holds is taken from it at once, and the disk is let go of', async () => {
  await using held = await opened();
  for (const index of range(0, 20)) await held.push(testFragment(index));
  assert.ok(held.buffer.isInMemory(at(18)));
  assert.equal(held.buffer.takeFrom(at(18)).map(indexOf), [18, 19]);
  await held.preBuffers.settled();
  assert.equal(await held.files(), []);
  assert.is(held.preBuffers.byteLength, 0);
});

test('never begins without a key frame, wherever that is', async () => {
  await using held = await opened();
  for (const index of range(0, 12)) {
    await held.push(testFragment(index, { beginsWithKeyFrame: index !== 5 && index !== 10 && index !== 11 }));
  }
  assert.not(held.buffer.isInMemory(at(10)), 'its key frame is on the disk');
  held.buffer.claimFrom(at(10));
  assert.equal((await held.taken()).map(indexOf), [9, 10, 11]);
  for (const index of range(0, 10))
    await held.push(testFragment(index, { beginsWithKeyFrame: index !== 4 }), 11_000);
  assert.is(held.buffer.span?.fromMs, at(5), 'the fourth cannot be decoded alone');
});

test('what is too old goes from the disk by whole files, and a new policy holds from the next group on', async () => {
  await using held = await opened();
  const push = (index: number, keepMs: number) =>
    held.push(testFragment(index, { bytes: new Uint8Array(3 * megabyte) }), keepMs);
  for (const index of range(0, 30)) await push(index, 20_000);
  assert.equal(held.buffer.span, { fromMs: at(20), toMs: at(30) });
  assert.ok(held.preBuffers.byteLength < 8 * 3 * megabyte + PRE_BUFFER_FILE_BYTES + 3 * megabyte);
  await push(30, 3_000);
  await held.preBuffers.settled();
  assert.equal(held.buffer.span, { fromMs: at(29), toMs: at(31) });
  assert.equal(await held.files(), []);
});

test('a device has no more than its bytes of the disk', async () => {
  await using held = await opened({ diskBytesMax: 40 * megabyte });
  for (const index of range(0, 30))
    await held.push(testFragment(index, { bytes: new Uint8Array(3 * megabyte) }));
  assert.ok(held.preBuffers.byteLength <= 43 * megabyte, `${held.preBuffers.byteLength}`);
  assert.ok(held.buffer.span!.fromMs <= at(20));
  held.buffer.claimFrom(0);
  const taken = (await held.taken()).map(indexOf);
  assert.equal(taken, range(taken[0]!, 30), 'and no hole');
});

test('a disk that is slower than the camera fills no memory: the oldest that waits goes', async () => {
  await using held = await opened();
  const group = (index: number) => testFragment(index, { bytes: new Uint8Array(megabyte) });
  for (const index of range(0, 40)) {
    held.buffer.push({ ...group(index), release: held.world.release }, 1e7);
  }
  await held.preBuffers.settled();
  // One was being written, as many as may wait were, and two are in memory.
  const waiting = PRE_BUFFER_WRITING_BYTES_MAX / megabyte;
  held.buffer.claimFrom(0);
  const taken = (await held.taken()).map(indexOf);
  assert.equal(taken.slice(-waiting), range(40 - waiting, 40));
  assert.ok(taken.length <= waiting + 3);
  assert.is(held.world.released, 38);
});

test('gives way to recordings, is in memory alone then, and tries again later', async () => {
  await using held = await opened();
  for (const index of range(0, 10)) await held.push(testFragment(index));
  held.world.freeBytes = 999;
  assert.is(await held.preBuffers.freeBytes('anywhere'), 999);
  assert.equal(await held.files(), [], 'before retention looks');
  assert.equal(held.buffer.span, { fromMs: at(8), toMs: at(10) });
  held.world.nowMs += PRE_BUFFER_RETRY_MS;
  for (const index of range(10, 20)) await held.push(testFragment(index));
  assert.equal(held.buffer.span, { fromMs: at(18), toMs: at(20) });
  assert.equal(held.world.said, ['pre-buffers are held in memory alone for now']);
  held.world.freeBytes = 1000;
  held.world.nowMs += PRE_BUFFER_RETRY_MS;
  for (const index of range(20, 30)) await held.push(testFragment(index));
  assert.equal(held.buffer.span, { fromMs: at(18), toMs: at(30) });
  assert.is(held.world.said.at(-1), 'pre-buffers are held on the disk again');
  assert.not(held.preBuffers.makesRoom('EIO'));
  assert.ok(held.preBuffers.makesRoom('ENOSPC'));
  assert.not(held.preBuffers.makesRoom('ENOSPC'), 'only once');
});

test('what is claimed stays on a disk that is given up, and waits on in memory for the rest', async () => {
  await using held = await opened();
  for (const index of range(0, 10)) await held.push(testFragment(index));
  held.buffer.claimFrom(at(3));
  held.buffer.pushClaimed(testFragment(10));
  held.preBuffers.giveUp(new Error('no room'));
  for (const index of range(11, 20)) held.buffer.pushClaimed(testFragment(index));
  for (const index of range(20, 25)) held.buffer.push(testFragment(index), 1e7);
  assert.equal((await held.taken()).map(indexOf), range(3, 25));
  assert.is(held.buffer.lostCount, 0);
});

test('a folder that is gone is not made again, and costs nothing but itself', async () => {
  await using held = await opened();
  await rm(held.folder, { recursive: true });
  for (const index of range(0, 10)) await held.push(testFragment(index));
  assert.equal(held.buffer.span, { fromMs: at(8), toMs: at(10) });
  assert.is(held.world.said.length, 1);
  held.buffer.claimFrom(0);
  assert.equal((await held.taken()).map(indexOf), [8, 9]);
});

if (hasSmallDisks(name)) {
  test('a disk that is full is left to others, and memory goes on', async () => {
    const program = path.join(import.meta.dirname, 'small-pre-buffer.fixture.js');
    const { results, stderr } = await runOnSmallDisk({ megabytes: 8, program, phases: ['fill'] });
    assert.equal(results, [{ codes: ['ENOSPC'], files: [], heldFrom: 28, taken: [28, 29] }], stderr);
  });
}

test.run();
