import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseByteRange } from './byte-range.js';

const test = suite('byte range');

test('first and last, open end, and suffix', () => {
  assert.equal(parseByteRange('bytes=0-0', 10), { from: 0, to: 0 });
  assert.equal(parseByteRange('bytes=2-5', 10), { from: 2, to: 5 });
  assert.equal(parseByteRange('bytes=2-', 10), { from: 2, to: 9 });
  assert.equal(parseByteRange('bytes=2-99', 10), { from: 2, to: 9 });
  assert.equal(parseByteRange('bytes=-3', 10), { from: 7, to: 9 });
  assert.equal(parseByteRange('bytes=-99', 10), { from: 0, to: 9 });
});

test('what lies outside cannot be satisfied', () => {
  assert.is(parseByteRange('bytes=10-', 10), 'UNSATISFIABLE');
  assert.is(parseByteRange('bytes=-0', 10), 'UNSATISFIABLE');
  assert.is(parseByteRange('bytes=0-', 0), 'UNSATISFIABLE');
});

test('what is no single range of bytes is answered with everything', () => {
  for (const header of [
    undefined,
    '',
    'bytes=',
    'bytes=-',
    'bytes=5-2',
    'bytes=0-1,3-4',
    'lines=1-2',
    'bytes=a-b',
  ]) {
    assert.is(parseByteRange(header, 10), 'WHOLE', String(header));
  }
});

test.run();
