import { randomUUID } from 'node:crypto';
import { AlarmId, type SiteId } from '@holdfast/schema';
import { alarmsByCause } from '@holdfast/sites';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { projectionReporter } from './projection-reporter.js';
import type { QuarantineRow } from './quarantine.js';

const test = suite('alarms about projections');
const site = randomUUID() as SiteId;
const logger = pino({ level: 'silent' });

/** Takes the place of the management server: what it was asked to raise. */
function raising() {
  const commands: { alarmId: string; name: string }[] = [];
  const execute = async (command: never) => {
    commands.push(command);
    return { accepted: true } as never;
  };
  const raiseAlarm = alarmsByCause({ siteId: site, management: { execute } as never }, logger).raise;
  return { commands, reports: projectionReporter({ logger, raiseAlarm }) };
}

const row = (
  seq: number,
  status: QuarantineRow['status'] = 'POISON',
  projection = 'alarms',
): QuarantineRow => ({
  ...{ projection, seq, site, stream: 'alarm-1', status, reason: 'why', atMs: 0, attempts: 1 },
});

test('are raised once for each projection, and not for what waits for an upgrade', () => {
  const { commands, reports } = raising();
  reports.onQuarantined(row(1, 'UNTIL_UPGRADE'));
  assert.is(commands.length, 0);
  for (const seq of [1, 2, 3]) reports.onQuarantined(row(seq));
  reports.onHalted({ projection: 'alarms', seq: 4, reason: 'why' });
  reports.onQuarantined(row(1, 'POISON', 'recordings'));
  assert.equal(
    commands.map(({ name }) => name),
    ['Projection alarms shows less than the log', 'Projection recordings shows less than the log'],
  );
});

test('have the same id for the same cause, so that none is raised twice over a restart', () => {
  const [before, after] = [raising(), raising()];
  for (const { reports } of [before, after]) reports.onQuarantined(row(7));
  assert.is(before.commands[0]!.alarmId, after.commands[0]!.alarmId);
  assert.is(AlarmId.parse(before.commands[0]!.alarmId), before.commands[0]!.alarmId);
});

test('are raised again when what was set right differs once more, and not while it lasts', () => {
  const { commands, reports } = raising();
  const result = { ...{ projection: 'alarms', site, events: 9 }, difference: 'alarm lacks: 1 rows' };
  for (const foundAtMs of [1, 1, 2]) reports.onDifference({ ...result, foundAtMs });
  const [first, lasting, again] = commands.map(({ alarmId }) => alarmId);
  assert.is(first, lasting);
  assert.is.not(first, again);
});

test.run();
