import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ChangedLogs } from './changed-logs.fixture.js';

const test = suite('a site log that is killed while it takes its history back');
const COMMON = 1000;
const LOST = 2000;
const OWN = 1000;
const ALL = COMMON + LOST + 1 + OWN + 1;

test('has taken it back wholly or not at all', async () => {
  using logs = new ChangedLogs();
  const lost = logs.file('lost');
  await logs.append(lost, COMMON - 1);
  const restored = logs.copy(lost, 'restored');
  const note = await logs.append(lost, LOST);
  await logs.append(restored, OWN);
  const history = { file: lost, commonPosition: COMMON, note };
  await logs.changeAndKill(
    restored,
    { lost: history },
    {
      whole: async file => {
        const { head, eventCount, signedCount } = await logs.openedAgain(file);
        assert.equal([head?.epoch, head?.size], [2, 1 + OWN + 1]);
        assert.equal([eventCount, signedCount], [ALL, ALL]);
      },
      killed: async file => {
        const { eventCount, head } = await logs.openedAgain(file);
        const isReopened = head?.epoch === 2;
        assert.is(eventCount, isReopened ? ALL : COMMON + OWN);
        if (isReopened) return;
        assert.ok(await logs.change({ file, lost: history }, null));
        assert.is((await logs.openedAgain(file)).eventCount, ALL);
      },
    },
  );
});

test.run();
