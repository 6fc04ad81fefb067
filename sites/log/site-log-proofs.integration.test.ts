import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import {
  checkpointHead,
  cosignCheckpoint,
  endOf,
  formatLogProof,
  type LogProof,
  LogProofError,
  parseLogProof,
  verifyLogProof,
  witnessName,
} from '@holdfast/core';
import { type EventId, passingEventTypes, type SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { noteSigner, rawPublicKey, verifyNote } from './ed25519-notes.js';
import { sha256 } from './sha256.js';
import { SiteLogFileError } from './site-log-file.js';
import { proveConsistency, proveEvent } from './site-log-proofs.js';
import { truncateSlice } from './site-log-truncation.js';
import { openSqliteSiteLog, type SqliteSiteLog } from './sqlite-site-log.js';

const test = suite('proofs from a site log');
const site = v7() as SiteId;
const key = generateKeyPairSync('ed25519').privateKey;
const signers = [[{ publicKey: rawPublicKey(key) }]];
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-prove-log-'));
const file = path.join(directory, 'site-log.sqlite');
const signal = new AbortController().signal;
const ids = Array.from({ length: 12_000 }, () => v7() as EventId);
let nowMs = 1_756_000_000_000;
let log: SqliteSiteLog;

async function append(eventIds: readonly EventId[]): Promise<void> {
  const events = eventIds.map(id => ({
    ...{ id, type: 'AlarmRaised', version: 1, data: Buffer.from(`{"id":"${id}"}`), actor: 'user:anna' },
    ...{ occurredAtMs: nowMs, clockQuality: 'NTP' as const, causationId: null, correlationId: null },
  }));
  await log.append([{ stream: 'alarm-1', expected: 'any', events }]);
}

async function storeCheckpoint(): Promise<void> {
  nowMs += 3_600_000;
  await log.signedCheckpoint();
  // An append is written behind what was told to the writer before.
  await append([v7() as EventId]);
}

test.before(async () => {
  log = await openSqliteSiteLog({
    ...{ file, site, now: () => nowMs, signingKey: key, checkpointIntervalMs: 3_600_000 },
  });
  for (let at = 0; at < ids.length; at += 500) {
    await append(ids.slice(at, at + 500));
    if (at === 2000 || at === 9000) await storeCheckpoint();
  }
  await storeCheckpoint();
});
test.after(async () => {
  await log[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const verified = (proof: LogProof) =>
  verifyLogProof(parseLogProof(formatLogProof(proof)), { signers, verify: verifyNote }, sha256);

test('proves events of a log that a site has open, each under the first checkpoint behind it', async () => {
  const sizes: number[] = [];
  for (const index of [0, 1, 2499, 2500, 7000, 11_999]) {
    const progress: number[] = [];
    const outcome = await proveEvent({
      file,
      signal,
      eventId: ids[index]!,
      onProgress: done => progress.push(done),
    });
    assert.ok(outcome.proven, JSON.stringify(outcome));
    const fact = verified(outcome.proof);
    assert.ok(fact.kind === 'EVENT' && fact.event.id === ids[index]);
    sizes.push(fact.checkpoint.head.size);
    assert.is(progress.at(-1), fact.checkpoint.head.size);
  }
  // One event opens the epoch, and one follows each checkpoint that was stored.
  assert.equal(sizes, [2501, 2501, 2501, 9502, 9502, 12_003]);
});

test('proves that the log continues a checkpoint that it or somebody else kept', async () => {
  const bySize = await proveConsistency({ file, signal, since: { epoch: null, size: 2501 } });
  assert.ok(bySize.proven);
  const fact = verified(bySize.proof);
  assert.ok(
    fact.kind === 'CONSISTENCY' && fact.old.head.size === 2501 && fact.checkpoint.head.size === 12_003,
  );
  const kept = bySize.proof.oldCheckpoint;
  const byNote = await proveConsistency({ file, signal, since: kept });
  assert.ok(byNote.proven && formatLogProof(byNote.proof) === formatLogProof(bySize.proof));
  // Nobody else's signature is looked at here, so a root that never was is found by the leaves.
  const head = checkpointHead(kept);
  const invented = kept.replace(`\n${head.size}\n`, `\n${head.size + 1}\n`);
  const outcome = await proveConsistency({ file, signal, since: invented });
  assert.is(!outcome.proven && outcome.refusal.code, 'DOES_NOT_CONTINUE');
});

test('says by name why there is no proof', async () => {
  const code = async (run: ReturnType<typeof proveEvent> | ReturnType<typeof proveConsistency>) => {
    const outcome = await run;
    return outcome.proven ? null : outcome.refusal.code;
  };
  assert.is(await code(proveEvent({ file, signal, eventId: v7() })), 'EVENT_NOT_FOUND');
  assert.is(await code(proveEvent({ file, signal, eventId: 'not an id' })), 'EVENT_NOT_FOUND');
  const late = v7() as EventId;
  await append([late]);
  assert.is(await code(proveEvent({ file, signal, eventId: late })), 'NOT_SIGNED_YET');
  const missing = await proveConsistency({ file, signal, since: { epoch: 1, size: 3000 } });
  assert.equal(!missing.proven && missing.refusal, {
    code: 'CHECKPOINT_NOT_FOUND',
    place: { epoch: 1, position: 3000 },
    nearest: [2501, 9502],
  });
  const kept = await proveConsistency({ file, signal, since: { epoch: null, size: 2501 } });
  assert.ok(kept.proven);
  const other = kept.proof.oldCheckpoint.replaceAll(site, v7());
  assert.is(await code(proveConsistency({ file, signal, since: other })), 'CHECKPOINT_OF_ANOTHER_LOG');
  const cancelled = proveEvent({ file, signal: AbortSignal.abort(new Error('enough')), eventId: ids[0]! });
  assert.is(await cancelled.catch(error => error.message), 'enough');
});

test('proves nothing from a log that was tampered with', async () => {
  const copy = path.join(directory, 'tampered.sqlite');
  new DatabaseSync(file).exec(`VACUUM INTO '${copy}'`);
  const db = new DatabaseSync(copy);
  const damage = async (sql: string) => {
    db.exec(`SAVEPOINT genuine; ${sql}; RELEASE genuine`);
    return proveEvent({ file: copy, signal, eventId: ids[7000]! }).then(
      () => null,
      error => (error instanceof SiteLogFileError ? error.fault : error),
    );
  };
  const id = `x'${ids[7000]!.replaceAll('-', '')}'`;
  const put = `SELECT data FROM event WHERE id = ${id}`;
  const genuine = db.prepare(put).get()!.data as Uint8Array;
  assert.is(await damage(`UPDATE event SET data = x'7b7d' WHERE id = ${id}`), 'DAMAGED');
  db.prepare(`UPDATE event SET data = ? WHERE id = ${id}`).run(genuine);
  assert.is(await damage('SELECT 1'), null);
  assert.is(await damage('UPDATE event SET leaf_hash = zeroblob(32) WHERE key % 1048576 = 17'), 'DAMAGED');
  assert.is(await damage('DELETE FROM event WHERE key % 1048576 = 17'), 'DAMAGED');
  db.close();
});

test('gives proofs that a stranger can do nothing with', async () => {
  const outcome = await proveEvent({ file, signal, eventId: ids[0]! });
  assert.ok(outcome.proven);
  const stranger = { publicKey: rawPublicKey(generateKeyPairSync('ed25519').privateKey) };
  assert.throws(
    () => verifyLogProof(outcome.proof, { signers: [[stranger]], verify: verifyNote }, sha256),
    (error: unknown) => error instanceof LogProofError && error.failure === 'NOT_SIGNED',
  );
});

test('proves an event by the first receipt behind it, with what every witness has cosigned', async () => {
  const witnesses = [1, 2].map(number => {
    const signer = noteSigner(generateKeyPairSync('ed25519').privateKey);
    return { site: v7() as SiteId, signer, timeSeconds: 1_790_000_000 + number };
  });
  const { head, note } = await log.signedCheckpoint();
  for (const { site: witness, signer, timeSeconds } of witnesses) {
    const line = cosignCheckpoint(note, { name: witnessName(witness), signer, timeSeconds }, sha256);
    await log.storeReceipt({ witness, note: note + line });
  }
  const outcome = await proveEvent({ file, signal, eventId: ids[0]! });
  assert.ok(outcome.proven, JSON.stringify(outcome));
  const all = [...signers, ...witnesses.map(({ signer }) => [{ publicKey: signer.publicKey }])];
  const { checkpoint } = verifyLogProof(outcome.proof, { signers: all, verify: verifyNote }, sha256);
  assert.is(checkpoint.head.size, head.size);
  assert.equal(
    checkpoint.signings.map(({ timeSeconds }) => timeSeconds),
    [null, 1_790_000_001, 1_790_000_002],
  );
});

test('proves of a log whose beginning was truncated what is there and what was carried over, and that it continues every tree before', async () => {
  const kept = await proveConsistency({ file, signal, since: { epoch: 1, size: 2501 } });
  assert.ok(kept.proven);
  const copy = path.join(directory, 'truncated.sqlite');
  new DatabaseSync(file).exec(`VACUUM INTO '${copy}'`);
  const db = new DatabaseSync(copy);
  while (truncateSlice(db, { to: { epoch: 1, position: 5000 }, passingTypes: passingEventTypes }));
  // As if it were one of those that are not carried.
  const passed = Buffer.from(ids[4000]!.replaceAll('-', ''), 'hex');
  assert.is(db.prepare('DELETE FROM carried_event WHERE id = ?').run(passed).changes, 1);
  db.close();
  for (const index of [10, 5000, 11_999]) {
    const outcome = await proveEvent({ file: copy, signal, eventId: ids[index]! });
    assert.ok(outcome.proven, JSON.stringify(outcome));
    assert.is(verified(outcome.proof).kind, 'EVENT');
  }
  const gone = await proveEvent({ file: copy, signal, eventId: ids[4000]! });
  assert.is(!gone.proven && gone.refusal.code, 'EVENT_REMOVED');
  for (const since of [{ epoch: 1, size: 9502 }, kept.proof.oldCheckpoint]) {
    const outcome = await proveConsistency({ file: copy, signal, since });
    assert.ok(outcome.proven && verified(outcome.proof).kind === 'CONSISTENCY');
  }
});

test('proves events of a sealed epoch and of the one behind it', async () => {
  const { head, note } = await log.signedCheckpoint();
  const history = { common: endOf(head), events: [], checkpoint: { head, note }, reason: 'a test' };
  const outcome = await log.reopenAs(history);
  log = outcome.log;
  assert.ok(outcome.reopened);
  const id = v7() as EventId;
  await append([id]);
  await storeCheckpoint();
  for (const [eventId, epoch] of [
    [ids[0]!, 1],
    [ids[11_999]!, 1],
    [id, 2],
  ] as const) {
    const proven = await proveEvent({ file, signal, eventId });
    assert.ok(proven.proven, JSON.stringify(proven));
    assert.is(verified(proven.proof).checkpoint.head.epoch, epoch);
  }
  const sealed = await proveConsistency({ file, signal, since: { epoch: 1, size: 2501 } });
  assert.ok(sealed.proven && verified(sealed.proof).checkpoint.head.epoch === 1);
  const unknown = await proveConsistency({ file, signal, since: { epoch: null, size: 2501 } });
  assert.is(!unknown.proven && unknown.refusal.code, 'CHECKPOINT_NOT_FOUND');
});

test.run();
