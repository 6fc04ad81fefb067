import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { actorOfUser, createMemorySiteLog, LOG_START, readEventData } from '@holdfast/core';
import type { DeviceId, EventId, SiteId } from '@holdfast/schema';
import { generateSealingKey, SubjectKeys, sha256 } from '@holdfast/sites';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Database, openDatabase } from '../postgres/database.js';
import { leaveForLog, machineOperator, OperatorLog } from './operator-log.js';

const test = suite('what operators do, on its way into the log');
const site = v7() as SiteId;
let directory = '';
let database: Database;
let personal: SubjectKeys;
let nowMs = 1_756_000_000_000;

test.before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'holdfast-operator-'));
  database = await openDatabase({ directory, databaseUrl: null });
  personal = SubjectKeys.open({
    file: path.join(directory, 'subject-keys.sqlite'),
    ...{ site, sealingKeyPem: generateSealingKey().privateKeyPem },
  });
});
test.after(async () => {
  personal[Symbol.dispose]();
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

function open() {
  const log = createMemorySiteLog({ site, now: () => nowMs, sha256 });
  const operators = new OperatorLog({
    ...{ log, sql: database.sql, personal, now: () => nowMs, newEventId: () => v7() as EventId },
  });
  const told = async () => {
    const events = await log.read({ after: LOG_START, limit: 100 });
    return events
      .filter(({ stream }) => stream !== 'log')
      .map(event => ({ ...event, decoded: readEventData(event) }));
  };
  return { log, operators, told };
}

test('what was asked for on the command line is an event, once, by the account of the machine, when it was asked', async () => {
  const { operators, told } = open();
  const asked = { type: 'ProjectionRebuildRequested', data: { projection: 'alarms' } } as const;
  await leaveForLog(database.sql, [asked], nowMs - 5_000);
  await database.sql`create table kept as select * from operator_action`;
  await operators.takeUp();
  assert.is((await database.sql`select 1 from operator_action`).length, 0);
  // As after a kill between the event and the removal of what asked for it.
  await database.sql`insert into operator_action select * from kept`;
  await operators.takeUp();
  const [event, ...others] = await told();
  assert.equal(others, []);
  assert.equal(event!.decoded, asked);
  assert.is(event!.stream, 'projection-alarms');
  assert.is(event!.occurredAtMs, nowMs - 5_000);
  assert.is(event!.actor, actorOfUser(personal, machineOperator()));
  assert.not(event!.actor.includes(machineOperator()), 'the name is sealed');
});

test('who turns a camera by hand is told once a minute, and each preset', async () => {
  const { operators, told } = open();
  const deviceId = v7() as DeviceId;
  const moved = (preset: string | null) => ({ type: 'PtzMoved', data: { deviceId, preset } }) as const;
  for (let second = 0; second < 90; second += 1) {
    await operators.record([moved(null)], 'user:anna');
    nowMs += 1_000;
  }
  await operators.record([moved(null)], 'user:bert');
  await operators.record([moved('Gate')], 'user:bert');
  await operators.record([moved('Gate')], 'user:bert');
  assert.equal(
    (await told()).map(({ actor, stream }) => [actor, stream]),
    ['user:anna', 'user:anna', 'user:bert', 'user:bert', 'user:bert'].map(actor => [
      actor,
      `ptz-${deviceId}`,
    ]),
  );
});

test.run();
