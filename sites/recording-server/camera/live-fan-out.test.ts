import type { Fragment, InitSegment, MediaItem } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LIVE_FRAGMENTS_MAX, LiveFanOut } from './live-fan-out.js';

const test = suite('live fan-out');

const init = (name: string): InitSegment => ({ bytes: Buffer.from(name), codecs: name });

/** Picture `index` at 25 a second, a key frame every second. */
function picture(index: number, beginsWithKeyFrame = index % 25 === 0): Fragment {
  return {
    fromMs: index * 40,
    toMs: (index + 1) * 40,
    beginsWithKeyFrame,
    bytes: new Uint8Array(0),
    arrivalMs: 0,
    timeSource: 'ARRIVAL',
  };
}

function nameOf(item: MediaItem): string {
  if (item.kind === 'init') return item.init.codecs;
  return item.kind === 'fragment' ? String(item.fragment.fromMs / 40) : item.kind;
}

async function take(items: AsyncIterator<MediaItem>, count: number): Promise<string[]> {
  const names: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const { value, done } = await items.next();
    if (done) break;
    names.push(nameOf(value));
  }
  return names;
}

function push(fanOut: LiveFanOut, from: number, to: number): void {
  for (let index = from; index < to; index += 1) fanOut.push(picture(index));
}

test('begins with the format and the newest key frame, however late the consumer comes', async () => {
  using fanOut = new LiveFanOut();
  fanOut.format(init('a'));
  push(fanOut, 0, 28);
  const items = fanOut.open(new AbortController().signal);
  assert.equal(await take(items, 4), ['a', '25', '26', '27']);
  const next = take(items, 1);
  fanOut.push(picture(28));
  assert.equal(await next, ['28']);
});

test('serves every consumer all pictures', async () => {
  using fanOut = new LiveFanOut();
  fanOut.format(init('a'));
  const consumers = [1, 2, 3].map(() => fanOut.open(new AbortController().signal));
  const taken = Promise.all(consumers.map(items => take(items, 31)));
  await Promise.resolve();
  push(fanOut, 0, 30);
  for (const names of await taken)
    assert.equal(names, ['a', ...Array.from({ length: 30 }, (_, index) => `${index}`)]);
});

test('moves a consumer that does not pull forward to a key frame, and stays bounded', async () => {
  using fanOut = new LiveFanOut();
  fanOut.format(init('a'));
  fanOut.push(picture(0));
  const items = fanOut.open(new AbortController().signal);
  assert.equal(await take(items, 2), ['a', '0']);
  push(fanOut, 1, 25 * 60 + 5);
  const names = await take(items, 4);
  assert.is(Number(names[0]) % 25, 0);
  assert.ok(Number(names[0]) >= 25 * 56);
  assert.equal(
    names.map(name => Number(name) - Number(names[0])),
    [0, 1, 2, 3],
  );
});

test('keeps nothing without end when key frames stay away', async () => {
  using fanOut = new LiveFanOut();
  fanOut.format(init('a'));
  fanOut.push(picture(0));
  const items = fanOut.open(new AbortController().signal);
  await take(items, 2);
  for (let index = 1; index < LIVE_FRAGMENTS_MAX * 3; index += 1) fanOut.push(picture(index, false));
  assert.not(fanOut.isLive);
  fanOut.push(picture(9_000, true));
  const names = await take(items, 1);
  assert.equal(names, ['9000']);
});

test('sends the format again when it changes, before the first picture that needs it', async () => {
  using fanOut = new LiveFanOut();
  fanOut.format(init('a'));
  push(fanOut, 0, 2);
  const items = fanOut.open(new AbortController().signal);
  assert.equal(await take(items, 3), ['a', '0', '1']);
  fanOut.runEnded();
  assert.not(fanOut.isLive);
  fanOut.format(init('b'));
  push(fanOut, 50, 52);
  assert.equal(await take(items, 3), ['b', '50', '51']);
});

test('ends with its signal and with the fan-out, and forgets the consumer', async () => {
  const fanOut = new LiveFanOut();
  fanOut.format(init('a'));
  const controller = new AbortController();
  const aborted = take(fanOut.open(controller.signal), 1);
  const closed = take(fanOut.open(new AbortController().signal), 1);
  await Promise.resolve();
  assert.is(fanOut.consumerCount, 2);
  controller.abort();
  assert.equal(await aborted, []);
  fanOut[Symbol.dispose]();
  assert.equal(await closed, []);
  assert.is(fanOut.consumerCount, 0);
});

/** A picture in memory that is used again once it is released: its bytes, built late, would then be another's. */
class LeasedPicture implements Fragment {
  readonly fromMs: number;
  readonly toMs: number;
  readonly beginsWithKeyFrame: boolean;
  readonly arrivalMs = 0;
  readonly timeSource = 'ARRIVAL';
  released = false;
  #bytes: Uint8Array | null = null;
  readonly #index: number;

  constructor(index: number, beginsWithKeyFrame = index % 25 === 0) {
    ({ fromMs: this.fromMs, toMs: this.toMs } = picture(index));
    this.beginsWithKeyFrame = beginsWithKeyFrame;
    this.#index = index;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= Uint8Array.of(this.released ? 0xff : this.#index & 0x7f);
    return this.#bytes;
  }

  release(): void {
    this.released = true;
  }
}

test('keeps pictures for who may still come, and releases them then', () => {
  const fanOut = new LiveFanOut();
  const pictures = Array.from({ length: 27 }, (_, index) => new LeasedPicture(index));
  fanOut.push(pictures[0]!);
  assert.ok(pictures[0]!.released, 'without a format nobody can see it');
  fanOut.format(init('a'));
  for (const one of pictures.slice(1)) fanOut.push(one);
  assert.equal(
    pictures.map(one => one.released),
    pictures.map((_, index) => index < 25),
  );
  fanOut.runEnded();
  assert.ok(pictures.every(one => one.released));
  fanOut[Symbol.dispose]();
});

test('a consumer, however slow, gets the bytes that a picture had before it was released', async () => {
  using fanOut = new LiveFanOut();
  fanOut.format(init('a'));
  const pictures = Array.from({ length: 60 }, (_, index) => new LeasedPicture(index));
  for (const one of pictures.slice(0, 10)) fanOut.push(one);
  const items = fanOut.open(new AbortController().signal);
  assert.equal(await take(items, 2), ['a', '0']);
  for (const one of pictures.slice(10)) fanOut.push(one);
  assert.ok(pictures.slice(0, 50).every(one => one.released));
  const bytes: number[] = [];
  for (let index = 1; index < 60; index += 1) {
    const { value } = await items.next();
    if (value?.kind === 'fragment') bytes.push(value.fragment.bytes[0]!);
  }
  assert.equal(
    bytes,
    Array.from({ length: 59 }, (_, index) => index + 1),
  );
});

test.run();
