import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { equalBytes, LOG_START, type NewEvent, openCheckpoint, placeKey, placeOf } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rawPublicKey, verifyNote } from './ed25519-notes.js';
import { sha256 } from './sha256.js';
import { readSiteLogFile } from './site-log-reader.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('open a SQLite site log');
const site = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-open-log-'));
test.after(() => rmSync(directory, { recursive: true }));

const placeAt = (position: number) => ({ epoch: 1, position });
const keyAt = (position: number) => placeKey(placeAt(position));
const newFile = () => path.join(directory, `${randomBytes(6).toString('hex')}.sqlite`);
const open = (file: string, now: () => number = Date.now) =>
  openSqliteSiteLog({ file, site, now, signingKey, checkpointIntervalMs: 3_600_000 });
const faultOf = (opening: Promise<unknown>) =>
  opening.then(
    () => 'opened',
    error => [error.fault, error.position],
  );

function newEvents(count: number): readonly NewEvent[] {
  return Array.from({ length: count }, (_, index) => ({
    id: v7() as EventId,
    type: 'AlarmRaised',
    version: 1,
    data: Buffer.from(`{"index":${index}}`),
    actor: 'user:anna',
    occurredAtMs: 1_756_000_000_000,
    clockQuality: 'NTP',
    causationId: null,
    correlationId: null,
  }));
}

async function fileWith(count: number): Promise<string> {
  const file = newFile();
  await using log = await open(file);
  for (let left = count; left > 0; left -= 500) {
    await log.append([{ stream: 'a', expected: 'any', events: newEvents(Math.min(left, 500)) }]);
  }
  return file;
}

function change(file: string, sql: string): void {
  const db = new DatabaseSync(file);
  db.exec(sql);
  db.close();
}

test('continues where it was closed: positions, revisions, root, ids and a clock that does not run back', async () => {
  const file = newFile();
  const events = newEvents(3);
  let first: { readonly root: Uint8Array; readonly recordedAt: bigint };
  {
    await using log = await open(file, () => 2_000_000_000_000);
    await log.append([{ stream: 'a', expected: 'none', events }]);
    const [last] = await log.read({ after: placeAt(3), limit: 1 });
    first = { root: log.head().root, recordedAt: last!.recordedAt };
  }
  await using log = await open(file, () => 1_000_000_000_000);
  assert.is(log.head().size, 4);
  assert.ok(equalBytes(log.head().root, first.root));
  const again = await log.append([{ stream: 'a', expected: 'none', events }]);
  assert.ok(again.appended && again.replayed);
  const next = await log.append([{ stream: 'a', expected: 2, events: newEvents(1) }]);
  assert.ok(next.appended && next.firstPosition === 5);
  const [recorded] = await log.read({ after: placeAt(4), limit: 1 });
  assert.ok(recorded!.recordedAt > first.recordedAt);
});

test('grows a tree over more than one tail that verification agrees with', async () => {
  const file = await fileWith(2600);
  await using log = await open(file);
  const { head, damages, signedCount } = await verifySiteLog({ file, key: signingKey });
  assert.equal(damages, []);
  assert.equal([head?.size, signedCount], [2601, 2601]);
  assert.ok(equalBytes(head!.root, log.head().root));
});

test('signs where it stands, and keeps the last checkpoint in the file when it is closed', async () => {
  const file = newFile();
  const publicKey = rawPublicKey(createPublicKey(signingKey));
  {
    await using log = await open(file);
    await log.append([{ stream: 'a', expected: 'any', events: newEvents(2) }]);
    const { head, note } = await log.signedCheckpoint();
    assert.equal(openCheckpoint(note, { publicKey, verify: verifyNote }, sha256), head);
    assert.equal(head, log.head());
    await log.append([{ stream: 'a', expected: 'any', events: newEvents(5) }]);
  }
  const { signedCount, checkpointCount } = await verifySiteLog({ file, key: signingKey });
  assert.equal([signedCount, checkpointCount], [8, 2]);
});

test('is read by others while it is written', async () => {
  const file = newFile();
  await using log = await open(file);
  using reader = readSiteLogFile(file);
  assert.is(reader.head().size, 1);
  await log.append([{ stream: 'a', expected: 'any', events: newEvents(3) }]);
  assert.equal(reader.head(), log.head());
  assert.equal(
    reader.read({ after: placeAt(1), limit: 10 }).map(event => event.position),
    [2, 3, 4],
  );
  assert.is(reader.readStream({ stream: 'a', afterRevision: 0, limit: 10 }).length, 2);
});

test('refuses a second writer, another site, a newer layout and what is no log', async () => {
  const file = newFile();
  {
    await using log = await open(file);
    assert.ok(log.head().size === 1);
    assert.equal(await faultOf(open(file)), ['IN_USE', null]);
  }
  const other = openSqliteSiteLog({ file, site: v7() as SiteId, now: Date.now, signingKey });
  assert.equal(await faultOf(other), ['WRONG_SITE', null]);
  change(file, 'PRAGMA user_version = 99');
  assert.equal(await faultOf(open(file)), ['NEWER_LAYOUT', null]);
  const text = newFile();
  writeFileSync(text, 'no database at all'.repeat(100));
  assert.equal(await faultOf(open(text)), ['UNREADABLE', null]);
  assert.ok(readFileSync(text, 'utf8').startsWith('no database'), 'and leaves it as it was');
  const foreign = newFile();
  change(foreign, 'CREATE TABLE other (x)');
  assert.equal(await faultOf(open(foreign)), ['NOT_A_SITE_LOG', null]);
});

test('opens beside a lock file of garbage, and is the only writer then', async () => {
  const file = newFile();
  await using first = await open(file);
  await first[Symbol.asyncDispose]();
  writeFileSync(`${file}.lock`, 'no database at all'.repeat(100));
  await using log = await open(file);
  assert.is(log.head().size, 1);
  assert.equal(await faultOf(open(file)), ['IN_USE', null]);
});

test('refuses to write behind a damaged tail, and names the position', async () => {
  const damages: readonly (readonly [sql: string, position: number])[] = [
    [`UPDATE event SET data = x'7b7d' WHERE key = ${keyAt(9)}`, 9],
    [`DELETE FROM event WHERE key = ${keyAt(7)}`, 7],
    [`DELETE FROM event WHERE key = ${keyAt(11)}`, 11],
    [`UPDATE event SET stream = 'b' WHERE key = ${keyAt(10)}`, 10],
    ['UPDATE epoch SET tree_edge = zeroblob(length(tree_edge))', 1],
  ];
  for (const [sql, position] of damages) {
    const file = await fileWith(10);
    change(file, sql);
    assert.equal(await faultOf(open(file)), ['DAMAGED', position], sql);
  }
});

test('hands on no event whose bytes are not those that were written', async () => {
  const file = await fileWith(1500);
  change(file, `UPDATE event SET data = x'7b7d' WHERE key = ${keyAt(5)}`);
  await using log = await open(file);
  assert.is((await log.read({ after: placeAt(5), limit: 10 })).length, 10);
  assert.equal(await faultOf(log.read({ after: LOG_START, limit: 10 })), ['DAMAGED', 5]);
});

test('ends pages of large events early, and only an empty one at the end', async () => {
  const file = newFile();
  await using log = await open(file);
  const data = randomBytes(256 * 1024);
  for (let append = 0; append < 4; append += 1) {
    const events = newEvents(15).map(event => ({ ...event, data }));
    assert.ok((await log.append([{ stream: 'a', expected: 'any', events }])).appended);
  }
  const page = await log.read({ after: placeAt(1), limit: 5000 });
  assert.is(page.length, 32);
  const rest = await log.read({ after: placeOf(page.at(-1)!), limit: 5000 });
  assert.is(rest.length, 28);
  assert.equal(await log.read({ after: placeAt(61), limit: 5000 }), []);
});

test('appends keep their order around one that is larger than what may be in flight', async () => {
  await using log = await open(newFile());
  const large = newEvents(16).map(event => ({ ...event, data: new Uint8Array(256 * 1024).fill(0x20) }));
  const counts = [
    ...Array.from({ length: 1500 }, () => 1),
    large.length,
    ...Array.from({ length: 50 }, () => 1),
  ];
  const outcomes = await Promise.all(
    counts.map(count => {
      const events = count === 1 ? newEvents(1) : large;
      return log.append([{ stream: 'a', expected: 'any', events }]);
    }),
  );
  let position = 2;
  for (const [index, outcome] of outcomes.entries()) {
    assert.is(outcome.appended && outcome.firstPosition, position);
    position += counts[index]!;
  }
  const page = await log.read({ after: placeAt(1501), limit: 16 });
  assert.ok(page.every((event, index) => event.id === large[index]!.id && event.data.length === 256 * 1024));
});

test.run();
