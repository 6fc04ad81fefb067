import { existsSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FolderError, makeFolder } from './make-folder.js';

const test = suite('making a folder');
const root = mkdtempSync(path.join(os.tmpdir(), 'holdfast-folder-'));
test.after(() => rmSync(root, { recursive: true, force: true }));

function refusalOf(folder: string): string {
  try {
    makeFolder(folder);
  } catch (error) {
    assert.instance(error, FolderError);
    assert.is((error as FolderError).code, 'FOLDER_NOT_MADE');
    return (error as FolderError).message;
  }
  return 'it was made';
}

test('makes those above it too, for its owner alone, and leaves one that is there', () => {
  const folder = path.join(root, 'a', 'b', 'c');
  makeFolder(folder);
  makeFolder(folder);
  assert.is(statSync(path.join(root, 'a')).mode & 0o777, 0o700);
  symlinkSync(folder, path.join(root, 'linked'));
  makeFolder(path.join(root, 'linked', 'd'));
  assert.ok(existsSync(path.join(folder, 'd')));
});

test('ends at once where none can be made, and says why', () => {
  const file = path.join(root, 'file');
  writeFileSync(file, '');
  symlinkSync(path.join(root, 'unmounted'), path.join(root, 'dangling'));
  symlinkSync('loop', path.join(root, 'loop'));
  assert.match(refusalOf(file), `${file}: a file is there`);
  assert.match(refusalOf(path.join(file, 'x', 'y')), `${file}: a file is there`);
  assert.match(refusalOf(path.join(root, 'dangling')), 'a link to what is not there');
  assert.match(refusalOf(path.join(root, 'dangling', 'x')), 'a link to what is not there');
  assert.match(refusalOf(path.join(root, 'loop', 'x')), 'links that lead to each other');
});

if (existsSync('/proc/self'))
  test('ends at once below /proc, which says that there is no such folder', () => {
    assert.match(refusalOf('/proc/holdfast/x'), '/proc/holdfast: this file system takes no folders');
  });

test.run();
