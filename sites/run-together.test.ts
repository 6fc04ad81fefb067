import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runTogether } from './run-together.js';

const test = suite('running together');

const steps: string[] = [];
const slow = async (signal: AbortSignal) => {
  if (!signal.aborted) await once(signal, 'abort');
  await new Promise(resolve => setImmediate(resolve));
  steps.push('slow ended');
};

test('when one task fails the others are ended and waited for', async () => {
  steps.length = 0;
  const fails = async () => {
    throw new Error('one failed');
  };
  const onEnding = (failure: unknown) => steps.push(`ending: ${(failure as Error).message}`);
  await runTogether([slow, fails, slow], new AbortController().signal, onEnding).catch((error: Error) => {
    steps.push(error.message);
  });
  assert.equal(steps, ['ending: one failed', 'slow ended', 'slow ended', 'one failed']);
});

test('a task that fails before its first wait is a failure like any other', async () => {
  steps.length = 0;
  const throws = () => {
    throw new Error('at once');
  };
  const outcome = await runTogether([slow, throws], new AbortController().signal).catch(
    (error: Error) => error,
  );
  assert.is((outcome as Error).message, 'at once');
  assert.equal(steps, ['slow ended']);
});

test('the signal ends all of them without an error', async () => {
  steps.length = 0;
  await runTogether([slow, slow], AbortSignal.abort());
  assert.equal(steps, ['slow ended', 'slow ended']);
});

test.run();
