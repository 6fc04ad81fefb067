import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { followLog, LogGrowth } from './log-growth.js';

const test = suite('log growth');

test('a log that gives less than it reaches is read again when it has grown, and not before', async () => {
  const growth = new LogGrowth({ epoch: 2, position: 5 });
  const over = new AbortController();
  let reads = 0;
  const read = async () => {
    reads += 1;
    if (reads > 20) throw new Error('read again and again');
    return [];
  };
  const after = { epoch: 1, position: 9 };
  const next = followLog({ read, growth, after, signal: over.signal }).next();
  next.catch(() => undefined);
  const turns = async () => {
    for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
  };
  await turns();
  assert.is(reads, 1);
  growth.grow({ epoch: 2, position: 6 });
  await turns();
  assert.is(reads, 2);
  over.abort();
  assert.ok((await next).done);
});

test.run();
