import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { leafHashOf, type NewEvent, placeKey } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sha256 } from './sha256.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('verify a site log');
const site = v7() as SiteId;
const key = generateKeyPairSync('ed25519').privateKey;
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-verify-log-'));
const keyAt = (position: number) => placeKey({ epoch: 1, position });
const genuine = path.join(directory, 'genuine.sqlite');
/** Events beside `LogEpochOpened`; checkpoints are stored behind these positions and at the end. */
const EVENTS = 40;
const CHECKPOINTS = [11, 31];

test.before(async () => {
  let nowMs = 1_756_000_000_000;
  await using log = await openSqliteSiteLog({
    file: genuine,
    site,
    now: () => nowMs,
    signingKey: key,
    checkpointIntervalMs: 3_600_000,
  });
  for (let index = 0; index < EVENTS; index += 1) {
    await log.append([{ stream: `alarm-${index % 3}`, expected: 'any', events: [newEventOf(index)] }]);
    if (CHECKPOINTS.includes(log.head().size)) {
      nowMs += 3_600_000;
      await log.signedCheckpoint();
    }
  }
});
test.after(() => rmSync(directory, { recursive: true }));

function newEventOf(index: number): NewEvent {
  return {
    id: v7() as EventId,
    type: 'AlarmRaised',
    version: 1,
    data: Buffer.from(`{"mark":"event-${index}-of-the-test"}`),
    actor: 'user:anna',
    occurredAtMs: 1_756_000_000_000,
    clockQuality: 'NTP',
    causationId: null,
    correlationId: null,
  };
}

/** A copy of the genuine file, changed by SQL, as someone with access to it would. */
function tampered(change: (db: DatabaseSync) => void): string {
  const file = path.join(directory, `${randomUUID()}.sqlite`);
  writeFileSync(file, readFileSync(genuine));
  const db = new DatabaseSync(file);
  change(db);
  db.close();
  return file;
}

/** A copy of the genuine file with one byte flipped, found by the bytes around it. */
function flipped(needle: Uint8Array, offset: number): string {
  const file = path.join(directory, `${randomUUID()}.sqlite`);
  const bytes = readFileSync(genuine);
  // SQLite leaves stale copies behind in the unused part of its pages, so every one is flipped.
  const found: number[] = [];
  for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) found.push(at);
  assert.ok(found.length > 0, 'the bytes are in the file');
  for (const at of found) bytes[at + offset]! ^= 0x01;
  writeFileSync(file, bytes);
  return file;
}

async function damagesOf(file: string): Promise<readonly string[]> {
  const { damages } = await verifySiteLog({ file, key });
  return damages.map(({ code, position }) => `${code} ${position}`);
}

test('proves a genuine file, and says how far it is signed', async () => {
  const verification = await verifySiteLog({ file: genuine, key });
  assert.equal(verification.damages, []);
  assert.is(verification.head?.size, EVENTS + 1);
  assert.is(verification.checkpointCount, CHECKPOINTS.length + 1);
  assert.is(verification.signedCount, EVENTS + 1);
});

test('names the event of which a byte of data was flipped', async () => {
  assert.equal(await damagesOf(flipped(Buffer.from('event-16-of-the-test'), 3)), ['LEAF_HASH_MISMATCH 18']);
});

test('names the event of which a byte of the header was flipped', async () => {
  const db = new DatabaseSync(genuine, { readOnly: true });
  const header = db.prepare(`SELECT header FROM event WHERE key = ${keyAt(21)}`).get()?.header as Uint8Array;
  db.close();
  // The last byte of occurredAtMs: the header still reads well.
  assert.equal(await damagesOf(flipped(header, 71)), ['LEAF_HASH_MISMATCH 21']);
  assert.equal(await damagesOf(flipped(header, 0)), ['LEAF_HASH_MISMATCH 21', 'HEADER_MALFORMED 21']);
});

test('names the event that was deleted', async () => {
  const file = tampered(db => db.exec(`DELETE FROM event WHERE key = ${keyAt(20)}`));
  assert.equal(await damagesOf(file), ['EVENT_MISSING 20', 'REVISION_MISSING 23']);
});

test('proves what stands behind a missing event by the edge that the file keeps, and nothing below the hash that is taken from there', async () => {
  const file = tampered(db => db.exec(`DELETE FROM event WHERE key = ${keyAt(20)}`));
  const { signed, signedCount, head } = await verifySiteLog({ file, key });
  const spans = [
    { epoch: 1, from: 1, to: 11 },
    { epoch: 1, from: 33, to: 41 },
  ];
  assert.equal([signed, signedCount, head], [spans, 20, null]);
  const rewritten = tampered(db => {
    db.exec(`DELETE FROM event WHERE key = ${keyAt(20)}`);
    const row = db.prepare(`SELECT header FROM event WHERE key = ${keyAt(40)}`).get();
    const data = Buffer.from('{"mark":"never happened"}');
    const leafHash = leafHashOf(row?.header as Uint8Array, data, sha256);
    db.prepare(`UPDATE event SET data = ?, leaf_hash = ? WHERE key = ${keyAt(40)}`).run(data, leafHash);
  });
  const proved = await verifySiteLog({ file: rewritten, key });
  assert.equal(proved.signed, spans.slice(0, 1));
  assert.ok(proved.damages.some(({ code }) => code === 'CHECKPOINT_ROOT_MISMATCH'));
});

test('names the events on a page that cannot be read, how many there are, and proves the others', async () => {
  const bytes = readFileSync(genuine);
  const at = bytes.lastIndexOf('event-16-of-the-test');
  const file = path.join(directory, 'torn.sqlite');
  bytes.fill(0xa5, at - (at % 4096), at - (at % 4096) + 4096);
  writeFileSync(file, bytes);
  const { damages, eventCount, signed } = await verifySiteLog({ file, key });
  const unread = damages.filter(({ code }) => code === 'EVENT_UNREADABLE');
  assert.is(unread.length, 1, JSON.stringify(damages));
  const [, count, last] = /^(\d+) events, up to position (\d+), are not readable$/.exec(unread[0]!.detail)!;
  assert.is(Number(last) - Number(count) + 1, unread[0]!.position);
  assert.ok(unread[0]!.position! <= 18 && Number(last) >= 18);
  assert.is(eventCount + Number(count), EVENTS + 1, 'each is read or named');
  assert.equal(signed.at(-1), { epoch: 1, from: 33, to: 41 }, JSON.stringify([damages, signed]));
});

test('names the events that were cut off the end, and the checkpoint that knew them', async () => {
  const file = tampered(db => db.exec(`DELETE FROM event WHERE key > ${keyAt(38)}`));
  assert.equal(await damagesOf(file), ['EVENT_MISSING 39', 'CHECKPOINT_BEYOND_END 41']);
});

test('names both events that changed places', async () => {
  const file = tampered(db =>
    db.exec(`
      UPDATE event SET key = -1 WHERE key = ${keyAt(15)};
      UPDATE event SET key = ${keyAt(15)} WHERE key = ${keyAt(25)};
      UPDATE event SET key = ${keyAt(25)} WHERE key = -1;
    `),
  );
  const damages = await damagesOf(file);
  assert.ok(damages.includes('COLUMN_MISMATCH 15') && damages.includes('COLUMN_MISMATCH 25'), damages.join());
  assert.ok(damages.includes('CHECKPOINT_ROOT_MISMATCH 31'), damages.join());
});

test('names the event of which a column was changed', async () => {
  const file = tampered(db => db.exec(`UPDATE event SET stream = 'alarm-9' WHERE key = ${keyAt(41)}`));
  assert.equal(await damagesOf(file), ['COLUMN_MISMATCH 41', 'REVISION_MISSING 41']);
});

test('names the row that holds what no writer puts there, and the event of another site', async () => {
  const torn = tampered(db => db.exec(`UPDATE event SET leaf_hash = x'00' WHERE key = ${keyAt(20)}`));
  assert.ok((await damagesOf(torn)).includes('ROW_MALFORMED 20'), (await damagesOf(torn)).join());
  const foreign = tampered(db => {
    const row = db.prepare(`SELECT header, data FROM event WHERE key = ${keyAt(20)}`).get();
    const header = Uint8Array.from(row?.header as Uint8Array);
    const at = Buffer.from(header).indexOf(Buffer.from(site.replaceAll('-', ''), 'hex'));
    header[at + 15]! ^= 1;
    const leafHash = leafHashOf(header, row?.data as Uint8Array, sha256);
    db.prepare(`UPDATE event SET header = ?, leaf_hash = ? WHERE key = ${keyAt(20)}`).run(header, leafHash);
  });
  assert.ok((await damagesOf(foreign)).includes('WRONG_SITE 20'), (await damagesOf(foreign)).join());
});

test('finds a rewritten event whose leaf hash was rewritten with it between two checkpoints', async () => {
  const file = tampered(db => {
    const row = db.prepare(`SELECT header FROM event WHERE key = ${keyAt(20)}`).get();
    const data = Buffer.from('{"mark":"never happened"}');
    const leafHash = leafHashOf(row?.header as Uint8Array, data, sha256);
    db.prepare(`UPDATE event SET data = ?, leaf_hash = ? WHERE key = ${keyAt(20)}`).run(data, leafHash);
  });
  const { damages, signedCount } = await verifySiteLog({ file, key });
  assert.equal(
    damages.map(({ code, position }) => `${code} ${position}`),
    ['CHECKPOINT_ROOT_MISMATCH 31', 'CHECKPOINT_ROOT_MISMATCH 41', 'TREE_EDGE_MISMATCH 41'],
  );
  assert.is(signedCount, 11);
});

test('tells a checkpoint by another key, and one that was altered', async () => {
  const other = generateKeyPairSync('ed25519').publicKey;
  const { damages } = await verifySiteLog({ file: genuine, key: other });
  assert.equal(
    damages.map(({ code, position }) => `${code} ${position}`),
    ['CHECKPOINT_SIGNATURE 11', 'CHECKPOINT_SIGNATURE 31', 'CHECKPOINT_SIGNATURE 41'],
  );
  const altered = tampered(db =>
    db.exec(
      "UPDATE checkpoint SET note = replace(note, char(10) || '11' || char(10), char(10) || '12' || char(10))",
    ),
  );
  assert.equal(await damagesOf(altered), ['CHECKPOINT_SIGNATURE 11']);
});

test('says of anything else that it is no site log', async () => {
  const text = path.join(directory, 'text');
  writeFileSync(text, 'not a database, but long enough to look like one'.repeat(100));
  assert.equal(await damagesOf(text), ['FILE_UNREADABLE null']);
  assert.equal(await damagesOf(path.join(directory, 'nothing')), ['FILE_UNREADABLE null']);
  const other = tampered(db => db.exec('PRAGMA application_id = 7'));
  assert.equal(await damagesOf(other), ['FILE_UNREADABLE null']);
});

test('never throws, whatever byte of the file is flipped', async () => {
  const bytes = readFileSync(genuine);
  for (let at = 100; at < bytes.length; at += 997) {
    const file = path.join(directory, 'flip.sqlite');
    const copy = Buffer.from(bytes);
    copy[at]! ^= 0x10;
    writeFileSync(file, copy);
    await verifySiteLog({ file, key });
  }
});

test('tells how far it is, and ends when it is told to', async () => {
  const told: number[][] = [];
  await verifySiteLog({ file: genuine, key, onProgress: (done, total) => told.push([done, total]) });
  assert.equal(told, [[EVENTS + 1, EVENTS + 1]]);
  const signal = AbortSignal.abort(new Error('enough'));
  const error = await verifySiteLog({ file: genuine, key, signal }).catch(reason => reason);
  assert.is(error.message, 'enough');
});

test.run();
