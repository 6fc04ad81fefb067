import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { cosignCheckpoint, encodeBase64, newEvent, openCosignature, witnessName } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { noteSigner, verifyNote } from './ed25519-notes.js';
import { sha256 } from './sha256.js';
import { proveEvent } from './site-log-proofs.js';
import { RECEIPT_SPACING_MS } from './site-log-receipts.js';
import { openSqliteSiteLog, type SqliteSiteLog } from './sqlite-site-log.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('receipts of a site log');
const site = v7() as SiteId;
const parent = v7() as SiteId;
const top = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const witnessKey = noteSigner(generateKeyPairSync('ed25519').privateKey);
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-receipts-'));
test.after(() => rmSync(directory, { recursive: true }));

let nowMs = 1_756_000_000_000;
const open = (file: string) => openSqliteSiteLog({ file, site, now: () => nowMs, signingKey });

async function grow(log: SqliteSiteLog): Promise<number> {
  const facts = { id: v7() as EventId, actor: 'user:anna', occurredAtMs: 1, clockQuality: 'NTP' } as const;
  const events = [newEvent({ type: 'SiteRenamed', data: { name: 'Depot' } }, facts)];
  await log.append([{ stream: 'site', expected: 'any', events }]);
  return log.head().size;
}

async function pinKeyOf(log: SqliteSiteLog, siteId: SiteId): Promise<void> {
  const facts = { id: v7() as EventId, actor: 'user:anna', occurredAtMs: 1, clockQuality: 'NTP' } as const;
  const data = { siteId, publicKey: encodeBase64(witnessKey.publicKey), because: 'CONFIGURED' as const };
  const events = [newEvent({ type: 'LogKeyPinned', data }, facts)];
  await log.append([{ stream: `log-key-${siteId}`, expected: 'any', events }]);
}

async function cosigned(log: SqliteSiteLog, witness: SiteId): Promise<string> {
  const { note } = await log.signedCheckpoint();
  const by = { name: witnessName(witness), signer: witnessKey, timeSeconds: Math.floor(nowMs / 1000) };
  return note + cosignCheckpoint(note, by, sha256);
}

test('keeps the newest of each witness and one an hour, also when the log is opened again', async () => {
  const file = path.join(directory, 'kept.sqlite');
  {
    await using log = await open(file);
    for (let minute = 0; minute < 150; minute += 10) {
      await grow(log);
      await log.storeReceipt({ witness: parent, note: await cosigned(log, parent) });
      if (minute === 50) await log.storeReceipt({ witness: top, note: await cosigned(log, top) });
      nowMs += 600_000;
    }
  }
  await using log = await open(file);
  const receipts = await log.receipts();
  const of = (witness: SiteId) => receipts.filter(receipt => receipt.witness === witness);
  assert.equal(
    of(top).map(receipt => receipt.size),
    [7],
  );
  const kept = of(parent);
  assert.is(kept.at(-1)?.size, log.head().size);
  assert.is(kept.length, 4, 'at 0, 60 and 120 minutes, and the newest');
  kept.slice(1, -1).forEach((receipt, index) => {
    assert.ok(receipt.receivedAtMs - kept[index]!.receivedAtMs >= RECEIPT_SPACING_MS);
  });
  assert.ok(kept[0]!.note.includes(`\u2014 ${witnessName(parent)} `));
  for (const witness of [parent, top]) await pinKeyOf(log, witness);
  const { damages } = await verifySiteLog({ file, key: signingKey });
  assert.equal(damages, []);
});

test('tells of an event that is carried over a cut when a witness had seen it, as before', async () => {
  const file = path.join(directory, 'cut.sqlite');
  await using log = await open(file);
  await pinKeyOf(log, parent);
  await grow(log);
  const [renamed] = await log.read({ after: { epoch: 1, position: 2 }, limit: 1 });
  const seenAtSeconds = async () => {
    const outcome = await proveEvent({ file, eventId: renamed!.id, signal: new AbortController().signal });
    if (!outcome.proven) return outcome.refusal.code;
    const by = { name: witnessName(parent), publicKey: witnessKey.publicKey, verify: verifyNote };
    return openCosignature(outcome.proof.checkpoint, by, sha256).timeSeconds;
  };
  await log.storeReceipt({ witness: parent, note: await cosigned(log, parent) });
  const firstSeconds = Math.floor(nowMs / 1000);
  assert.is(await seenAtSeconds(), firstSeconds);
  for (let hour = 0; hour < 3; hour += 1) {
    nowMs += 2 * RECEIPT_SPACING_MS;
    await grow(log);
    await log.storeReceipt({ witness: parent, note: await cosigned(log, parent) });
  }
  const keptAfter = { epoch: 1, position: log.head().size - 1 };
  const plan = { keptAfter, acknowledgedBy: 'PARENT', recordedBeforeMs: nowMs } as const;
  await log.truncate(plan, new AbortController().signal);
  assert.is(await seenAtSeconds(), firstSeconds);
  await log.signedCheckpoint();
  assert.equal((await verifySiteLog({ file, key: signingKey })).damages, []);
  using db = new DatabaseSync(file);
  const [first] = await log.receipts();
  const other = first!.note.replace(/^[^\n]{44}$/m, Buffer.alloc(32, 7).toString('base64'));
  db.prepare('UPDATE receipt SET note = ? WHERE size = ?').run(other, first!.size);
  const { damages } = await verifySiteLog({ file, key: null });
  assert.ok(
    damages.some(({ code, position }) => code === 'CHECKPOINT_ROOT_MISMATCH' && position === first!.size),
  );
});

test('refuses a receipt of another log, and verification finds one that is not of these events', async () => {
  const file = path.join(directory, 'false.sqlite');
  {
    await using log = await open(file);
    await grow(log);
    const note = (await cosigned(log, parent)).replace(site, top);
    const code = await log.storeReceipt({ witness: parent, note }).catch(error => error.code);
    assert.is(code, 'CHECKPOINT_INVALID');
    await log.storeReceipt({ witness: parent, note: await cosigned(log, parent) });
    await pinKeyOf(log, parent);
  }
  const db = new DatabaseSync(file);
  db.exec('UPDATE receipt SET size = 1');
  db.close();
  const { damages } = await verifySiteLog({ file, key: signingKey });
  assert.equal(
    damages.map(damage => `${damage.code} ${damage.epoch}/${damage.position}`),
    ['CHECKPOINT_OF_ANOTHER_LOG 1/1'],
  );
});

test.run();
