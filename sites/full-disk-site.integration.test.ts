import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hasSmallDisks, runOnSmallDisk } from './recording-server/media-database/small-disk.fixture.js';

const test = suite('site on a full disk');

if (hasSmallDisks('site on a full disk')) {
  test('the oldest goes; with all locked recording halts and says so, survives a kill, and goes on when there is room', async () => {
    const program = path.join(import.meta.dirname, 'full-disk-site.fixture.js');
    const phases = ['FIRST', 'AFTER_THE_KILL'];
    const { results, stderr } = await runOnSmallDisk({ megabytes: 40, program, phases });
    const [first, afterTheKill] = results;
    assert.equal(first, { haltedWhileThereWasSomethingToDelete: 0, halted: true }, stderr);
    assert.equal(afterTheKill, { haltedAfterTheKill: true, halted: 1, unhalted: 1, alarms: 1 }, stderr);
  });
}

test.run();
