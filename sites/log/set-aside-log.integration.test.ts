import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { hasSmallDisks, runOnSmallDisk } from '../recording-server/media-database/small-disk.fixture.js';

const test = suite('a damaged log without room for another one');
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => from + at);

async function livesOf(phase: string) {
  const program = path.join(import.meta.dirname, 'set-aside-log.fixture.js');
  const { results, stderr } = await runOnSmallDisk({ megabytes: 64, program, phases: [phase] });
  assert.is(results.length, 2, stderr);
  const [first, second] = results as [Record<string, unknown>, Record<string, unknown>];
  assert.equal(first.folders, ['log', 'log.unsalvaged-…']);
  assert.equal(first.marks, [], 'it records on without any');
  assert.match(String(first.alarms), 'is nothing taken yet, for want of room: make room');
  assert.equal([second.folders, second.damages], [['log', 'log.damaged-…'], []]);
  return second;
}

if (hasSmallDisks('a damaged log without room for another one')) {
  test('is set aside; when there is room, what was recorded meanwhile comes behind all that can be read of it', async () => {
    const { marksByEpoch, alarms, takenOver } = await livesOf('ALONE');
    // A checkpoint is kept of the first ten. The 20th was damaged, and the 63rd; the last two were recorded meanwhile, and signed.
    assert.equal(marksByEpoch, [range(1, 10), [...range(11, 19), ...range(21, 62), 64, 65]]);
    assert.match(
      String(alarms),
      'the events up to 1/11 were whole and signed, and 53 of those behind are recorded again in epoch 2 (51 of them taken over',
    );
    assert.equal(takenOver, [51]);
  });

  test('is read as well when the parent has given its history back: what that has not is recorded again', async () => {
    const { marksByEpoch, alarms, takenOver } = await livesOf('WITH_PARENT');
    assert.equal(marksByEpoch, [range(1, 30), [64, 65, ...range(31, 61)]]);
    assert.match(String(alarms), '31 events were not in the log, and are recorded again; 1 are left out');
    assert.equal(takenOver, [31]);
  });
}

test.run();
