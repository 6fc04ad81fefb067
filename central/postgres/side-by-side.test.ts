import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sideBySide } from './side-by-side.js';

const test = suite('side by side');

test('answers in the order of the statements', async () => {
  assert.equal(await sideBySide(Promise.resolve(1), Promise.resolve('two')), [1, 'two']);
});

test('throws the first failure only when no statement is under way any more', async () => {
  const slow = Promise.withResolvers<void>();
  let isOver = false;
  const all = sideBySide(Promise.reject(new Error('refused')), slow.promise).catch(error => {
    isOver = true;
    return error;
  });
  await new Promise(resolve => setImmediate(resolve));
  assert.not(isOver);
  slow.resolve();
  assert.is((await all).message, 'refused');
});

test.run();
