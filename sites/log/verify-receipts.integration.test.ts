import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  cosignCheckpoint,
  encodeBase64,
  newEvent,
  placeKey,
  signCheckpoint,
  witnessName,
} from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { noteSigner } from './ed25519-notes.js';
import { sha256 } from './sha256.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('verify receipts');
const site = v7() as SiteId;
const witness = v7() as SiteId;
const key = generateKeyPairSync('ed25519').privateKey;
const signer = noteSigner(key);
const witnessSigner = noteSigner(generateKeyPairSync('ed25519').privateKey);
const stranger = noteSigner(generateKeyPairSync('ed25519').privateKey);
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-verify-receipts-'));
const genuine = path.join(directory, 'genuine.sqlite');
const cosigned = (note: string, by = witnessSigner) =>
  note +
  cosignCheckpoint(note, { name: witnessName(witness), signer: by, timeSeconds: 1_790_000_000 }, sha256);
let genuineNote = '';

test.before(async () => {
  await using log = await openSqliteSiteLog({ file: genuine, site, now: Date.now, signingKey: key });
  const facts = { actor: `site:${site}`, occurredAtMs: 1, clockQuality: 'NTP' as const };
  const pinned = newEvent(
    {
      type: 'LogKeyPinned',
      data: { siteId: witness, publicKey: encodeBase64(witnessSigner.publicKey), because: 'CONFIGURED' },
    },
    { ...facts, id: v7() as EventId },
  );
  await log.append([{ stream: `log-key-${witness}`, expected: 'none', events: [pinned] }]);
  genuineNote = (await log.signedCheckpoint()).note;
  await log.storeReceipt({ witness, note: cosigned(genuineNote) });
  await log.append([
    { stream: 'log-key-other', expected: 'any', events: [{ ...pinned, id: v7() as EventId }] },
  ]);
});
test.after(() => rmSync(directory, { recursive: true }));

async function damagesAfter(
  change: (db: DatabaseSync) => void,
  original = genuine,
): Promise<readonly string[]> {
  const file = path.join(directory, `${randomUUID()}.sqlite`);
  copyFileSync(original, file);
  const db = new DatabaseSync(file);
  change(db);
  db.close();
  const { damages } = await verifySiteLog({ file, key });
  return damages.map(({ code, epoch, position }) => `${code} ${epoch}/${position}`);
}
const withNote = (note: string, original = genuine) =>
  damagesAfter(db => db.prepare('UPDATE receipt SET note = ?').run(note), original);

test('proves what the witness has cosigned', async () => {
  assert.equal(await damagesAfter(() => undefined), []);
});

test('names a receipt that the site or the witness did not sign', async () => {
  assert.equal(await withNote(cosigned(genuineNote, stranger)), ['RECEIPT_SIGNATURE 1/2']);
  assert.equal(await withNote(genuineNote), ['RECEIPT_SIGNATURE 1/2']);
});

test('checks a cosignature by the key that was pinned before the cut', async () => {
  const truncated = path.join(directory, 'truncated.sqlite');
  copyFileSync(genuine, truncated);
  {
    await using log = await openSqliteSiteLog({ file: truncated, site, now: Date.now, signingKey: key });
    const keptAfter = { epoch: 1, position: 2 };
    const truncation = { keptAfter, acknowledgedBy: 'PARENT' as const, recordedBeforeMs: 1_790_000_000_000 };
    await log.truncate(truncation, new AbortController().signal);
    assert.equal(log.keptAfter(), keptAfter);
  }
  const held = await damagesAfter(
    db => assert.is(db.prepare('SELECT count(*) AS count FROM receipt').get()?.count, 1),
    truncated,
  );
  assert.equal(held, []);
  assert.equal(await withNote(cosigned(genuineNote, stranger), truncated), ['RECEIPT_SIGNATURE 1/2']);
});

test('names a receipt of a witness whose key the log has never pinned', async () => {
  const unknown = await damagesAfter(db =>
    db.prepare('UPDATE receipt SET witness = ?').run(Buffer.alloc(16, 7)),
  );
  assert.equal(unknown, ['RECEIPT_KEY_UNKNOWN 1/2']);
});

test('names a receipt that is none, that the site did not sign, or that is of something else', async () => {
  const both = (code: string) => [`${code} 1/2`, 'RECEIPT_SIGNATURE 1/2'];
  assert.equal(await withNote('received'), both('CHECKPOINT_MALFORMED'));
  const head = { site, epoch: 1, size: 2, root: new Uint8Array(32) };
  const forged = cosigned(signCheckpoint(head, stranger, sha256));
  assert.equal(await withNote(forged), ['CHECKPOINT_SIGNATURE 1/2']);
  const other = cosigned(signCheckpoint({ ...head, size: 3 }, signer, sha256));
  assert.equal(await withNote(other), ['CHECKPOINT_OF_ANOTHER_LOG 1/2']);
});

test('names what was witnessed and is not so any more', async () => {
  const head = { site, epoch: 1, size: 2, root: new Uint8Array(32) };
  const other = cosigned(signCheckpoint(head, signer, sha256));
  assert.equal(await withNote(other), ['CHECKPOINT_ROOT_MISMATCH 1/2']);
  const cut = await damagesAfter(db => {
    db.exec('DELETE FROM checkpoint');
    db.prepare('DELETE FROM event WHERE key > ?').run(placeKey({ epoch: 1, position: 1 }));
  });
  assert.ok(cut.includes('CHECKPOINT_BEYOND_END 1/2'), cut.join());
});

test.run();
