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
}

test.run();
