import { randomUUID } from 'node:crypto';
import { createMemorySiteLog, LOG_START, noFoldStore } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { alarmsByCause } from './alarms-by-cause.js';
import { sha256 } from './log/sha256.js';
import { ManagementServer } from './management-server/management-server.js';
import { newUuid } from './site-servers.js';

const test = suite('alarms that a site raises itself');
const logger = pino({ level: 'silent' });

async function openSite() {
  const siteId = randomUUID() as SiteId;
  const log = createMemorySiteLog({ site: siteId, now: Date.now, sha256 });
  const management = await ManagementServer.open({
    ...{ log, siteId, now: Date.now, newId: newUuid<EventId>, logger, folds: noFoldStore },
    subjectKeys: { keyIdsOf: () => [], destroy: () => undefined },
  });
  return {
    alarms: alarmsByCause({ management, siteId }, logger),
    /** What the log says of alarms, once nothing more is under way. */
    told: async () => {
      for (let turns = 0; turns < 100; turns += 1) await new Promise(resolve => setImmediate(resolve));
      const events = await log.read({ after: LOG_START, limit: 1_000 });
      return events.map(({ type }) => type).filter(type => type.startsWith('Alarm'));
    },
  };
}

const alarm = { cause: 'a', name: 'A', message: 'Why.', recurs: 'UNLESS_OPEN' } as const;

test('are one as long as the trouble lasts, and another one when it has ended and come again', async () => {
  const { alarms, told } = await openSite();
  for (let times = 0; times < 3; times += 1) alarms.raise(alarm);
  assert.equal(await told(), ['AlarmRaised']);
  alarms.end({ cause: 'a', reason: 'It is over.' });
  alarms.end({ cause: 'a', reason: 'It is over.' });
  assert.equal(await told(), ['AlarmRaised', 'AlarmClosed']);
  alarms.raise(alarm);
  assert.equal(await told(), ['AlarmRaised', 'AlarmClosed', 'AlarmRaised']);
});

test('are ended in the order in which it was said, though it was said at once', async () => {
  const { alarms, told } = await openSite();
  alarms.raise(alarm);
  alarms.end({ cause: 'a', reason: 'It is over.' });
  alarms.raise(alarm);
  assert.equal(await told(), ['AlarmRaised', 'AlarmClosed', 'AlarmRaised']);
});

test('become more urgent, and never less', async () => {
  const { alarms, told } = await openSite();
  alarms.raise({ ...alarm, priority: 3 });
  await told();
  alarms.raise({ ...alarm, priority: 2 });
  await told();
  alarms.raise({ ...alarm, priority: 3 });
  assert.equal(await told(), ['AlarmRaised', 'AlarmPrioritised', 'AlarmCommented']);
});

test('are not ended where there are none', async () => {
  const { alarms, told } = await openSite();
  alarms.end({ cause: 'a', reason: 'It is over.' });
  assert.equal(await told(), []);
});

test.run();
