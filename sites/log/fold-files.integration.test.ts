import { mkdtempDisposable, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FoldSnapshot } from '@holdfast/core';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FoldFiles } from './fold-files.js';

const test = suite('fold files');
const logger = pino({ level: 'silent' });
const snapshot: FoldSnapshot = {
  place: { epoch: 1, position: 7 },
  leafHash: Buffer.alloc(32, 7),
  state: '{"name":"Zoë\\n"}',
};

test('what was saved is loaded, but for what other code has saved', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-folds-'));
  const directory = path.join(folder.path, 'folds');
  const folds = new FoldFiles({ directory, logger });
  assert.is(await folds.load('f'), null);
  await folds.save('f', snapshot);
  assert.equal(await new FoldFiles({ directory, logger }).load('f'), snapshot);
  assert.is(await new FoldFiles({ directory, logger, code: 'of tomorrow' }).load('f'), null);
});

test('a file that is torn or was changed is no snapshot', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-folds-'));
  const folds = new FoldFiles({ directory: folder.path, logger });
  await folds.save('f', snapshot);
  const file = path.join(folder.path, 'f.fold');
  const whole = await readFile(file, 'utf8');
  for (const damaged of [
    '',
    '\n',
    'x',
    whole.slice(0, -1),
    whole.slice(0, 20),
    whole.replace('Zoë', 'Zoe'),
  ]) {
    await writeFile(file, damaged);
    assert.is(await folds.load('f'), null);
  }
});

test('a disk that takes nothing is no reason to fail', async () => {
  const folds = new FoldFiles({ directory: '/dev/null/folds', logger });
  await folds.save('f', snapshot);
  assert.is(await folds.load('f'), null);
});

test.run();
