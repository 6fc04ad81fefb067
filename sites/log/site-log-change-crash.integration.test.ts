import { fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { type NewEvent, placeKey } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogChange } from './log-changer.process.js';
import { SITE_LOG_APPLICATION_ID } from './site-log-file.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';
import { type SiteLogVerification, verifySiteLog } from './verify-site-log.js';

const test = suite('a site log that is killed while its file is changed');
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-change-log-'));
const site = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const key = signingKey.export({ format: 'pem', type: 'pkcs8' }).toString();
const COMMON = 1000;
const LOST = 2000;
const OWN = 1000;
const KILLS = 5;
test.after(() => rmSync(directory, { recursive: true }));

const inDirectory = (name: string) => path.join(directory, `${name}.sqlite`);
const open = (file: string) => openSqliteSiteLog({ file, site, now: Date.now, signingKey });

async function append(file: string, count: number): Promise<string> {
  await using log = await open(file);
  for (let left = count; left > 0; left -= 250) {
    const events = Array.from({ length: Math.min(250, left) }, newEvent);
    await log.append([{ stream: `stream-${left % 3}`, expected: 'any', events }]);
  }
  return (await log.signedCheckpoint()).note;
}

/** One in ten is carried over the cut of a truncation. */
function newEvent(_: unknown = null, index = 0): NewEvent {
  const type = index % 10 === 0 ? 'AlarmRaised' : 'RecordingSealed';
  return {
    ...{ id: v7() as EventId, type, version: 1, actor: 'user:anna' },
    data: Buffer.from(`{"text":"${'x'.repeat(300)}"}`),
    ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
}

/** Runs a change to its end, or kills it some milliseconds after it has begun. How long it took; null when it did not end. */
async function change(
  options: Omit<LogChange, 'site' | 'key'>,
  killAfterMs: number | null,
): Promise<number | null> {
  const argument = JSON.stringify({ ...options, site, key } satisfies LogChange);
  const child = fork(path.join(import.meta.dirname, 'log-changer.process.js'), [argument]);
  let beganMs = 0;
  let lastedMs: number | null = null;
  const begun = new Promise<void>(resolve => {
    child.on('message', message => {
      if (message === 'DONE') lastedMs = performance.now() - beganMs;
      beganMs = performance.now();
      resolve();
    });
  });
  const closed = once(child, 'close');
  await Promise.race([begun, closed]);
  if (killAfterMs !== null) {
    await delay(killAfterMs);
    child.kill('SIGKILL');
  }
  await closed;
  return lastedMs;
}

/** Proves the file, after its site has opened it again. */
async function openedAgain(file: string): Promise<SiteLogVerification> {
  await (await open(file))[Symbol.asyncDispose]();
  const verification = await verifySiteLog({ file, key: signingKey });
  assert.equal(verification.damages, []);
  return verification;
}

test('has taken its history back wholly or not at all', async () => {
  const lost = inDirectory('lost');
  const restored = inDirectory('restored');
  await append(lost, COMMON - 1);
  copyFileSync(lost, restored);
  const note = await append(lost, LOST);
  await append(restored, OWN);
  const history = { file: lost, commonPosition: COMMON, note };
  const whole = inDirectory('whole');
  copyFileSync(restored, whole);
  const lastsMs = (await change({ file: whole, lost: history }, null))!;
  const reopened = await openedAgain(whole);
  assert.equal([reopened.head?.epoch, reopened.head?.size], [2, 1 + OWN + 1]);
  assert.is(reopened.eventCount, COMMON + LOST + 1 + OWN + 1);
  assert.is(reopened.signedCount, reopened.eventCount);
  for (let kill = 0; kill < KILLS; kill += 1) {
    const file = inDirectory(`killed-${kill}`);
    copyFileSync(restored, file);
    await change({ file, lost: history }, (lastsMs * (kill + 0.5)) / KILLS);
    const { eventCount, head } = await openedAgain(file);
    const isReopened = head?.epoch === 2;
    assert.is(eventCount, isReopened ? COMMON + LOST + 1 + OWN + 1 : COMMON + OWN, `kill ${kill}`);
    if (!isReopened) assert.ok(await change({ file, lost: history }, null));
    assert.is((await openedAgain(file)).eventCount, COMMON + LOST + 1 + OWN + 1);
  }
});

test('is proved at every length that a truncation was cut off at, and has all of it done when it was opened again', async () => {
  const long = inDirectory('long');
  await append(long, LOST * 3);
  const size = LOST * 3 + 1;
  const truncateTo = size - 500;
  const copy = (name: string) => {
    copyFileSync(long, inDirectory(name));
    return inDirectory(name);
  };
  const truncate = (file: string, killAfterMs: number | null) =>
    change({ file, lost: null, truncateTo }, killAfterMs);
  const lastsMs = (await truncate(copy('long-whole'), null))!;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const file = copy(`long-${kill}`);
    await truncate(file, (lastsMs * (kill + 0.5)) / KILLS);
    const { damages, head, eventCount } = await verifySiteLog({ file, key: signingKey });
    assert.equal(damages, []);
    // Killed before the event that says so, it was never begun.
    const isBegun = head?.size === size + 1;
    assert.ok(isBegun || (head?.size === size && eventCount === size));
    await using log = await open(file);
    while (isBegun && (await keptCount(file)) > 501) await delay(10);
    // Besides the first event of the log.
    const carried = isBegun ? (size - 501) / 10 + 1 : 0;
    assert.is((await verifySiteLog({ file, key: signingKey })).carriedCount, carried);
    assert.ok((await log.append([{ stream: 'after', expected: 'none', events: [newEvent()] }])).appended);
  }
});

async function keptCount(file: string): Promise<number> {
  return (await verifySiteLog({ file, key: null })).eventCount;
}

test('has been brought to today’s layout wholly or not at all', async () => {
  const old = inDirectory('old');
  await append(inDirectory('today'), LOST);
  const db = new DatabaseSync(old);
  db.exec(`
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA application_id = ${SITE_LOG_APPLICATION_ID};
    PRAGMA user_version = 1;
    CREATE TABLE event (
      position INTEGER PRIMARY KEY,
      id BLOB NOT NULL UNIQUE,
      stream TEXT NOT NULL,
      revision INTEGER NOT NULL,
      header BLOB NOT NULL,
      data BLOB NOT NULL,
      leaf_hash BLOB NOT NULL,
      UNIQUE (stream, revision)
    ) STRICT;
    ATTACH '${inDirectory('today')}' AS today;
    INSERT INTO event
    SELECT key - ${placeKey({ epoch: 1, position: 0 })}, id, stream, revision, header, data, leaf_hash FROM today.event;
    CREATE TABLE log AS SELECT singleton, site, epoch, size, tree_edge FROM today.log, today.epoch;
    CREATE TABLE checkpoint AS SELECT size, note, signed_at_ms FROM today.checkpoint;
  `);
  db.close();
  const size = LOST + 1;
  const whole = inDirectory('old-whole');
  copyFileSync(old, whole);
  const lastsMs = (await change({ file: whole, lost: null }, null))!;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const file = inDirectory(`old-${kill}`);
    copyFileSync(old, file);
    await change({ file, lost: null }, (lastsMs * (kill + 0.5)) / KILLS);
    const { head, eventCount } = await openedAgain(file);
    assert.equal([head?.size, eventCount], [size, size]);
  }
});

test.run();
