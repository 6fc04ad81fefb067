import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtempDisposable } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SmallDisk } from './small-disk.js';

const test = suite('small disks of a benchmark');
const module = new URL('small-disk.js', import.meta.url).href;

const isMounted = (folder: string) => readFileSync('/proc/mounts', 'utf8').includes(` ${folder} tmpfs `);

/** A process that works on a small disk until it is killed. */
async function processWith(folder: string): Promise<ChildProcess> {
  await mkdir(folder);
  const source = `import { SmallDisk } from '${module}'; await SmallDisk.under('${folder}'); setInterval(() => {}, 1e6)`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: 'inherit' });
  while (!isMounted(folder)) {
    assert.is(child.exitCode, null, 'it has mounted its disk');
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('that one which was killed has left are unmounted, those of one that runs are not', async () => {
  await using root = await mkdtempDisposable(path.join(os.tmpdir(), 'holdfast-small-disk-'));
  const [left, used] = [path.join(root.path, 'left'), path.join(root.path, 'used')];
  const killed = await processWith(left);
  const running = await processWith(used);
  await kill(killed);
  assert.ok(isMounted(left));
  await SmallDisk.unmountLeftOver();
  assert.equal([isMounted(left), isMounted(used)], [false, true]);
  await kill(running);
  await SmallDisk.unmountLeftOver();
  assert.not(isMounted(used));
});

const probe = await mkdtempDisposable(path.join(os.tmpdir(), 'holdfast-small-disk-'));
const canBe = await SmallDisk.canBe(path.join(probe.path, 'disk'));
await probe.remove();
if (canBe) test.run();
else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED ??= [];
  skipped.HOLDFAST_SKIPPED.push('small disks of a benchmark: no small file system can be mounted here');
}
