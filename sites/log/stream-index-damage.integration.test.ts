import { generateKeyPairSync } from 'node:crypto';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { endOf, LOG_START, type NewEvent, placeOf } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readSiteLogFile } from './site-log-reader.js';
import { openSqliteSiteLog, type SqliteSiteLog } from './sqlite-site-log.js';
import { INDEX_BATCH_EVENTS } from './stream-index.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('a damaged stream index');
const site = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-index-damage-'));
const genuine = path.join(directory, 'genuine.sqlite');
const PAGE_BYTES = 4096;
const STREAMS = 500;
/** All of them are indexed: of each stream only the index knows how far it goes. */
const EVENTS_PER_STREAM = Math.ceil(INDEX_BATCH_EVENTS / STREAMS);
const streams = Array.from({ length: STREAMS }, (_, index) => `stream-${String(index).padStart(4, '0')}`);
/** Of the genuine file: root first, leaves last. */
let indexPages: readonly number[] = [];
let eventPages: readonly number[] = [];

test.before(async () => {
  {
    await using log = await openSqliteSiteLog({ file: genuine, site, now: Date.now, signingKey });
    for (let count = 0; count < EVENTS_PER_STREAM; count += 1) await appendToAll(log);
    for (let count = 0; count < 10; count += 1) await append(log, 'tail', 'any');
  }
  indexPages = pagesOf('stream_index');
  eventPages = pagesOf('event');
  assert.ok(indexPages.length > 30, `${indexPages.length} pages`);
});
test.after(() => rmSync(directory, { recursive: true }));

function pagesOf(table: string): readonly number[] {
  const db = new DatabaseSync(genuine, { readOnly: true });
  const rows = db.prepare('SELECT pageno FROM dbstat WHERE name = ? ORDER BY length(path), path').all(table);
  db.close();
  return rows.map(({ pageno }) => pageno as number);
}

function newEvent(): NewEvent {
  return {
    ...{ id: v7() as EventId, type: 'AlarmRaised', version: 1, actor: 'user:anna', data: Buffer.from('{}') },
    ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
}

async function append(log: SqliteSiteLog, stream: string, expected: 'any' | number): Promise<void> {
  assert.ok((await log.append([{ stream, expected, events: [newEvent()] }])).appended);
}

async function appendToAll(log: SqliteSiteLog): Promise<void> {
  const appends = streams.map(stream => ({ stream, expected: 'any' as const, events: [newEvent()] }));
  assert.ok((await log.append(appends)).appended);
}

async function revisionsOf(log: Pick<SqliteSiteLog, 'readStream'>, stream: string) {
  const page = await log.readStream({ stream, afterRevision: null, limit: 100 });
  return page.map(event => [event.stream, event.revision]);
}

const revisions = (stream: string, count: number) =>
  Array.from({ length: count }, (_, revision) => [stream, revision]);

/** A copy of the genuine file of which these pages are no longer what they were. */
function damaged(name: string, pages: readonly number[], damage: (page: Buffer) => void): string {
  const file = path.join(directory, `${name}.sqlite`);
  for (const end of ['', '-wal', '-shm']) rmSync(file + end, { force: true });
  copyFileSync(genuine, file);
  const bytes = readFileSync(file);
  for (const page of pages) damage(bytes.subarray((page - 1) * PAGE_BYTES, page * PAGE_BYTES));
  writeFileSync(file, bytes);
  return file;
}

const wiped = (page: Buffer) => void page.fill(0);
const torn = (page: Buffer) => void page.fill(0xa5, PAGE_BYTES / 2);

/** A log of which is known what was said of its index. */
async function opened(file: string) {
  const rebuilt: string[] = [];
  const onIndexRebuilt = (detail: string) => void rebuilt.push(detail);
  return {
    log: await openSqliteSiteLog({ file, site, now: Date.now, signingKey, onIndexRebuilt }),
    rebuilt,
  };
}

const damagesOf = async (file: string) =>
  (await verifySiteLog({ file, key: signingKey })).damages.map(({ code }) => code);

test('is named, and built anew from the events, when a stream that it leads to is appended to', async () => {
  const cases = [
    [indexPages[0]!, wiped],
    [indexPages[indexPages.length >> 1]!, torn],
    [indexPages.at(-1)!, wiped],
  ] as const;
  for (const [page, damage] of cases) {
    const file = damaged('append', [page], damage);
    const codes = await damagesOf(file);
    assert.ok(codes.length > 0, `page ${page}`);
    assert.ok(
      codes.every(code => code === 'FILE_STRUCTURE' || code === 'STREAM_INDEX_MISMATCH'),
      `page ${page}: ${codes}`,
    );
    const { log, rebuilt } = await opened(file);
    await appendToAll(log);
    assert.equal(await revisionsOf(log, streams[250]!), revisions(streams[250]!, EVENTS_PER_STREAM + 1));
    await log[Symbol.asyncDispose]();
    assert.is(rebuilt.length, 1, `page ${page}: ${rebuilt}`);
    assert.match(
      rebuilt[0]!,
      /INDEX_DAMAGED: the index of streams: .* was built anew from the events in \d+ ms$/,
    );
    assert.equal(await damagesOf(file), []);
  }
});

test('is named, and built anew, when a stream is read, once for all who read', async () => {
  const file = damaged('read', indexPages.slice(-15), wiped);
  const { log, rebuilt } = await opened(file);
  using other = readSiteLogFile(file);
  const readOther = () => other.readStream({ stream: streams.at(-1)!, afterRevision: null, limit: 100 });
  assert.throws(readOther, (error: { fault?: unknown }) => error.fault === 'INDEX_DAMAGED');
  const read = await Promise.all(streams.map(stream => revisionsOf(log, stream)));
  assert.equal(
    read,
    streams.map(stream => revisions(stream, EVENTS_PER_STREAM)),
  );
  assert.is(rebuilt.length, 1);
  assert.is(readOther().length, EVENTS_PER_STREAM);
  await log[Symbol.asyncDispose]();
  assert.equal(await damagesOf(file), []);
});

test('gives no event of another stream away, and leaves none out, when bits of what it holds have flipped', async () => {
  const [stream, other] = [streams[300]!, streams[301]!];
  const change = async (sql: string) => {
    const file = damaged('flipped', [], wiped);
    const db = new DatabaseSync(file);
    assert.is(db.prepare(sql).run().changes, 1);
    db.close();
    const { log, rebuilt } = await opened(file);
    assert.equal(await revisionsOf(log, stream), revisions(stream, EVENTS_PER_STREAM));
    assert.equal(await revisionsOf(log, other), revisions(other, EVENTS_PER_STREAM));
    await log[Symbol.asyncDispose]();
    assert.is(rebuilt.length, 1);
    assert.equal(await damagesOf(file), []);
  };
  await change(
    `UPDATE stream_index SET key = (SELECT key FROM stream_index WHERE stream = '${other}' AND revision = 3)
     WHERE stream = '${stream}' AND revision = 3`,
  );
  await change(
    `UPDATE stream_index SET stream = '${other}', revision = 77 WHERE stream = '${stream}' AND revision = 0`,
  );
});

test('does not give a revision twice when it leads elsewhere for the last one', async () => {
  const stream = streams[300]!;
  const file = damaged('last', [], wiped);
  const db = new DatabaseSync(file);
  db.exec(`UPDATE stream_index SET revision = 5000 WHERE stream = '${stream}' AND revision = 15`);
  db.close();
  const { log, rebuilt } = await opened(file);
  const expected = EVENTS_PER_STREAM - 1;
  await append(log, stream, expected);
  await log[Symbol.asyncDispose]();
  assert.is(rebuilt.length, 1);
  assert.equal(await damagesOf(file), []);
});

test('is built anew when the beginning of the log is removed', async () => {
  const file = damaged('truncated', indexPages.slice(-10), torn);
  const { log, rebuilt } = await opened(file);
  const keptAfter = { epoch: 1, position: 3000 };
  await log.truncate(
    { keptAfter, acknowledgedBy: 'PARENT', recordedBeforeMs: 1 },
    new AbortController().signal,
  );
  assert.equal(log.keptAfter(), keptAfter);
  await log[Symbol.asyncDispose]();
  assert.is(rebuilt.length, 1);
  assert.equal(await damagesOf(file), []);
});

test('is built anew before a restored log takes back what it has lost', async () => {
  const lost = damaged('lost', [], wiped);
  const { log: longer } = await opened(lost);
  await append(longer, 'tail', 'any');
  const checkpoint = await longer.signedCheckpoint();
  await longer[Symbol.asyncDispose]();
  const file = damaged('restored', indexPages.slice(-15), wiped);
  const { log, rebuilt } = await opened(file);
  const common = endOf(log.head());
  await append(log, 'diverged', 'any');
  using source = readSiteLogFile(lost);
  const events = [source.read({ after: common, limit: 10 })];
  const outcome = await log.reopenAs({ common, checkpoint, events, reason: 'an older copy' });
  assert.ok(outcome.reopened);
  await outcome.log[Symbol.asyncDispose]();
  assert.is(rebuilt.length, 1);
  assert.equal(await damagesOf(file), []);
});

test('leaves a log with damaged events as it was: what needs the index fails, and is named', async () => {
  const file = damaged('events', [...indexPages.slice(-15), eventPages[eventPages.length >> 1]!], wiped);
  const { log, rebuilt } = await opened(file);
  const last = streams.at(-1)!;
  const readLast = () => log.readStream({ stream: last, afterRevision: null, limit: 100 });
  assert.is(await readLast().catch(error => error.fault), 'INDEX_DAMAGED');
  assert.is(await readLast().catch(error => error.fault), 'INDEX_DAMAGED');
  // What does without the damaged pages goes on.
  await append(log, streams[0]!, 'any');
  let after = LOG_START;
  const fault = await (async () => {
    for (;;) after = placeOf((await log.read({ after, limit: 500 })).at(-1)!);
  })().catch(error => error.fault);
  assert.is(fault, 'DAMAGED');
  const refused = await log
    .append([{ stream: last, expected: 'any', events: [newEvent()] }])
    .catch(error => `${error.code} ${error.message}`);
  assert.match(
    String(refused),
    /^SITE_LOG_CLOSED the site log cannot be written: database disk image is malformed/,
  );
  assert.equal(rebuilt, []);
  await log[Symbol.asyncDispose]();
});

test.run();
