import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hasSmallDisks, runOnSmallDisk } from '../recording-server/media-database/small-disk.fixture.js';

const test = suite('a log that lost its end, on a full disk');

if (hasSmallDisks('a log that lost its end, on a full disk')) {
  test('its site lives on and says so, leaves nothing behind, and repairs it later', async () => {
    const program = path.join(import.meta.dirname, 'full-disk-repair.fixture.js');
    const { results, stderr } = await runOnSmallDisk({ megabytes: 16, program, phases: ['ONLY'] });
    const files = ['filler', 'keys', 'log'];
    const wanted = [false, true];
    const alarms = (because: string) => [
      `NOT_REPAIRED_NOW: ${because}; it is tried again, at the latest after an hour`,
    ];
    assert.equal(
      results,
      [
        { life: 1, files, epoch: 1, count: 2, alarms: [] },
        {
          ...{ life: 1, code: 'HISTORY_NOT_KEPT', wanted, room: true },
          alarms: alarms('ENOSPC: no space left on device, write'),
        },
        { life: 2, files, epoch: 1, count: 2, alarms: alarms('database or disk is full') },
        { life: 2, wanted, room: true },
        { life: 3, files, epoch: 2, count: 44, alarms: [] },
      ],
      stderr,
    );
  });
}

test.run();
