// Run in a mount namespace of its own, on a small file system: `node set-aside-log.fixture.js DIR PHASE`. A site's log that is damaged
// where there is no room for another one beside it. Prints what its lives have as JSON.
import { readdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import {
  LOG_START,
  type NewEvent,
  type PulledHistory,
  placeKey,
  placeOf,
  type RecordedEvent,
  type SiteLog,
} from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { siteLogFileOf } from '../site-directory.js';
import { loadSiteKeys } from '../site-keys.js';
import { type LogLife, openLogOf, runOverResets } from './run-over-resets.js';
import { verifySiteLog } from './verify-site-log.js';

const [dataDirectory, phase] = process.argv.slice(2) as [string, 'ALONE' | 'WITH_PARENT'];
const configuration = { site: { id: v7() as SiteId, name: 'Full' } };
const of = { configuration, dataDirectory, logger: pino({ level: 'error' }, pino.destination(2)) };
const file = siteLogFileOf(dataDirectory);
const filler = path.join(dataDirectory, 'filler');
const EVENTS = 60;

let marks = 0;
function newEvent(type: 'AlarmRaised' | 'DiskRecovered' = 'DiskRecovered'): NewEvent {
  marks += 1;
  return {
    ...{ id: v7() as EventId, type, version: 1, actor: 'user:anna' },
    data: Buffer.from(JSON.stringify({ mark: marks, text: 'x'.repeat(20_000) })),
    ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
}

const append = (log: SiteLog, stream: string, ...events: readonly NewEvent[]) =>
  log.append([{ stream, expected: 'any', events }]);

async function eventsOf(log: SiteLog): Promise<readonly RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (let after = LOG_START; ; after = placeOf(events.at(-1)!)) {
    const page = await log.read({ after, limit: 500 });
    if (page.length === 0) return events;
    events.push(...page);
  }
}

const markOf = ({ data }: RecordedEvent) =>
  JSON.parse(Buffer.from(data).toString()).mark as number | undefined;
const marksIn = (events: readonly RecordedEvent[]) => events.flatMap(event => markOf(event) ?? []);

/** What an operator hears of it now. */
async function alarmsOf(repairs: LogLife['repairs']): Promise<readonly string[]> {
  const alarms: string[] = [];
  const told = new AbortController();
  const raiseAlarm: Parameters<typeof repairs.tellFailures>[0]['raiseAlarm'] = async ({ message }) =>
    void alarms.push(message);
  const telling = repairs.tellFailures({ raiseAlarm, logger: of.logger }, told.signal);
  told.abort();
  await telling;
  return alarms;
}

const folders = () =>
  readdirSync(dataDirectory)
    .filter(name => name.startsWith('log'))
    .map(name => name.replace(/\d.*$/, '…'))
    .sort();
const print = (facts: object) => console.log(JSON.stringify({ phase, folders: folders(), ...facts }));

/** A log whose middle cannot be read, nor its last event, so that it does not open. */
async function damage(): Promise<Pick<PulledHistory, 'checkpoint'> & { events: readonly RecordedEvent[] }> {
  let acknowledged: Awaited<ReturnType<typeof damage>> | null = null;
  {
    await using log = await openLogOf(of);
    for (let count = 0; count < EVENTS; count += 1) {
      await append(log, 'disk', newEvent());
      // The first is stored, another one within a minute is not.
      if (count === 9) await log.signedCheckpoint();
      if (count === 29)
        acknowledged = { checkpoint: await log.signedCheckpoint(), events: await eventsOf(log) };
    }
    await append(log, 'alarm-1', newEvent('AlarmRaised'));
    await append(log, 'alarm-2', newEvent('AlarmRaised'));
    await append(log, 'disk', newEvent());
  }
  {
    using db = new DatabaseSync(file);
    // Of the 20th. What is signed behind it cannot be proved any more.
    const key = placeKey({ epoch: 1, position: 21 });
    db.prepare('UPDATE event SET leaf_hash = zeroblob(32) WHERE key = ?').run(key);
  }
  const bytes = readFileSync(file);
  bytes[bytes.lastIndexOf(`{"mark":${marks},`) + 20]! ^= 1;
  writeFileSync(file, bytes);
  const { bavail, bsize } = statfsSync(dataDirectory);
  writeFileSync(filler, Buffer.alloc(bavail * bsize - 1_500_000, 1));
  return acknowledged!;
}

const ended = new AbortController();
const acknowledged = await damage();
let life = 0;

async function live({ signal, repairs, mend }: LogLife): Promise<void> {
  await using log = await openLogOf(of);
  life += 1;
  if (life === 1) {
    print({ life, marks: marksIn(await eventsOf(log)), alarms: await alarmsOf(repairs) });
    await append(log, 'disk', newEvent());
    await append(log, 'alarm-2', newEvent('AlarmRaised'));
    if (phase === 'WITH_PARENT') {
      rmSync(filler);
      const { checkpoint, events } = acknowledged;
      return repairs.take({ common: LOG_START, checkpoint, events: [events], reason: 'another history' });
    }
  }
  const mending = mend(log, signal);
  rmSync(filler, { force: true });
  if (life === 1) return await mending;
  const alarms: string[] = [];
  while (alarms.length === 0) {
    await delay(10);
    alarms.push(...(await alarmsOf(repairs)));
  }
  const { damages, takenOver } = await verifySiteLog({ file, key: loadSiteKeys(dataDirectory).logKey });
  const byEpoch = Map.groupBy(await eventsOf(log), ({ epoch }) => epoch);
  const marksByEpoch = [...byEpoch.values()].map(marksIn);
  print({ life, damages, marksByEpoch, alarms, takenOver: takenOver.map(({ count }) => count) });
  ended.abort();
  await mending;
}

await runOverResets(of, live, ended.signal);
