import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import {
  decodeEventData,
  endOf,
  hexOf,
  LOG_START,
  type LogPlace,
  type LogTruncatedError,
  type NewEvent,
  placeOf,
  type RecordedEvent,
} from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { proveEvent } from './site-log-proofs.js';
import { readSiteLogFile } from './site-log-reader.js';
import { openSqliteSiteLog, type SqliteSiteLog } from './sqlite-site-log.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('a SQLite site log that is truncated');
const site = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-truncate-log-'));
test.after(() => rmSync(directory, { recursive: true }));

const never = new AbortController().signal;
const inDirectory = (name: string) => path.join(directory, `${name}.sqlite`);
const open = (file: string) => openSqliteSiteLog({ file, site, now: Date.now, signingKey });
const at = (position: number, epoch = 1) => ({
  keptAfter: { epoch, position },
  ...{ acknowledgedBy: 'PARENT' as const, recordedBeforeMs: 1_756_000_000_000 },
});

function newEvent(type = 'RecordingSealed'): NewEvent {
  return {
    ...{ id: v7() as EventId, type, version: 1, actor: 'user:anna' },
    data: Buffer.from(`{"text":"${'x'.repeat(300)}"}`),
    ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
}

async function grow(log: SqliteSiteLog, count: number, stream: string): Promise<void> {
  for (let left = count; left > 0; left -= 250) {
    const events = Array.from({ length: Math.min(250, left) }, () => newEvent());
    await log.append([{ stream, expected: 'any', events }]);
  }
}

const truncatedAt = (reading: Promise<unknown>) =>
  reading.then(
    () => 'read',
    (error: LogTruncatedError) => [error.code, error.keptAfter?.epoch, error.keptAfter?.position],
  );

test('says so first, then answers by name who asks for what is gone, and proves the rest', async () => {
  const file = inDirectory('named');
  let last: RecordedEvent;
  {
    await using log = await open(file);
    await grow(log, 1500, 'old');
    await grow(log, 1500, 'both');
    await log.signedCheckpoint();
    await grow(log, 1500, 'both');
    const edgeBefore = log.head();
    await log.truncate(at(2500), never);
    [last] = (await log.read({ after: endOf(edgeBefore), limit: 1 })) as [RecordedEvent];
    assert.is(decodeEventData(last).type, 'LogTruncated');
    assert.equal(await truncatedAt(log.read({ after: LOG_START, limit: 1 })), ['LOG_TRUNCATED', 1, 2500]);
    assert.equal(await truncatedAt(log.read({ after: { epoch: 1, position: 2499 }, limit: 1 })), [
      ...['LOG_TRUNCATED', 1, 2500],
    ]);
    const [first] = await log.read({ after: { epoch: 1, position: 2500 }, limit: 1 });
    assert.is(first?.position, 2501);
    const stream = (name: string, afterRevision: number | null) =>
      truncatedAt(log.readStream({ stream: name, afterRevision, limit: 10 }));
    assert.equal(await stream('both', null), ['LOG_TRUNCATED', 1, 2500]);
    assert.is(await stream('both', 998), 'read');
    assert.equal(await stream('old', null), ['LOG_TRUNCATED', 1, 2500]);
    assert.is(await stream('old', 1499), 'read');
    assert.is(await stream('none such', null), 'read');
  }
  const proved = await verifySiteLog({ file, key: signingKey });
  assert.equal(proved.damages, []);
  assert.equal([proved.head?.size, proved.eventCount, proved.signedCount], [4502, 2002, 2002]);
  const proof = await proveEvent({ file, eventId: last.id, signal: never });
  assert.ok(proof.proven);
});

test('goes on counting the revisions of streams of which nothing is left', async () => {
  const file = inDirectory('revisions');
  {
    await using log = await open(file);
    await grow(log, 300, 'old');
    await grow(log, 10, 'new');
    await log.truncate(at(305), never);
  }
  await using log = await open(file);
  const refused = await log.append([{ stream: 'old', expected: 'none', events: [newEvent()] }]);
  assert.equal(refused.appended || refused.refusal, {
    ...{ code: 'WRONG_REVISION', stream: 'old', expected: 'none', actual: 299 },
  });
  assert.ok((await log.append([{ stream: 'old', expected: 299, events: [newEvent()] }])).appended);
  const [event] = await log.readStream({ stream: 'old', afterRevision: 299, limit: 10 });
  assert.is(event?.revision, 300);
  assert.equal((await verifySiteLog({ file, key: signingKey })).damages, []);
});

test('removes whole epochs and the beginning of the next one', async () => {
  const file = inDirectory('epochs');
  const log = await open(file);
  await grow(log, 500, 'a');
  const { head, note } = await log.signedCheckpoint();
  const history = { events: [], checkpoint: { head, note }, reason: 'a test' };
  const { log: reopened } = await log.reopenAs({ ...history, common: endOf(head) });
  await grow(reopened, 500, 'a');
  await reopened.truncate(at(100, 2), never);
  assert.equal(await truncatedAt(reopened.read({ after: LOG_START, limit: 1 })), ['LOG_TRUNCATED', 2, 100]);
  assert.equal(
    reopened.epochs().map(({ epoch, size, root }) => [epoch, size, hexOf(root)]),
    [[1, head.size, hexOf(head.root)]],
  );
  await reopened[Symbol.asyncDispose]();
  const proved = await verifySiteLog({ file, key: signingKey });
  assert.equal(proved.damages, []);
  assert.equal([proved.eventCount, proved.signedCount], [403, 403]);
});

test('takes appends meanwhile, and gives the room back', async () => {
  const file = inDirectory('room');
  {
    await using log = await open(file);
    await grow(log, 12_000, 'old');
  }
  const before = statSync(file).size;
  {
    await using log = await open(file);
    const truncating = log.truncate(at(11_500), never);
    let appended = 0;
    while (appended < 20) {
      await grow(log, 1, 'new');
      appended += 1;
    }
    await truncating;
    assert.is(log.head().size, 12_001 + 20 + 1);
  }
  const after = statSync(file).size;
  assert.ok(after < before / 4, `${before} bytes before, ${after} after`);
  assert.equal((await verifySiteLog({ file, key: signingKey })).damages, []);
});

test('goes on when the log is opened again after it was cut off', async () => {
  const file = inDirectory('resumed');
  {
    await using log = await open(file);
    await grow(log, 9000, 'old');
    const stop = new AbortController();
    const truncating = log.truncate(at(8000), stop.signal);
    // The first slice moves the beginning; the second one is never asked for.
    while (readKeptAfter(file) === 0) await new Promise(resolve => setImmediate(resolve));
    stop.abort();
    await truncating;
  }
  const cutOff = readKeptAfter(file);
  assert.ok(cutOff > 0 && cutOff < 8000, `cut off at ${cutOff}`);
  assert.equal((await verifySiteLog({ file, key: signingKey })).damages, []);
  await using log = await open(file);
  while (readKeptAfter(file) < 8000) await new Promise(resolve => setTimeout(resolve, 5));
  assert.is(log.head().size, 9002);
});

test('carries over its cut what folds need, each event proved and in its place', async () => {
  const file = inDirectory('carried');
  const log = await open(file);
  const ids: EventId[] = [];
  for (let count = 0; count < 10; count += 1) {
    await grow(log, 249, 'facts');
    // Also an event that this software has never heard of.
    const event = newEvent(count % 2 === 0 ? 'DeviceRenamed' : 'OfTomorrow');
    ids.push(event.id);
    await log.append([{ stream: 'both', expected: 'any', events: [event, newEvent()] }]);
  }
  const all = await readAll(after => log.read({ after, limit: 1000 }));
  const stream = await log.readStream({ stream: 'both', afterRevision: null, limit: 100 });
  await log.truncate(at(2000), never);
  const fold = await readAll(after => log.read({ after, limit: 7, carried: true }));
  const isNeeded = (event: RecordedEvent) => event.position > 2000 || event.type !== 'RecordingSealed';
  const last = fold.pop()!;
  assert.is(last.type, 'LogTruncated');
  assert.equal(fold.map(bytesOf), all.filter(isNeeded).map(bytesOf));
  assert.equal(
    (await log.readStream({ stream: 'both', afterRevision: null, limit: 100, carried: true })).map(bytesOf),
    stream.filter(isNeeded).map(bytesOf),
  );
  const subscribed: RecordedEvent[] = [];
  const enough = new AbortController();
  for await (const page of log.subscribe({ after: LOG_START, signal: enough.signal, carried: true })) {
    subscribed.push(...page);
    if (subscribed.at(-1)?.type === 'LogTruncated') enough.abort();
  }
  assert.equal(subscribed.map(bytesOf), [...fold, last].map(bytesOf));
  assert.equal(await truncatedAt(log.readStream({ stream: 'both', afterRevision: null, limit: 1 })), [
    ...['LOG_TRUNCATED', 1, 2000],
  ]);
  await log[Symbol.asyncDispose]();
  const proof = await proveEvent({ file, eventId: ids[0]!, signal: never });
  assert.ok(proof.proven);
  const verification = await verifySiteLog({ file, key: signingKey });
  // The first event of the log, and one in every 251 after it.
  assert.equal([verification.damages, verification.carriedCount], [[], 8]);
});

test('knows an event again that it has removed, carried or not', async () => {
  const file = inDirectory('replayed');
  await using log = await open(file);
  for (const type of ['RecordingSealed', 'DeviceRenamed']) {
    const append = { stream: type, expected: 'any' as const, events: [newEvent(type), newEvent(type)] };
    const first = await log.append([append]);
    assert.ok(first.appended);
    await grow(log, 10, 'more');
    const { epoch, size } = log.head();
    await log.truncate(at(size, epoch), never);
    const again = await log.append([append]);
    assert.equal(again, { ...first, replayed: true });
    const conflicting = await log.append([{ ...append, stream: 'another' }]);
    assert.is(conflicting.appended || conflicting.refusal.code, 'ID_CONFLICT');
  }
});

test('takes back what others hold of it when an old copy of it is restored, and is truncated as before', async () => {
  const [file, restored] = [inDirectory('lost'), inDirectory('restored')];
  await using log = await open(file);
  const rename = () =>
    log.append([{ stream: 'hardware', expected: 'any', events: [newEvent('DeviceRenamed')] }]);
  await rename();
  await grow(log, 2000, 'facts');
  await log.truncate(at(1000), never);
  await rename();
  new DatabaseSync(file).exec(`VACUUM INTO '${restored}'`);
  const common = endOf(log.head());
  await grow(log, 1000, 'facts');
  await rename();
  const held = await readAll(after => log.read({ after: after.epoch === 0 ? common : after, limit: 1000 }));
  await log.truncate(at(2500), never);
  const [truncated] = await log.read({ after: placeOf(held.at(-1)!), limit: 1 });
  const checkpoint = await log.signedCheckpoint();
  const old = await open(restored);
  const event = newEvent('DeviceRenamed');
  await old.append([{ stream: 'hardware', expected: 'any', events: [event] }]);
  const events = [[...held, truncated!]];
  const outcome = await old.reopenAs({ common, events, checkpoint, reason: 'a test' });
  assert.ok(outcome.reopened, JSON.stringify(outcome));
  await using healed = outcome.log;
  while (readKeptAfter(restored) < 2500) await delay(5);
  const fold = await readAll(after => healed.read({ after, limit: 1000, carried: true }));
  const before = await readAll(after => log.read({ after, limit: 1000, carried: true }));
  assert.equal(fold.slice(0, before.length).map(bytesOf), before.map(bytesOf));
  assert.equal(
    fold.slice(before.length).map(({ type, epoch }) => [type, epoch]),
    [
      ['LogEpochOpened', 2],
      ['DeviceRenamed', 2],
      ['LogHistoryRecovered', 2],
    ],
  );
  assert.equal((await verifySiteLog({ file: restored, key: signingKey })).damages, []);
});

test('is not proved when a carried event or a leaf hash is another one', async () => {
  const file = inDirectory('carried-damaged');
  {
    await using log = await open(file);
    await log.append([{ stream: 'a', expected: 'any', events: [newEvent('DeviceRenamed')] }]);
    await grow(log, 1000, 'b');
    await log.truncate(at(640), never);
  }
  for (const [sql, expected] of [
    [
      'UPDATE carried_event SET data = CAST(\'{"text":"forged"}\' AS BLOB) WHERE revision = 0',
      'LEAF_HASH_MISMATCH',
    ],
    ["UPDATE carried_event SET key = key + 5 WHERE stream = 'a'", 'CARRIED_EVENT_UNPROVEN'],
    [
      'INSERT INTO carried_event SELECT key, id, stream, revision, header, data, leaf_hash FROM event',
      'CARRIED_EVENT_UNPROVEN',
    ],
    ["DELETE FROM carried_event WHERE stream = 'a'", 'CARRIED_EVENTS_MISMATCH'],
    [
      `INSERT INTO event (key, id, stream, revision, header, data, leaf_hash)
       SELECT key, id, stream, revision, header, data, leaf_hash FROM carried_event`,
      'EVENT_TRUNCATED',
    ],
    ['UPDATE truncated_leaves SET hashes = zeroblob(length(hashes))', 'TRUNCATED_LEAVES_MISMATCH'],
    ['DELETE FROM truncated_leaves', 'TRUNCATED_LEAVES_MISMATCH'],
    ['UPDATE event SET id = (SELECT id FROM truncated_id LIMIT 1) WHERE key % 1048576 = 700', 'ID_REPEATED'],
  ] as const) {
    const copy = inDirectory(`damaged-${v7()}`);
    new DatabaseSync(file).exec(`VACUUM INTO '${copy}'`);
    const db = new DatabaseSync(copy);
    db.exec(sql);
    db.close();
    const { damages } = await verifySiteLog({ file: copy, key: signingKey });
    assert.ok(
      damages.some(({ code }) => code === expected),
      `${sql}: ${JSON.stringify(damages[0])}`,
    );
  }
});

test('is not proved when the edge that stands for the beginning is another one', async () => {
  const file = inDirectory('edge');
  {
    await using log = await open(file);
    await grow(log, 1000, 'a');
    await log.truncate(at(640), never);
  }
  const db = new DatabaseSync(file);
  db.exec('UPDATE epoch SET kept_edge = zeroblob(length(kept_edge))');
  db.close();
  const { damages } = await verifySiteLog({ file, key: signingKey });
  assert.ok(damages.some(({ code }) => code === 'CHECKPOINT_ROOT_MISMATCH'));
});

async function readAll(
  read: (after: LogPlace) => Promise<readonly RecordedEvent[]>,
): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (;;) {
    const last = events.at(-1);
    const page = await read(last === undefined ? LOG_START : placeOf(last));
    if (page.length === 0) return events;
    events.push(...page);
  }
}

const bytesOf = ({ epoch, position, header, data }: RecordedEvent) =>
  `${epoch}/${position} ${hexOf(header)} ${hexOf(data)}`;

function readKeptAfter(file: string): number {
  using log = readSiteLogFile(file);
  return log.keptAfter().position;
}

test.run();
