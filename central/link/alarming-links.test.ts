import { randomUUID } from 'node:crypto';
import { createMemorySiteLog, LOG_START, noFoldStore } from '@holdfast/core';
import type { LinkObserver } from '@holdfast/interconnect';
import type { AlarmId, EventId, SiteId } from '@holdfast/schema';
import { alarmsByCause, ManagementServer, newUuid, sha256 } from '@holdfast/sites';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { alarmingLinks } from './alarming-links.js';

const test = suite('alarms about links');
const site = randomUUID() as SiteId;
const region = randomUUID() as SiteId;
const logger = pino({ level: 'silent' });

async function watched() {
  const siteId = randomUUID() as SiteId;
  const log = createMemorySiteLog({ site: siteId, now: Date.now, sha256 });
  const management = await ManagementServer.open({
    ...{ log, siteId, now: Date.now, newId: newUuid<EventId>, logger, folds: noFoldStore },
    subjectKeys: { keyIdsOf: () => [], destroy: () => undefined },
  });
  const silent: LinkObserver = {
    established: () => undefined,
    lost: () => undefined,
    measured: () => undefined,
  };
  let nowMs = 0;
  const start = () =>
    alarmingLinks(silent, {
      nameOf: async named => (named === region ? 'North' : 'Bus 7'),
      raiseAlarm: alarmsByCause({ management, siteId }, logger).raise,
      monotonicMs: () => nowMs,
    });
  const raised = async () => {
    // Names arrive a turn later, and an alarm some turns behind them.
    for (let turns = 0; turns < 50; turns += 1) await new Promise(resolve => setImmediate(resolve));
    const events = await log.read({ after: LOG_START, limit: 1_000 });
    return events
      .filter(({ type }) => type === 'AlarmRaised')
      .map(({ data }) => JSON.parse(Buffer.from(data).toString()))
      .map(({ alarmId, name, message }) => ({ alarmId: alarmId as AlarmId, name, message }));
  };
  return {
    links: start(),
    /** The central is started anew on the same log. */
    start,
    later: (ms: number) => {
      nowMs += ms;
    },
    raised,
    alarms: async () => (await raised()).map(({ name }) => name),
    closeLast: async () => {
      const { alarmId } = (await raised()).at(-1)!;
      const closed = { kind: 'HandleAlarm', alarmId, state: 'CLOSED', reason: 'seen' } as const;
      assert.ok((await management.execute(closed, { actor: 'user:admin' })).accepted);
    },
  };
}

test('a false signature and a fork are an alarm at once, and once for all retries', async () => {
  const { links, alarms } = await watched();
  for (let retry = 0; retry < 5; retry += 1) links.refused!(site, { code: 'BAD_SIGNATURE', detail: 'x' });
  links.refused!(site, { code: 'FORK', detail: 'y' });
  assert.equal(await alarms(), [
    'The log of Bus 7 is refused: BAD_SIGNATURE',
    'The log of Bus 7 is refused: FORK',
  ]);
});

test('what was acknowledged and the database refuses is an alarm at once', async () => {
  const { links, alarms } = await watched();
  links.refused!(site, { code: 'UNSTORABLE', detail: '1/41..60 cannot be stored' });
  assert.equal(await alarms(), ['The log of Bus 7 is refused: UNSTORABLE']);
});

/** A session as each comes to be while a log is refused: it is up before anything can be refused of it. */
function refusedSession(links: LinkObserver, session: number): void {
  links.established(site, session);
  links.refused!(site, { code: 'BAD_HASH', detail: 'x' });
  links.lost(site, 'PROTOCOL_ERROR', 1, 5);
}

test('damage on the way is an alarm only when it comes again and again, however far each session comes', async () => {
  const { links, alarms } = await watched();
  refusedSession(links, 1);
  refusedSession(links, 2);
  links.established(site, 3);
  links.lost(site, 'CLOSED', 1, 9);
  refusedSession(links, 4);
  refusedSession(links, 5);
  assert.equal(await alarms(), []);
  refusedSession(links, 6);
  refusedSession(links, 7);
  assert.equal(await alarms(), ['The log of Bus 7 is refused: BAD_HASH']);
});

test('a log two hops below that went on and is refused anew is an alarm anew, and none for each offer', async () => {
  const { links, alarms } = await watched();
  for (let offer = 0; offer < 3; offer += 1)
    links.refused!(site, { code: 'FORK', detail: 'up to 1/5' }, region);
  assert.is((await alarms()).length, 1);
  links.relayed!(site);
  for (let offer = 0; offer < 3; offer += 1)
    links.refused!(site, { code: 'FORK', detail: 'up to 1/9' }, region);
  assert.is((await alarms()).length, 2);
});

test('what merely repeats is one alarm, and one more each time that it is closed, also over a restart', async () => {
  const { links, alarms, closeLast, start } = await watched();
  const refuse = async (at: LinkObserver) => {
    for (let attempt = 0; attempt < 10; attempt += 1) {
      at.refused!(site, { code: 'BAD_SIGNATURE', detail: 'not its key' });
      at.lost(site, 'PROTOCOL_ERROR', 1, 5);
    }
    return (await alarms()).length;
  };
  assert.is(await refuse(links), 1);
  assert.is(await refuse(start()), 1);
  await closeLast();
  assert.is(await refuse(links), 2);
  assert.is(await refuse(links), 2);
  await closeLast();
  assert.is(await refuse(start()), 3);
});

test('a refusal that begins again with the same words, when the log had gone on, is an alarm again though nobody closed the last', async () => {
  const { links, alarms } = await watched();
  const refuse = async () => {
    for (let attempt = 0; attempt < 3; attempt += 1) {
      links.refused!(site, { code: 'NOT_ENROLLED', detail: 'not enrolled here' });
    }
    return (await alarms()).length;
  };
  const session = (session: number, position: number) => {
    links.established(site, session);
    links.measured(site, {
      ...{ roundTripMs: 1, clockOffsetMs: 0, epoch: 1, headPosition: 9, headRoot: new Uint8Array(32) },
      relayed: null,
    });
    links.lost(site, 'CLOSED', 1, position);
  };
  assert.is(await refuse(), 1);
  session(1, 9);
  assert.is(await refuse(), 2);
  session(2, 9);
  assert.is(await refuse(), 3, 'all of the log is held, though nothing of it is new');
  session(3, 8);
  assert.is(await refuse(), 3, 'a session that broke before it came to anything');
});

test('a clock that is off is one alarm as long as it is, which says by how much, and another when it was right in between', async () => {
  const { links, raised, closeLast } = await watched();
  const measure = async (clockOffsetMs: number, roundTripMs = 20) => {
    const head = { epoch: 1, headPosition: 9, headRoot: new Uint8Array(32), relayed: null };
    links.measured(site, { roundTripMs, clockOffsetMs, ...head });
    return (await raised()).length;
  };
  assert.is(await measure(9_000), 0);
  assert.is(await measure(30_000, 45_000), 0, 'a slow link says little of a clock');
  assert.is(await measure(7_200_000), 1);
  assert.is(await measure(7_200_500), 1);
  const first = (await raised())[0]!;
  assert.is(first.name, 'The clock of Bus 7 is off');
  assert.match(first.message, 'It is 7200 s ahead of the clock here');
  await closeLast();
  assert.is(await measure(7_200_000), 1);
  assert.is(await measure(3), 1);
  assert.is(await measure(-60_000), 2);
  assert.match((await raised())[1]!.message, 'It is 60 s behind the clock here');
});

test('what is refused in a session that has gone well for an hour has begun again', async () => {
  const { links, alarms, later } = await watched();
  const refuse = async (session: number, afterMs: number) => {
    links.established(site, session);
    later(afterMs);
    links.refused!(site, { code: 'BAD_SIGNATURE', detail: 'not the key of the parent' });
    links.lost(site, 'PROTOCOL_ERROR', 1, session);
    return (await alarms()).length;
  };
  assert.is(await refuse(1, 1_000), 1);
  assert.is(await refuse(2, 1_000), 1);
  assert.is(await refuse(3, 3_600_000), 2);
  assert.is(await refuse(4, 1_000), 2);
});

test('sessions that break before they come to the damage do not hide that it is there each time', async () => {
  const { links, alarms } = await watched();
  for (let session = 1; session <= 6; session += 2) {
    refusedSession(links, session);
    links.established(site, session + 1);
    links.lost(site, 'HEARTBEAT_MISSED', 1, 5);
  }
  assert.equal(await alarms(), ['The log of Bus 7 is refused: BAD_HASH']);
});

test('whose session is meant stands in the alarm, and a relayed log is another matter than its own session', async () => {
  const { links, raised } = await watched();
  const trouble = { code: 'FORK', detail: 'another history is held up to 1/5' } as const;
  links.refused!(site, trouble);
  links.refused!(site, trouble, region);
  assert.equal(
    (await raised()).map(({ message }) => message),
    [
      'another history is held up to 1/5. This is about the session of Bus 7 itself.',
      'another history is held up to 1/5. This is about its log as North brings it.',
    ],
  );
});

test('a command that was answered and is missing here is an alarm', async () => {
  const { links, alarms } = await watched();
  links.refused!(site, { code: 'WISH_LOST', detail: 'it has answered wish 4' });
  assert.equal(await alarms(), ['A command to Bus 7 is missing in this log']);
});

test('a newer session and a database that is away are no alarm', async () => {
  const { links, alarms } = await watched();
  for (let retry = 0; retry < 5; retry += 1) {
    links.refused!(site, { code: 'FENCED', detail: '' });
    links.refused!(site, { code: 'UNAVAILABLE', detail: '' });
  }
  assert.equal(await alarms(), []);
});

test('who makes up sites and words is an alarm so many times in an hour, and then one that says so', async () => {
  const { links, alarms, later } = await watched();
  const bring = (count: number) => {
    for (let each = 0; each < count; each += 1) {
      const trouble = { code: 'UNKNOWN_EPOCH', detail: `begins with ${randomUUID()}` } as const;
      links.refused!(randomUUID() as SiteId, trouble, region);
      links.refused!(site, trouble);
    }
  };
  bring(200);
  for (let look = 0; look < 20; look += 1) await alarms();
  const many = 'Much of what North brings is refused';
  assert.is((await alarms()).length, 2 * 50 + 2);
  assert.is((await alarms()).filter(name => name === many).length, 1);
  later(3_600_000);
  links.refused!(randomUUID() as SiteId, { code: 'NOT_ENROLLED', detail: 'no key' }, region);
  assert.is((await alarms()).length, 2 * 50 + 3);
});

test.run();
