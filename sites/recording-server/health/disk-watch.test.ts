import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DiskWatch, SLOW_WRITE_MS, WRITES_WATCHED } from './disk-watch.js';

const test = suite('disk watch');
const [slow, fast] = [SLOW_WRITE_MS + 1, SLOW_WRITE_MS];

function told(watch: DiskWatch, ...writes: readonly number[]) {
  return writes.map(write => watch.wrote(write)).filter(change => change !== null);
}

const times = (count: number, write: number) => Array.from({ length: count }, () => write);

test('a disk is slow when half of the last writes are, and says so once', () => {
  const watch = new DiskWatch();
  assert.equal(told(watch, ...times(WRITES_WATCHED, fast), ...times(WRITES_WATCHED / 2 - 1, slow)), []);
  assert.equal(told(watch, ...times(WRITES_WATCHED, slow)), ['SLOW']);
  assert.is(watch.isSlow, true);
  assert.is(watch.medianMs, slow);
});

test('it is fast again when few of them are', () => {
  const watch = new DiskWatch();
  told(watch, ...times(WRITES_WATCHED, slow));
  assert.equal(told(watch, ...times((WRITES_WATCHED * 7) / 8 - 1, fast)), []);
  assert.equal(told(watch, fast), ['FAST_AGAIN']);
});

test('single slow writes say nothing', () => {
  const watch = new DiskWatch();
  const writes = Array.from({ length: 200 }, (_, index) => (index % 4 === 0 ? slow : fast));
  assert.equal(told(watch, ...writes), []);
});

test.run();
