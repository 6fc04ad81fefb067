import { randomUUID } from 'node:crypto';
import type { SubjectKeyRing } from '@holdfast/core';
import type { CausedAlarm } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCentralFixture } from '../http/central-http.fixture.js';
import { appendToFeed } from '../intake/postgres-replica-intake.js';
import { Wakeup } from '../read-models/wakeup.js';
import { ErasedKeys } from './erased-keys.js';

const test = suite('erased keys');

type Erased = Parameters<SubjectKeyRing['destroy']>[0];

test('keys are destroyed when the feed says so, whoever wrote it there; what fails is named and tried again', async () => {
  await using central = await openCentralFixture();
  const { child, database } = central;
  const { sql } = database;
  const erased = () => ({ subject: `alarm-${randomUUID()}`, keyIds: [randomUUID()] });
  const [first, second] = [erased(), erased()];
  const stream = `subject-${first.subject}`;
  // As a projector node does; no session, and no intake of this process, has a part in it.
  const append = (...events: Parameters<typeof appendToFeed>[1]) =>
    sql.begin(tx => appendToFeed(tx, events, async () => undefined));
  const destroyed: Erased[] = [];
  let failuresLeft = 0;
  const destroy = (of: Erased) => {
    if (failuresLeft-- > 0) throw new Error('database or disk is full');
    destroyed.push(of);
  };
  const keys = new ErasedKeys({ sql, keys: { destroy } });
  await append(
    child.raw(stream, 'SubjectErased', 99, { of: 'tomorrow' }),
    child.event(stream, { type: 'SubjectErased', data: first }),
  );
  await keys.catchUp();
  assert.equal(destroyed, [{ by: child.site, ...first }]);

  failuresLeft = 1;
  const feedGrown = new Wakeup();
  const alarms: CausedAlarm[] = [];
  const failures: unknown[] = [];
  const ended = new AbortController();
  const onFailure = (error: unknown) => {
    failures.push(error);
    feedGrown.fire();
  };
  const running = keys.run({ feedGrown, raiseAlarm: alarm => alarms.push(alarm), onFailure }, ended.signal);
  await append(child.event(`${stream}-2`, { type: 'SubjectErased', data: second }));
  feedGrown.fire();
  const endMs = Date.now() + 10_000;
  while (destroyed.length < 2 && Date.now() < endMs) await new Promise(resolve => setTimeout(resolve, 5));
  ended.abort();
  await running;
  assert.equal(destroyed.slice(1), [{ by: child.site, ...second }]);
  assert.equal(
    failures.map(failure => (failure as { code?: string }).code),
    ['ERASED_KEYS_HELD'],
  );
  assert.is(alarms.length, 1);
  assert.match(alarms[0]!.message, /ERASED_KEYS_HELD/);

  // Another life reads all of them again: a copy that was restored meanwhile is destroyed again.
  const again: Erased[] = [];
  const anew = new ErasedKeys({ sql, keys: { destroy: of => void again.push(of) } });
  await anew.catchUp();
  assert.equal(again, destroyed);
  await anew.catchUp();
  assert.is(again.length, 2, 'once');

  // Where the end of a log was replaced, others may stand where it was read already.
  await sql`insert into replaced_tail (site, epoch, event_count) values (${child.site}, 1, 1)`;
  await anew.catchUp();
  assert.equal(again.slice(2), destroyed);
  await anew.catchUp();
  assert.is(again.length, 4, 'once');
});

test.run();
