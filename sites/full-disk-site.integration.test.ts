import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hasSmallDisks, runOnSmallDisk } from './recording-server/media-database/small-disk.fixture.js';

const test = suite('site on a full disk');

if (hasSmallDisks('site on a full disk')) {
  test('the oldest goes; with all locked recording halts and says so, survives a kill, and goes on when there is room', async () => {
    const program = path.join(import.meta.dirname, 'full-disk-site.fixture.js');
    const phases = ['FIRST', 'AFTER_THE_KILL'];
    const { results, stderr } = await runOnSmallDisk({ megabytes: 52, program, phases });
    assert.is(results.length, phases.length, stderr);
    const [first, { alarms, ...afterTheKill }] = results as [unknown, Record<string, unknown>];
    assert.equal(first, { haltedWhileThereWasSomethingToDelete: 0, halted: true }, stderr);
    assert.equal(afterTheKill, { halted: 1, unhalted: 1 }, stderr);
    // The killed process may have got its alarm into the log, but not the note that it did: then the next one says it again.
    assert.ok(alarms === 1 || alarms === 2, `${alarms} alarms\n${stderr}`);
  });
}

test.run();
