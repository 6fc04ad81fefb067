import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EVENT_LOOP_MS_MAX, OverloadWatch, WRITE_QUEUE_MS_MAX } from './overload-watch.js';

const test = suite('overload watch');
const calm = { writeQueueMs: WRITE_QUEUE_MS_MAX, eventLoopMs: EVENT_LOOP_MS_MAX };
const queue = { ...calm, writeQueueMs: WRITE_QUEUE_MS_MAX + 1 };
const loop = { ...calm, eventLoopMs: EVENT_LOOP_MS_MAX + 1 };

function changes(watch: OverloadWatch, load: typeof calm, count: number): unknown[] {
  return Array.from({ length: count }, () => watch.sample(load)).filter(change => change !== null);
}

test('five late seconds in a row are an overload, told once with what is late', () => {
  for (const [load, overloaded] of [
    [queue, 'WRITE_QUEUE'],
    [loop, 'EVENT_LOOP'],
  ] as const) {
    const watch = new OverloadWatch();
    assert.equal(changes(watch, load, 4), []);
    assert.equal(changes(watch, calm, 1), []);
    assert.equal(changes(watch, load, 20), [{ overloaded }]);
    assert.is(watch.isOverloaded, true);
  }
});

test('it is over after half a minute without a late second', () => {
  const watch = new OverloadWatch();
  changes(watch, queue, 5);
  assert.equal(changes(watch, calm, 29), []);
  assert.equal(changes(watch, loop, 1), []);
  assert.equal(changes(watch, calm, 40), ['ENDED']);
  assert.is(watch.isOverloaded, false);
});

test.run();
