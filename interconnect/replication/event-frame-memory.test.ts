import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packEvents, unpackEvents } from './event-frame.js';

const test = suite('what is left of a frame');
/** Few enough that no full collection is due meanwhile. */
const FRAMES = 40;
/** Without care all that a frame was unpacked into is left, or the whole piece of Node's pool that it has a part in. */
const BYTES_PER_FRAME_MAX = 100;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void;

function bytesLeftOf(work: () => unknown): number {
  const turns = () => {
    for (let turn = 0; turn < FRAMES; turn += 1) work();
    // What survives two collections is not young any more.
    for (let times = 0; times < 2; times += 1) collect({ type: 'minor' });
  };
  turns();
  collect();
  const before = process.memoryUsage().arrayBuffers;
  turns();
  return (process.memoryUsage().arrayBuffers - before) / FRAMES;
}

for (const eventCount of [8, 250]) {
  const events = Array.from({ length: eventCount }, (_, index) => ({
    header: new Uint8Array(100).fill(index),
    data: new Uint8Array(300).fill(65),
  }));

  test(`the bytes of ${eventCount} events go with the next collection of what is young`, () => {
    const frame = packEvents(events, true);
    assert.is(frame.codec, 'ZSTD');
    const left = bytesLeftOf(() => unpackEvents(frame));
    assert.ok(left < BYTES_PER_FRAME_MAX, `${left} bytes of a frame are left`);
  });
}

test.run();
