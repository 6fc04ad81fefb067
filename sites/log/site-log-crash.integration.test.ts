import { type ChildProcess, fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { NewEvent, RecordedEvent, SiteLog } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AppenderReport } from './appender.process.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';
import { INDEX_BATCH_EVENTS } from './stream-index.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('a site log that is killed');
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-crash-log-'));
const file = path.join(directory, 'site-log.sqlite');
const site = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const KILLS = 5;
const INDEX_KILLS = 2;
test.after(() => rmSync(directory, { recursive: true }));

/** Where each acknowledged event was said to be. */
type Acknowledged = Map<string, number>;

/** Appends in a process of its own until it has acknowledged so many, then kills it in the middle of the next ones. */
async function appendAndKill(acknowledged: Acknowledged, count: number): Promise<void> {
  const child = fork(path.join(import.meta.dirname, 'appender.process.js'), [
    file,
    site,
    signingKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  ]);
  const target = acknowledged.size + count;
  child.on('message', (report: AppenderReport) => {
    for (const [id, position] of report) acknowledged.set(id, position);
    if (acknowledged.size >= target) child.kill('SIGKILL');
  });
  assert.equal(await exitOf(child), 'SIGKILL');
}

/** Appends events that are not in the index of streams, until a few more make up a batch of it. */
async function fillBatch(): Promise<void> {
  await using log = await openSqliteSiteLog({ file, site, now: Date.now, signingKey });
  const db = new DatabaseSync(file, { readOnly: true });
  const unindexed = db
    .prepare('SELECT count(*) AS count FROM event WHERE key > (SELECT indexed_key FROM log)')
    .get()?.count as number;
  db.close();
  for (let left = INDEX_BATCH_EVENTS - 100 - unindexed; left > 0; left -= 500) {
    const appends = Array.from({ length: Math.min(500, left) }, (_, index) => ({
      ...{ stream: `stream-${index}`, expected: 'any' as const, events: [newEvent()] },
    }));
    assert.ok((await log.append(appends)).appended);
  }
}

function newEvent(): NewEvent {
  return {
    ...{ id: v7() as EventId, type: 'AlarmRaised', version: 1, actor: 'user:anna', data: Buffer.from('{}') },
    ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
}

async function exitOf(child: ChildProcess): Promise<unknown> {
  // 'close' comes after the last message that the process managed to send.
  const [, signal] = await once(child, 'close');
  return signal;
}

async function readAll(log: SiteLog): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (;;) {
    const page = await log.read({ after: { epoch: 1, position: events.length }, limit: 5000 });
    if (page.length === 0) return events;
    events.push(...page);
  }
}

test('has every event that it acknowledged, once and where it said, after each of several kills', async () => {
  const acknowledged: Acknowledged = new Map();
  for (let kill = 0; kill < KILLS; kill += 1) {
    await appendAndKill(acknowledged, 100 + Math.floor(Math.random() * 1500));
    await using log = await openSqliteSiteLog({ file, site, now: Date.now, signingKey });
    const events = await readAll(log);
    assert.is(events.length, log.head().size);
    const positions = new Map(events.map(event => [event.id as string, event.position]));
    assert.is(positions.size, events.length, 'no id is there twice');
    for (const [id, position] of acknowledged) assert.is(positions.get(id), position, `event ${id}`);
  }
  assert.ok(acknowledged.size >= KILLS * 100);
  const { damages } = await verifySiteLog({ file, key: signingKey });
  assert.equal(damages, []);
});

test('has every event, under its stream too, after kills around batches of the index of streams', async () => {
  const acknowledged: Acknowledged = new Map();
  for (let kill = 0; kill < INDEX_KILLS; kill += 1) {
    await fillBatch();
    await appendAndKill(acknowledged, 98 + kill * 4);
    // What the kill has left, before it is opened for writing.
    assert.equal((await verifySiteLog({ file, key: signingKey })).damages, []);
    await using log = await openSqliteSiteLog({ file, site, now: Date.now, signingKey });
    const page = await log.readStream({ stream: 'stream-1', afterRevision: null, limit: 5000 });
    assert.equal(
      page.map(event => event.revision),
      page.map((_, revision) => revision),
    );
    const positions = new Map((await readAll(log)).map(event => [event.id as string, event.position]));
    for (const [id, position] of acknowledged) assert.is(positions.get(id), position, `event ${id}`);
  }
});

test('is not opened by two writers, and is free again when the first is killed', async () => {
  const child = fork(path.join(import.meta.dirname, 'appender.process.js'), [
    file,
    site,
    signingKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
  ]);
  const [[[, position]]] = (await once(child, 'message')) as [[[id: string, position: number]]];
  const fault = await openSqliteSiteLog({ file, site, now: Date.now, signingKey }).catch(
    error => error.fault,
  );
  assert.is(fault, 'IN_USE');
  child.kill('SIGKILL');
  await exitOf(child);
  await using log = await openSqliteSiteLog({ file, site, now: Date.now, signingKey });
  assert.ok(log.head().size >= position);
});

test.run();
