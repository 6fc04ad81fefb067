import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from './media-fixture.js';

const test = suite('full disk');

// A small file system needs a mount namespace: root has it, and so have users where the system lets them.
const mountNamespaces = ['unshare --mount', 'unshare --user --map-root-user --mount'];
const mounts = (namespace: string) =>
  spawnSync('sh', ['-c', `${namespace} sh -c 'mount -t tmpfs tmpfs /mnt'`]).status === 0;
const namespace = mountNamespaces.find(mounts);

if (namespace === undefined) {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED ??= [];
  skipped.HOLDFAST_SKIPPED.push('full disk: no small file system can be mounted here');
} else {
  test('a disk that is really full costs nothing that was accepted once there is room again', async () => {
    await using folder = await temporaryFolder();
    const program = path.join(import.meta.dirname, 'full-disk.fixture.js');
    const run = spawnSync(
      'sh',
      [
        '-c',
        `${namespace} sh -c 'mount -t tmpfs -o size=12m tmpfs "$1" && exec "$2" --disable-warning=ExperimentalWarning "$3" "$1"' sh "$1" "$2" "$3"`,
        'sh',
        folder.path,
        process.execPath,
        program,
      ],
      { encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL' },
    );
    assert.is(run.stderr, '');
    const result = JSON.parse(run.stdout);
    assert.ok(result.heldWhenFull >= 8, `${result.heldWhenFull} segments were held when the disk was full`);
    assert.equal(result.codes, ['ENOSPC']);
    assert.is(result.missing, 0);
    assert.is(result.dropped, 0);
    assert.is(result.damages, 0);
    assert.is(result.ballastWasThrownOff, true);
    assert.is(result.spans, 1);
  });
}

test.run();
