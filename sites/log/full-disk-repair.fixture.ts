// Run in a mount namespace of its own, on a small file system that is really full: `node full-disk-repair.fixture.js DIR`.
// A site's log of which the parent holds more. Prints what came of pulling that back as JSON.
import { copyFileSync, mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LOG_START, type NewEvent, type PulledHistory } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { pulledHistoryFileOf, siteLogFileOf } from '../site-directory.js';
import type { HistoryNotKeptError } from './pulled-history-file.js';
import { type LogLife, openLogOf, runOverResets } from './run-over-resets.js';
import { readSiteLogFile } from './site-log-reader.js';

const [dataDirectory] = process.argv.slice(2) as [string];
const configuration = { site: { id: v7() as SiteId, name: 'Restored' } };
const logger = pino({ level: 'error' }, pino.destination(2));
const of = { configuration, dataDirectory, logger };
const filler = path.join(dataDirectory, 'filler');
const elsewhere = mkdtempSync(path.join(os.tmpdir(), 'holdfast-full-repair-'));
const held = path.join(elsewhere, 'held.sqlite');

const newEvent = (): NewEvent => ({
  ...{ id: v7() as EventId, type: 'AlarmRaised', version: 1, actor: 'user:anna' },
  data: Buffer.from(JSON.stringify({ mark: 'x'.repeat(50_000) })),
  ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
});

/** The log as the parent has it, and beside it one that ends before. */
async function lose(): Promise<Omit<PulledHistory, 'events'>> {
  const restored = path.join(elsewhere, 'restored.sqlite');
  const log = await openLogOf(of);
  await log.append([{ stream: 'a', expected: 'any', events: [newEvent()] }]);
  const { epoch, size: position } = log.head();
  await log[Symbol.asyncDispose]();
  copyFileSync(siteLogFileOf(dataDirectory), restored);
  const longer = await openLogOf(of);
  for (let count = 0; count < 40; count++) {
    await longer.append([{ stream: 'a', expected: 'any', events: [newEvent()] }]);
  }
  const checkpoint = await longer.signedCheckpoint();
  await longer[Symbol.asyncDispose]();
  copyFileSync(siteLogFileOf(dataDirectory), held);
  copyFileSync(restored, siteLogFileOf(dataDirectory));
  return { common: { epoch, position }, checkpoint, reason: 'an older copy' };
}

/** One event after the other, as over a slow link. */
async function* pulled({ common, checkpoint }: Omit<PulledHistory, 'events'>) {
  using source = readSiteLogFile(held);
  for (let { position } = common; position < checkpoint.head.size; position++) {
    yield source.read({ after: { ...common, position }, limit: 1 });
    await delay(2);
  }
}

function freeBytes(): number {
  const { bavail, bsize } = statfsSync(dataDirectory);
  return bavail * bsize;
}

/** Somebody else leaves this much of the disk. */
function leave(bytes: number): void {
  rmSync(filler, { force: true });
  writeFileSync(filler, Buffer.alloc(Math.max(0, freeBytes() - bytes), 1));
}

/** What an operator hears of it now. */
async function alarmsOf(repairs: LogLife['repairs']): Promise<readonly string[]> {
  const alarms: string[] = [];
  const told = new AbortController();
  const raiseAlarm: Parameters<typeof repairs.tellFailures>[0]['raiseAlarm'] = async ({ message }) =>
    void alarms.push(message);
  const telling = repairs.tellFailures({ raiseAlarm, logger }, told.signal);
  told.abort();
  await telling;
  return alarms;
}

const history = await lose();
const ended = new AbortController();
let nowMs = 0;
let life = 0;

async function live({ repairs, signal }: LogLife): Promise<void> {
  life += 1;
  const print = (facts: object) => console.log(JSON.stringify({ life, ...facts }));
  await using log = await openLogOf(of);
  const { length: count } = await log.read({ after: LOG_START, limit: 5000 });
  const files = readdirSync(dataDirectory).sort();
  print({ files, epoch: log.head().epoch, count, alarms: await alarmsOf(repairs) });
  const take = () => repairs.take({ ...history, events: pulled(history) });
  if (life === 1) {
    leave(1_500_000);
    const failure = await take().catch((error: unknown) => error as HistoryNotKeptError);
    const wanted = [repairs.isWanted()];
    nowMs += 60_000;
    wanted.push(repairs.isWanted());
    print({ code: failure?.code, wanted, alarms: await alarmsOf(repairs), room: freeBytes() > 1_000_000 });
    // For what is pulled, but not for the log beside it.
    leave(3_500_000);
    await take();
  } else if (life === 2) {
    const wanted = [repairs.isWanted()];
    nowMs += 120_000;
    wanted.push(repairs.isWanted());
    print({ wanted, room: freeBytes() > 3_000_000 });
    leave(11_000_000);
    await take();
  } else ended.abort();
  if (!signal.aborted) throw new Error('the life goes on');
}

leave(11_000_000);
writeFileSync(pulledHistoryFileOf(dataDirectory), 'of a kill');
await runOverResets(of, live, ended.signal, () => nowMs);
rmSync(elsewhere, { recursive: true });
