import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type NewEvent, placeKey, signCheckpoint } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { noteSigner } from './ed25519-notes.js';
import { sha256 } from './sha256.js';
import { proveEvent } from './site-log-proofs.js';
import { readSiteLogFile } from './site-log-reader.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('a SQLite site log that is reopened');
const site = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-reopen-log-'));
const lost = path.join(directory, 'lost.sqlite');
const restored = path.join(directory, 'restored.sqlite');
const common = { epoch: 1, position: 4 };
let note = '';

const open = (file: string) => openSqliteSiteLog({ file, site, now: Date.now, signingKey });

test.before(async () => {
  await append(lost, 3);
  copyFileSync(lost, restored);
  note = await append(lost, 6);
  await append(restored, 2);
});
test.after(() => rmSync(directory, { recursive: true }));

async function append(file: string, count: number): Promise<string> {
  await using log = await open(file);
  const events = Array.from({ length: count }, newEvent);
  await log.append([{ stream: 'a', expected: 'any', events }]);
  return (await log.signedCheckpoint()).note;
}

function newEvent(): NewEvent {
  return {
    ...{ id: v7() as EventId, type: 'AlarmRaised', version: 1, actor: 'user:anna' },
    data: Buffer.from('{"mark":"an event of the test"}'),
    ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
}

/** A copy of the restored log, reopened with the history of the lost one. */
async function reopened(history: { readonly note?: string; readonly from?: string } = {}) {
  const file = path.join(directory, `${randomUUID()}.sqlite`);
  copyFileSync(restored, file);
  const log = await open(file);
  using source = readSiteLogFile(history.from ?? lost);
  const outcome = await log.reopenAs({
    common,
    events: [source.read({ after: common, limit: 100 })],
    checkpoint: { head: source.head(), note: history.note ?? note },
    reason: 'the disk was replaced by an older copy',
  });
  await outcome.log[Symbol.asyncDispose]();
  return { file, outcome };
}

test('is proved over all of its epochs, to the last signed event of each', async () => {
  const { file, outcome } = await reopened();
  assert.ok(outcome.reopened);
  const { damages, ...proved } = await verifySiteLog({ file, key: signingKey });
  assert.equal(damages, []);
  assert.equal([proved.head?.epoch, proved.head?.size], [2, 4]);
  assert.equal([proved.eventCount, proved.signedCount], [10 + 4, 10 + 4]);
});

test('a sealed epoch is signed by the signature over the next one, which names its end, and by nothing where that is gone', async () => {
  const { file } = await reopened();
  const signedWithout = async (epoch: number) => {
    {
      using db = new DatabaseSync(file);
      db.prepare('DELETE FROM checkpoint WHERE epoch = ?').run(epoch);
    }
    const { damages, signedCount } = await verifySiteLog({ file, key: signingKey });
    assert.equal(damages, []);
    return signedCount;
  };
  // As of an epoch of which only the end of the next one was pulled.
  assert.is(await signedWithout(1), 10 + 4);
  assert.is(await signedWithout(2), 0);
});

test('proves each event of an epoch that was over when it was pulled back, as where the same copy is restored twice', async () => {
  const { file: from } = await reopened();
  const { file } = await reopened({ from, note: await append(from, 1) });
  using reader = readSiteLogFile(file);
  const [ofFirst] = reader.read({ after: { epoch: 1, position: 6 }, limit: 1 });
  const [ofSecond] = reader.read({ after: { epoch: 2, position: 1 }, limit: 1 });
  assert.is(reader.head().epoch, 3);
  for (const { id } of [ofFirst!, ofSecond!]) {
    const proof = await proveEvent({ file, eventId: id, signal: new AbortController().signal });
    assert.ok(proof.proven, JSON.stringify(proof));
  }
  assert.equal((await verifySiteLog({ file, key: signingKey })).damages, []);
});

test('is still there with everything when it is opened again, and goes on', async () => {
  const { file } = await reopened();
  await append(file, 2);
  using reader = readSiteLogFile(file);
  const events = reader.read({ after: common, limit: 100 });
  assert.equal(
    events.map(({ epoch, position }) => `${epoch}/${position}`),
    ['1/5', '1/6', '1/7', '1/8', '1/9', '1/10', '2/1', '2/2', '2/3', '2/4', '2/5', '2/6'],
  );
  assert.equal(
    reader.readStream({ stream: 'a', afterRevision: null, limit: 100 }).map(event => event.revision),
    Array.from({ length: 13 }, (_, revision) => revision),
  );
  assert.equal(reader.placeBeforeLast(7), { epoch: 1, position: 9 });
});

test('refuses a history that another key has signed', async () => {
  using source = readSiteLogFile(lost);
  const other = noteSigner(generateKeyPairSync('ed25519').privateKey);
  const { outcome } = await reopened({ note: signCheckpoint(source.head(), other, sha256) });
  assert.is(outcome.reopened || outcome.refusal.code, 'HISTORY_UNPROVEN');
  assert.is(outcome.log.head().epoch, 1);
});

test('names an epoch that does not open behind the end of the one before, and events of one that it does not have', async () => {
  const damagesOf = async (sql: string) => {
    const { file } = await reopened();
    const db = new DatabaseSync(file);
    db.exec(sql);
    db.close();
    const { damages } = await verifySiteLog({ file, key: signingKey });
    return damages.map(({ code, epoch, position }) => `${code} ${epoch}/${position}`);
  };
  const last = placeKey({ epoch: 1, position: 10 });
  const cut = await damagesOf(`
    DELETE FROM event WHERE key = ${last};
    UPDATE epoch SET size = 9 WHERE epoch = 1;
  `);
  assert.ok(cut.includes('CHECKPOINT_BEYOND_END 1/10'), cut.join());
  assert.ok(cut.includes('EPOCH_NOT_LINKED 2/1'), cut.join());
  assert.ok((await damagesOf(`DELETE FROM event WHERE key = ${last}`)).includes('EVENT_MISSING 1/10'));
  const forgotten = await damagesOf('DELETE FROM epoch WHERE epoch = 2');
  assert.ok(forgotten.includes('EVENT_BEYOND_SIZE 2/1'), forgotten.join());
  assert.ok(forgotten.includes('CHECKPOINT_BEYOND_END 2/4'), forgotten.join());
  const unlinked = await damagesOf('UPDATE epoch SET size = 8, tree_edge = zeroblob(32) WHERE epoch = 1');
  assert.ok(unlinked.includes('EPOCH_NOT_LINKED 2/1'), unlinked.join());
});

test.run();
