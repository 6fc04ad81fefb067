import { setImmediate } from 'node:timers/promises';
import { type Fragment, type InitSegment, type MediaItem, MediaRefusedError } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LIVE_LAG_MS_MAX, LIVE_RECOVERY_MS } from './live-consumer.js';
import { LiveFanOut } from './live-fan-out.js';
import { LIVE_FRAGMENTS_MAX, LIVE_RING_BYTES_MAX } from './live-ring.js';
import { LiveViewers } from './live-viewers.js';

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

/** A camera whose pictures arrive 40 ms after one another, and consumers that say what they got. */
class Scene implements Disposable {
  readonly viewers = new LiveViewers();
  readonly fanOut = new LiveFanOut({ viewers: this.viewers, monotonicMs: () => this.#index * 40 });
  #index = 0;

  constructor() {
    this.fanOut.format(init('a'));
  }

  run(pictures: number): void {
    for (const end = this.#index + pictures; this.#index < end; this.#index += 1)
      this.fanOut.push(picture(this.#index));
  }

  /** Every consumer that waits takes what there is. */
  async runSlowly(pictures: number): Promise<void> {
    for (let index = 0; index < pictures; index += 1) {
      this.run(1);
      await setImmediate();
    }
  }

  async view(): Promise<{ readonly seen: string[]; go(): void; stop(): void }> {
    const items = this.fanOut.open(new AbortController().signal);
    const seen: string[] = [];
    let gate: Promise<void> = Promise.resolve();
    let go = () => {};
    const read = async () => {
      for await (const item of items) {
        if (item.kind === 'fragment') seen.push(`${nameOf(item)}${item.reducedBecause ? '!' : ''}`);
        await gate;
      }
    };
    void read().catch((error: MediaRefusedError) => seen.push(error.code));
    await Promise.resolve();
    const stop = () => {
      gate = new Promise(resolve => {
        go = resolve;
      });
    };
    return { seen, stop, go: () => go() };
  }

  [Symbol.dispose](): void {
    this.fanOut[Symbol.dispose]();
  }
}

const second = 25;

test('a consumer that does not keep up is reduced to key frames, the newest each time, and others lose nothing', async () => {
  using scene = new Scene();
  const slow = await scene.view();
  const quick = await scene.view();
  await scene.runSlowly(second);
  slow.stop();
  await scene.runSlowly(10 * second);
  assert.is(quick.seen.length, 11 * second);
  assert.is(quick.seen.at(-1), `${11 * second - 1}`);
  assert.equal(scene.viewers.counts().reducedViewerCount, 1);
  slow.go();
  await setImmediate();
  await scene.runSlowly(3 * second);
  const last = slow.seen.slice(second + 1);
  assert.equal(
    last,
    [10, 11, 12, 13].map(at => `${at * second}!`),
  );
  assert.equal(
    [scene.viewers.counts().reductionCount, quick.seen.some(name => name.endsWith('!'))],
    [1, false],
  );
});

test('who keeps up again gets all pictures again, later after each relapse', async () => {
  using scene = new Scene();
  const viewer = await scene.view();
  const secondsReduced: number[] = [];
  for (let lapse = 0; lapse < 3; lapse += 1) {
    viewer.stop();
    await scene.runSlowly((LIVE_LAG_MS_MAX / 40) * 2);
    viewer.go();
    viewer.seen.length = 0;
    await scene.runSlowly((LIVE_RECOVERY_MS.least / 40) * 5);
    secondsReduced.push(viewer.seen.filter(name => name.endsWith('!')).length);
    assert.not.ok(viewer.seen.at(-1)!.endsWith('!'));
  }
  const [first, relapse, again] = secondsReduced as [number, number, number];
  assert.ok(first >= 9 && first <= 14, `${first}`);
  assert.ok(relapse - first >= 9 && again - relapse >= 19, `${secondsReduced}`);
});

test('an overloaded server takes pictures from its viewers, then the viewers, and gives all back', async () => {
  using scene = new Scene();
  const viewer = await scene.view();
  await scene.runSlowly(second);
  scene.viewers.shed('KEY_FRAMES');
  await scene.runSlowly(2 * second);
  assert.equal(viewer.seen.slice(second), [`${second}!`, `${2 * second}!`]);
  scene.viewers.shed('NONE');
  await scene.runSlowly(second);
  assert.is(viewer.seen.at(-1), `${4 * second - 1}`);
  scene.viewers.shed('CLOSED');
  await scene.runSlowly(1);
  assert.is(viewer.seen.at(-1), 'SOURCE_BUSY');
  assert.is(scene.fanOut.consumerCount, 0);
  const late = await scene.view();
  await scene.runSlowly(1);
  assert.equal(late.seen, ['SOURCE_BUSY']);
  scene.viewers.shed('NONE');
  const next = await scene.view();
  await scene.runSlowly(1);
  assert.is(next.seen[0], `${4 * second}`);
});

test('what overload withholds is not taken for slowness, however far apart key frames are', async () => {
  const viewers = new LiveViewers();
  let nowMs = 0;
  using fanOut = new LiveFanOut({ viewers, monotonicMs: () => nowMs });
  fanOut.format(init('a'));
  fanOut.push(picture(0));
  const items = fanOut.open(new AbortController().signal);
  assert.equal(await take(items, 2), ['a', '0']);
  viewers.shed('KEY_FRAMES');
  for (let index = 1; index <= 200; index += 1) {
    nowMs = index * 40;
    fanOut.push(picture(index, index === 200));
  }
  viewers.shed('NONE');
  assert.is(viewers.counts().reducedViewerCount, 0);
  assert.is(viewers.counts().reductionCount, 0);
});

test('consumers share one ring, however many and however slow, and it has an end', async () => {
  using scene = new Scene();
  const bytes = new Uint8Array(LIVE_RING_BYTES_MAX / 40);
  const views = await Promise.all(Array.from({ length: 200 }, () => scene.view()));
  for (const [index, view] of views.entries()) if (index % 2 === 0) view.stop();
  for (let index = 0; index < 100; index += 1) {
    scene.fanOut.push({ ...picture(index, index % 60 === 0), bytes });
    await setImmediate();
    assert.ok(scene.viewers.counts().ringByteLength <= LIVE_RING_BYTES_MAX);
  }
  assert.is(scene.viewers.counts().viewerCount, 200);
  // 0 to 39; the next did not fit before the key frame 60.
  const seen = [...Array.from({ length: 40 }, (_, index) => `${index}`)];
  seen.push(...Array.from({ length: 40 }, (_, index) => `${60 + index}`));
  assert.equal(views[1]!.seen, seen);
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

test('builds no picture that nobody watches', () => {
  using fanOut = new LiveFanOut();
  fanOut.format(init('a'));
  for (let index = 0; index < 60; index += 1) {
    const { bytes: _, ...facts } = picture(index);
    fanOut.push({
      ...{ ...facts, byteLength: 1000 },
      get bytes(): Uint8Array {
        throw new Error('it was built');
      },
    });
  }
  assert.is(fanOut.counts.ringByteLength, 10 * 1000);
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
