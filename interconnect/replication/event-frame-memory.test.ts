import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packEvents, unpackEvents } from './event-frame.js';

const test = suite('what is left of a frame');
/** Without care all that a frame was unpacked into is left, or the whole piece of Node's pool that it has a part in. */
const BYTES_PER_FRAME_MAX = 100;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void;

/** Of each time; another piece of Node's pool may be in use than before. */
function bytesLeftOf(times: number, work: () => unknown): number {
  const turns = () => {
    for (let turn = 0; turn < times; turn += 1) work();
    // What survives two collections is not young any more.
    for (let collected = 0; collected < 2; collected += 1) collect({ type: 'minor' });
  };
  turns();
  collect();
  const before = process.memoryUsage().arrayBuffers;
  turns();
  return (process.memoryUsage().arrayBuffers - before - Buffer.poolSize) / times;
}

// So few frames that no full collection is due meanwhile.
for (const { eventCount, frames } of [
  { eventCount: 8, frames: 100 },
  { eventCount: 250, frames: 40 },
]) {
  const events = Array.from({ length: eventCount }, (_, index) => ({
    header: new Uint8Array(100).fill(index),
    data: new Uint8Array(300).fill(65),
  }));

  test(`the bytes of ${eventCount} events go with the next collection of what is young`, () => {
    const frame = packEvents(events, true);
    assert.is(frame.codec, 'ZSTD');
    const left = bytesLeftOf(frames, () => unpackEvents(frame));
    assert.ok(left < BYTES_PER_FRAME_MAX, `${left} bytes of a frame are left`);
  });
}

test.run();
