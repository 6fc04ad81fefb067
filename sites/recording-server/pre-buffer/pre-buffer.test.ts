import type { Fragment } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PreBuffer } from './pre-buffer.js';

const test = suite('pre-buffer');

function groups(count: number, { byteLength = 1000, cutAt = -1 } = {}) {
  const released: number[] = [];
  const made = Array.from(
    { length: count },
    (_, index): Fragment => ({
      ...{ fromMs: index * 1000, toMs: (index + 1) * 1000, arrivalMs: 500_000 + index * 1000 },
      ...{ beginsWithKeyFrame: index !== cutAt, bytes: new Uint8Array(byteLength), timeSource: 'ARRIVAL' },
      release: () => released.push(index),
    }),
  );
  return { made, released };
}

const firstOf = (taken: readonly Fragment[]) => taken.map(group => group.fromMs / 1000);

test('holds the time asked for and the group that it begins in, and releases what is older', async () => {
  const { made, released } = groups(10);
  await using buffer = new PreBuffer();
  for (const group of made) buffer.push(group, 3_500);
  assert.equal(buffer.span, { fromMs: 506_000, toMs: 510_000 });
  assert.equal(released, [0, 1, 2, 3, 4, 5]);
});

test('gives what a trigger asks for, once, and releases what came before it', async () => {
  const { made, released } = groups(10);
  await using buffer = new PreBuffer();
  for (const group of made) buffer.push(group, 15_000);
  assert.equal(firstOf(buffer.takeFrom(506_500)), [6, 7, 8, 9]);
  assert.equal(released, [0, 1, 2, 3, 4, 5]);
  assert.equal(buffer.takeFrom(0), []);
  assert.is(buffer.byteLength, 0);
});

test('never begins without a key frame', async () => {
  const { made } = groups(6, { cutAt: 3 });
  await using held = new PreBuffer();
  for (const group of made) held.push(group, 2_500);
  assert.is(held.span?.fromMs, 504_000);
  await using taken = new PreBuffer();
  for (const group of made) taken.push(group, 15_000);
  assert.equal(firstOf(taken.takeFrom(503_500)), [2, 3, 4, 5]);
});

test('holds no more bytes than it may, whatever the time', async () => {
  const { made, released } = groups(10, { byteLength: 1000 });
  await using buffer = new PreBuffer({ byteLengthMax: 3_500 });
  for (const group of made) buffer.push(group, 15_000);
  assert.is(buffer.byteLength, 3_000);
  assert.is(released.length, 7);
});

test('a group larger than all that may be held is let go of', async () => {
  const { made, released } = groups(1, { byteLength: 5000 });
  await using buffer = new PreBuffer({ byteLengthMax: 3_500 });
  buffer.push(made[0]!, 15_000);
  assert.is(buffer.span, null);
  assert.equal(released, [0]);
});

test('has released everything when it is disposed of', async () => {
  const { made, released } = groups(4);
  const buffer = new PreBuffer();
  for (const group of made) buffer.push(group, 15_000);
  await buffer[Symbol.asyncDispose]();
  assert.equal(released, [0, 1, 2, 3]);
});

test.run();
