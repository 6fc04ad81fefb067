import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { cosignCheckpoint, createMemorySiteLog, LOG_START, recordAppend, witnessName } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openKurrentServer } from '../../kurrent-server/kurrent-server.js';
import type { ProposedAppend, ServedAppend } from '../../kurrent-server/served-streams.js';
import { StoredStreams } from '../../kurrent-server/stored-streams.js';
import { noteSigner, rawPublicKey } from '../ed25519-notes.js';
import { sha256 } from '../sha256.js';
import { KurrentConnection } from './kurrent-connection.js';
import { storedEventOf } from './kurrent-log-streams.js';
import { readKurrentReceipts } from './kurrent-receipts.js';
import { openKurrentSiteLog } from './kurrent-site-log.js';
import { KurrentLogToProve } from './verify-kurrent-log.js';

const test = suite('a log in EventStoreDB, when the server fails');
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-kurrent-faults-'));
const file = path.join(directory, 'streams.sqlite');
const signingKey = generateKeyPairSync('ed25519').privateKey;
const APPEND_BYTES_MAX = 64 * 1024;

/** The stand-in for a server, whose next append of a log can be made to fail before or after it is written. */
class FailingStreams extends StoredStreams {
  failNext: 'BEFORE' | 'AFTER' | null = null;
  beforeNext: (() => Promise<unknown>) | null = null;
  appendCount = 0;

  override async append(append: ProposedAppend): Promise<ServedAppend> {
    if (!/-[0-9]+$/.test(append.stream) || append.stream.endsWith('writers')) return super.append(append);
    const [fails, before] = [this.failNext, this.beforeNext];
    this.failNext = null;
    this.beforeNext = null;
    this.appendCount += 1;
    await before?.();
    if (fails === 'BEFORE') throw new Error('failed before it was written');
    const outcome = await super.append(append);
    if (fails === 'AFTER') throw new Error('failed after it was written');
    return outcome;
  }
}

const streams = new FailingStreams({ file, now: Date.now });
const server = await openKurrentServer({
  ...{ streams, host: '127.0.0.1', port: 0, credentials: null, appendBytesMax: APPEND_BYTES_MAX },
  logger: pino({ level: 'silent' }),
});
const connectionString = `esdb://127.0.0.1:${server.port}?tls=false`;
test.after(async () => {
  await server[Symbol.asyncDispose]();
  streams[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

function open(site: SiteId, trouble: string[] = []) {
  return openKurrentSiteLog({
    ...{ connectionString, site, indexFile: null, now: Date.now, signingKey, random: Math.random },
    onTrouble: detail => trouble.push(detail),
  });
}

function newEvent(byteLength = 10) {
  return {
    ...{ id: v7() as EventId, type: 'AlarmRaised', version: 1, data: Buffer.alloc(byteLength, 'x') },
    ...{ actor: 'server:test', occurredAtMs: Date.now(), clockQuality: 'NTP' as const },
    ...{ causationId: null, correlationId: null },
  };
}

const toA = (byteLength?: number) => [
  { stream: 'a', expected: 'any' as const, events: [newEvent(byteLength)] },
];

for (const failure of ['BEFORE', 'AFTER'] as const) {
  test(`finds out what became of an append whose answer is a failure ${failure.toLowerCase()} it was written`, async () => {
    const trouble: string[] = [];
    await using log = await open(v7() as SiteId, trouble);
    streams.failNext = failure;
    const outcome = await log.append(toA());
    assert.equal(outcome, { appended: true, epoch: 1, firstPosition: 2, lastPosition: 2, replayed: false });
    assert.is((await log.read({ after: LOG_START, limit: 10 })).length, 2);
    assert.is(trouble.length, failure === 'BEFORE' ? 1 : 0);
  });
}

test('goes on behind an append of the process before it that arrives late', async () => {
  const site = v7() as SiteId;
  await using log = await open(site);
  const [first] = await log.read({ after: LOG_START, limit: 1 });
  const late = newEvent();
  const place = { site, epoch: 1, size: 1, recordedAt: first!.recordedAt };
  const { events } = recordAppend(
    [{ stream: 'a', expected: 'none', events: [late] }],
    { ...place, find: () => null, lastRevisionOf: () => null },
    Date.now(),
    sha256,
  );
  await using before = new KurrentConnection(connectionString);
  streams.beforeNext = () => before.append(`holdfast-${site}-1`, events.map(storedEventOf), 1);
  const outcome = await log.append(toA());
  assert.is(outcome.appended && outcome.firstPosition, 3);
  const stream = await log.readStream({ stream: 'a', afterRevision: null, limit: 10 });
  assert.equal(
    stream.map(event => [event.position, event.revision, event.id === late.id]),
    [
      [2, 0, true],
      [3, 1, false],
    ],
  );
});

test('ends when another process has opened it, and says so', async () => {
  const site = v7() as SiteId;
  await using first = await open(site);
  await using second = await open(site);
  assert.ok((await second.append(toA())).appended);
  const error = await first.append(toA()).catch(refused => refused);
  assert.is(error.code, 'SITE_LOG_CLOSED');
  assert.is(error.cause.fault, 'SUPERSEDED');
  assert.ok((await second.append(toA())).appended);
  assert.is(second.head().size, 3);
});

test('writes what waits in one call, in smaller ones where the server takes less, and refuses what it never takes', async () => {
  await using log = await open(v7() as SiteId);
  streams.appendCount = 0;
  const small = await Promise.all(Array.from({ length: 100 }, () => log.append(toA())));
  assert.ok(small.every(outcome => outcome.appended));
  assert.is(streams.appendCount, 1);
  const large = await Promise.all(Array.from({ length: 10 }, () => log.append(toA(20_000))));
  assert.ok(large.every(outcome => outcome.appended));
  const refused = await log.append(toA(APPEND_BYTES_MAX));
  assert.is(refused.appended, false);
  assert.is(!refused.appended && refused.refusal.code, 'TOO_LARGE');
  assert.ok((await log.append(toA())).appended);
  assert.is(log.head().size, 1 + 100 + 10 + 1);
});

test('hands on nothing that was changed on the server', async () => {
  const site = v7() as SiteId;
  await using log = await open(site);
  await log.append(toA());
  {
    using db = new DatabaseSync(file) as DatabaseSync & Disposable;
    db.prepare("UPDATE event SET data = x'00' WHERE stream = ? AND revision = 1").run(`holdfast-${site}-1`);
  }
  assert.is(await log.read({ after: LOG_START, limit: 10 }).catch(error => error.fault), 'FORKED');
});

test('names to who verifies it what is whole and cannot be proved: an event that was put in the place of another', async () => {
  const site = v7() as SiteId;
  await using log = await open(site);
  for (let count = 0; count < 3; count += 1) await log.append(toA());
  const signal = AbortSignal.timeout(20_000);
  const prove = async () => {
    await using toProve = new KurrentLogToProve({ connectionString, site, signal, receipts: [] });
    return await toProve.verify(signingKey);
  };
  assert.equal((await prove()).damages, []);
  // Of the same log, as it would be had its clock stood in 1970: its bytes, and all that the server says of them, fit.
  const copied = await log.read({ after: LOG_START, limit: 2 });
  const other = createMemorySiteLog({ site, now: () => 1, sha256 });
  await other.append(toA());
  const [, put] = await other.read({ after: LOG_START, limit: 2 });
  assert.is(put!.position, copied[1]!.position);
  {
    using db = new DatabaseSync(file) as DatabaseSync & Disposable;
    db.prepare('UPDATE event SET id = ?, metadata = ?, data = ? WHERE stream = ? AND revision = 1').run(
      ...[put!.id, put!.header, put!.data, `holdfast-${site}-1`],
    );
  }
  const { damages, head } = await prove();
  assert.equal(
    damages.map(({ code, detail }) => [code, detail]),
    [['LOG_UNPROVEN', '1/2 was not recorded later than the event before']],
  );
  assert.is(head, null);
});

test('is as it was when its reopening fails in the middle, and the same with and without its index afterwards', async () => {
  const site = v7() as SiteId;
  const indexFile = path.join(directory, 'index.sqlite');
  const opening = { connectionString, site, now: Date.now, signingKey, random: Math.random };
  const openWith = (file: string | null) =>
    openKurrentSiteLog({ ...opening, indexFile: file, onTrouble: () => undefined });
  const log = await openWith(indexFile);
  await log.append(toA());
  const checkpoint = await log.signedCheckpoint();
  const all = await log.read({ after: LOG_START, limit: 10 });
  const failing = async function* () {
    yield all.slice(0, 1);
    throw new Error('the parent has gone');
  };
  const history = { common: LOG_START, checkpoint, reason: 're-imaged' };
  assert.match(
    await log.reopenAs({ ...history, events: failing() }).catch(error => error.message),
    'the parent has gone',
  );
  assert.not(existsSync(`${indexFile}.reopening`), 'its half-made index takes no room');
  assert.is(await log.append(toA()).catch(error => error.code), 'SITE_LOG_CLOSED');
  const again = await openWith(indexFile);
  assert.equal(again.head(), checkpoint.head);
  const { log: reopened, reopened: isReopened } = await again.reopenAs({ ...history, events: [all] });
  assert.ok(isReopened);
  await reopened.append(toA());
  const head = reopened.head();
  assert.equal([head.epoch, head.size], [2, 3]);
  await reopened[Symbol.asyncDispose]();
  for (const file of [indexFile, null]) {
    await using next = await openWith(file);
    assert.equal(next.head(), head);
    assert.equal(next.epochs(), [{ epoch: 1, size: checkpoint.head.size, root: checkpoint.head.root }]);
  }
});

test('names an index that cannot be read any more, and makes it anew from the server at the next opening', async () => {
  const site = v7() as SiteId;
  const indexFile = path.join(directory, 'damaged-index.sqlite');
  const openIt = () =>
    openKurrentSiteLog({
      ...{ connectionString, site, indexFile, now: Date.now, signingKey, random: Math.random },
      onTrouble: () => undefined,
    });
  {
    await using log = await openIt();
    for (let count = 0; count < 4; count += 1)
      await log.append([
        { stream: 'a', expected: 'any', events: Array.from({ length: 100 }, () => newEvent()) },
      ]);
  }
  const bytes = readFileSync(indexFile);
  {
    using db = new DatabaseSync(indexFile, { readOnly: true }) as DatabaseSync & Disposable;
    const name = 'sqlite_autoindex_event_1';
    for (const { pageno } of db.prepare('SELECT pageno FROM dbstat WHERE name = ?').all(name) as {
      pageno: number;
    }[])
      bytes.fill(0, (pageno - 1) * 4096, pageno * 4096);
  }
  writeFileSync(indexFile, bytes);
  {
    await using log = await openIt();
    const refused = await log.append(toA()).catch(error => [error.code, error.cause?.fault]);
    assert.equal(refused, ['SITE_LOG_CLOSED', 'DAMAGED']);
  }
  await using log = await openIt();
  assert.ok((await log.append(toA())).appended);
  assert.is(log.head().size, 1 + 400 + 1);
});

test('keeps receipts in a file of its own, which are proven with the log', async () => {
  const [site, parent] = [v7() as SiteId, v7() as SiteId];
  const receiptFile = path.join(directory, 'receipts.sqlite');
  const opening = { connectionString, site, indexFile: null, now: Date.now, signingKey, random: Math.random };
  const openIt = () => openKurrentSiteLog({ ...opening, receiptFile, onTrouble: () => undefined });
  const witness = generateKeyPairSync('ed25519').privateKey;
  const publicKey = Buffer.from(rawPublicKey(witness)).toString('base64');
  {
    await using log = await openIt();
    const pinned = { ...newEvent(), type: 'LogKeyPinned', data: Buffer.from(JSON.stringify({ publicKey })) };
    await log.append([{ stream: `log-key-${parent}`, expected: 'none', events: [pinned] }]);
    const { note } = await log.signedCheckpoint();
    const by = { name: witnessName(parent), signer: noteSigner(witness), timeSeconds: 1_756_000_000 };
    await log.storeReceipt({ witness: parent, note: note + cosignCheckpoint(note, by, sha256) });
    const alien = note.replace(site, parent);
    assert.is(
      await log.storeReceipt({ witness: parent, note: alien }).catch(error => error.code),
      'CHECKPOINT_INVALID',
    );
  }
  {
    await using log = await openIt();
    const kept = (await log.receipts()).map(receipt => [receipt.witness, receipt.epoch, receipt.size]);
    assert.equal(kept, [[parent, 1, 2]]);
  }
  const prove = async () => {
    const { signal } = new AbortController();
    const receipts = readKurrentReceipts(receiptFile);
    await using log = new KurrentLogToProve({ connectionString, site, signal, receipts });
    return (await log.verify(signingKey)).damages.map(({ code }) => code);
  };
  assert.equal(await prove(), []);
  using db = new DatabaseSync(receiptFile) as DatabaseSync & Disposable;
  const [{ note }] = db.prepare('SELECT note FROM receipt').all() as [{ note: string }];
  const setNote = db.prepare('UPDATE receipt SET note = ?');
  setNote.run(note.replace(witnessName(parent), witnessName(site)));
  assert.equal(await prove(), ['RECEIPT_SIGNATURE']);
  const root = note.split('\n')[2]!;
  setNote.run(note.replace(root, Buffer.alloc(32).toString('base64')));
  assert.equal(await prove(), ['RECEIPT_UNPROVEN']);
});

test.run();
