import { setImmediate, setTimeout as wait } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CameraSessionError } from './camera-session-error.js';
import { CAMERA_LIMITS } from './driver.js';
import { MediaWatch } from './media-watch.js';

const test = suite('media watch');

const limits = { ...CAMERA_LIMITS, noMediaMs: 300 };

function standStill(ms: number): void {
  for (const endMs = performance.now() + ms; performance.now() < endMs; );
}

test('gives up a camera that is silent, not one of which nothing could be read while the process stood still', async () => {
  const watch = new MediaWatch(limits);
  const faults: CameraSessionError[] = [];
  using _ = watch.start(fault => faults.push(fault));
  await wait(50);
  standStill(900);
  // The timer is due before what waits in the socket is read.
  await setImmediate();
  await wait(1);
  watch.packet('VIDEO');
  assert.is(faults.length, 0);
  for (const endMs = performance.now() + 20_000; faults.length === 0; await wait(20)) {
    assert.ok(performance.now() < endMs);
  }
  assert.match(faults[0]!.message, /sent no video/);
});

test.run();
