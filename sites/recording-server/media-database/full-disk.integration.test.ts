import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hasSmallDisks, runOnSmallDisk } from './small-disk.fixture.js';

const test = suite('full disk');

if (hasSmallDisks('full disk')) {
  test('a disk that is really full costs nothing that was accepted once there is room again', async () => {
    const program = path.join(import.meta.dirname, 'full-disk.fixture.js');
    const { results, stderr } = await runOnSmallDisk({ megabytes: 12, program, phases: [''] });
    assert.is(stderr, '');
    const result = results[0] as Record<string, number> & { codes: string[] };
    assert.ok(result.heldWhenFull! >= 8, `${result.heldWhenFull} segments were held when the disk was full`);
    assert.equal(result.codes, ['ENOSPC']);
    assert.is(result.missing, 0);
    assert.is(result.dropped, 0);
    assert.is(result.damages, 0);
    assert.is(result.ballastWasThrownOff, true);
    assert.is(result.spans, 1);
  });

  test('a group that found no room is a gap because of the full disk, also where the next one was waiting behind it', async () => {
    const program = path.join(import.meta.dirname, 'dropped-on-full-disk.fixture.js');
    const { results, stderr } = await runOnSmallDisk({ megabytes: 10, program, phases: [''] });
    assert.is(stderr, '');
    const told = { dropped: ['HALTED'], codes: ['ENOSPC'], begins: [0, 2, 3], gaps: [[1, 2, 'DISK_FULL']] };
    assert.equal(results, [{ goingOn: told, full: told }]);
  });
}

test.run();
