import { randomUUID } from 'node:crypto';
import type { SubjectKeyRing } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCentralFixture } from '../http/central-http.fixture.js';
import { createPostgresReplicaIntake } from '../intake/postgres-replica-intake.js';
import { destroyErasedKeys, destroyingErasedKeys } from './erased-keys.js';

const test = suite('erased keys');

test('the keys that a log says are erased are destroyed when that is durable here, and again after a kill', async () => {
  await using central = await openCentralFixture();
  const { child, database } = central;
  const destroyed: Parameters<SubjectKeyRing['destroy']>[0][] = [];
  const keys: SubjectKeyRing = { keyIdsOf: () => [], destroy: erased => void destroyed.push(erased) };
  const intake = destroyingErasedKeys(createPostgresReplicaIntake(database.sql), keys);
  const erased = { subject: `alarm-${randomUUID()}`, keyIds: [randomUUID()] };
  const stream = `subject-${erased.subject}`;
  const events = [
    child.event(stream, { type: 'SubjectErased', data: erased }),
    child.raw(stream, 'SubjectErased', 99, { of: 'tomorrow' }),
  ];
  const { fence, cursor: before } = await intake.openSession(child.site);
  const after = { epoch: 1, position: events.length, treeEdge: [] };
  assert.is(await intake.commit({ site: child.site, fence: fence - 1, before, after, events }), 'FENCED');
  assert.equal(destroyed, []);
  assert.is(await intake.commit({ site: child.site, fence, before, after, events }), 'COMMITTED');
  assert.equal(destroyed, [{ maker: child.site, ...erased }]);
  await destroyErasedKeys(database.sql, keys);
  assert.equal(destroyed.slice(1), [{ maker: child.site, ...erased }]);
});

test.run();
