import { randomUUID } from 'node:crypto';
import type { LinkObserver } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { alarmingLinks } from './alarming-links.js';

const test = suite('alarms about links');
const site = randomUUID() as SiteId;

function watched() {
  const names: string[] = [];
  const silent: LinkObserver = {
    established: () => undefined,
    lost: () => undefined,
    measured: () => undefined,
  };
  const links = alarmingLinks(silent, {
    nameOf: async () => 'Bus 7',
    raiseAlarm: ({ name }) => void names.push(name),
  });
  /** Names arrive a turn later. */
  const alarms = async () => {
    await new Promise(resolve => setImmediate(resolve));
    return names;
  };
  return { links, alarms };
}

test('a false signature and a fork are an alarm at once, and once for all retries', async () => {
  const { links, alarms } = watched();
  for (let retry = 0; retry < 5; retry += 1) links.refused!(site, { code: 'BAD_SIGNATURE', detail: 'x' });
  links.refused!(site, { code: 'FORK', detail: 'y' });
  assert.equal(await alarms(), [
    'The log of Bus 7 is refused: BAD_SIGNATURE',
    'The log of Bus 7 is refused: FORK',
  ]);
});

test('what was acknowledged and the database refuses is an alarm at once', async () => {
  const { links, alarms } = watched();
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
  const { links, alarms } = watched();
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
  const { links, alarms } = watched();
  for (let offer = 0; offer < 3; offer += 1) links.refused!(site, { code: 'FORK', detail: 'up to 1/5' });
  assert.is((await alarms()).length, 1);
  links.relayed!(site);
  for (let offer = 0; offer < 3; offer += 1) links.refused!(site, { code: 'FORK', detail: 'up to 1/9' });
  assert.is((await alarms()).length, 2);
});

test('a command that was answered and is missing here is an alarm', async () => {
  const { links, alarms } = watched();
  links.refused!(site, { code: 'WISH_LOST', detail: 'it has answered wish 4' });
  assert.equal(await alarms(), ['A command to Bus 7 is missing in this log']);
});

test('a newer session and a database that is away are no alarm', async () => {
  const { links, alarms } = watched();
  for (let retry = 0; retry < 5; retry += 1) {
    links.refused!(site, { code: 'FENCED', detail: '' });
    links.refused!(site, { code: 'UNAVAILABLE', detail: '' });
  }
  assert.equal(await alarms(), []);
});

test.run();
