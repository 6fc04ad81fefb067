import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { createMemorySiteLog, decodeEventData, LOG_START, noFoldStore } from '@holdfast/core';
import {
  createCertificateAuthority,
  issuePeerCredentials,
  savePeerCredentials,
} from '@holdfast/interconnect';
import type { EventId, SiteId } from '@holdfast/schema';
import {
  alarmsByCause,
  filesOfCertificates,
  ManagementServer,
  newUuid,
  sha256,
  watchCertificates,
} from '@holdfast/sites';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openDatabase } from '../postgres/database.js';
import { alarmsOfNode, hearAlarmsOfNodes } from './node-alarms.js';

const test = suite('alarms of a node without a log');
const DAY_MS = 24 * 3600 * 1000;
const LIFETIME_DAYS = 3650;
const logger = pino({ level: 'silent' });

async function until<Found>(what: string, find: () => Promise<Found | undefined>): Promise<Found> {
  for (let turns = 0; turns < 2_000; turns += 1) {
    const found = await find();
    if (found !== undefined) return found;
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  throw new Error(`timed out: ${what}`);
}

test('are raised, made more urgent, and ended by the process that has one, whichever of both begins first', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-node-alarms-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const { sql } = stack.use(await openDatabase({ directory, databaseUrl: null }));
  const siteId = randomUUID() as SiteId;
  const log = createMemorySiteLog({ site: siteId, now: Date.now, sha256 });
  const management = await ManagementServer.open({
    ...{ log, siteId, now: Date.now, newId: newUuid<EventId>, logger, folds: noFoldStore },
    subjectKeys: { keyIdsOf: () => [], destroy: () => undefined },
  });
  const told = async () => {
    const events = await log.read({ after: LOG_START, limit: 1_000 });
    return events.filter(({ type }) => type.startsWith('Alarm')).map(decodeEventData);
  };
  const told1st = async (type: string) => (await told()).find(event => event.type === type);
  const authority = await createCertificateAuthority({ name: 'Test', nowMs: Date.now() });
  const issue = async (leftDays: number) =>
    savePeerCredentials(
      path.join(directory, 'credentials'),
      await issuePeerCredentials(authority, {
        ...{ site: siteId, role: 'central' },
        nowMs: Date.now() - (LIFETIME_DAYS - leftDays) * DAY_MS,
      }),
    );
  let passedDays = 0;
  const startNode = () => {
    const stopping = new AbortController();
    const files = filesOfCertificates({ credentials: './credentials' }, directory);
    const running = watchCertificates(
      {
        ...{ files, logger, lookMs: 5, now: () => Date.now() + passedDays * DAY_MS },
        alarms: alarmsOfNode(sql, error => assert.unreachable(String(error))),
      },
      stopping.signal,
    );
    return async () => {
      stopping.abort();
      await running;
    };
  };

  await issue(20);
  const end = startNode();
  await hearAlarmsOfNodes(sql, alarmsByCause({ management, siteId }, logger));
  for (const text of ['', 'null', '{"cause":1}', '{"cause":"x","name":"x","message":"x","priority":7}'])
    await sql.notify('holdfast_node_alarm', text);
  const raised = await until('the alarm', () => told1st('AlarmRaised'));
  assert.ok(raised.type === 'AlarmRaised');
  assert.is(raised.data.name, 'The certificate of this server expires soon');
  assert.ok(raised.data.message.startsWith(`${hostname()}: ${directory}`), raised.data.message);
  passedDays = 18;
  await until('it is more urgent', () => told1st('AlarmPrioritised'));
  await end();
  passedDays = 0;
  await issue(LIFETIME_DAYS);
  const endAgain = startNode();
  await until('its end', () => told1st('AlarmClosed'));
  await endAgain();
  assert.equal(
    (await told()).map(({ type }) => type),
    ['AlarmRaised', 'AlarmPrioritised', 'AlarmCommented', 'AlarmClosed'],
    'each once',
  );
});

test.run();
