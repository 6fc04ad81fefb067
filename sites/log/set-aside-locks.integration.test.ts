import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { type NewEvent, newEvent, type ProtectedSpan } from '@holdfast/core';
import type { DeviceId, EventId, EvidenceLockEvent, EvidenceLockId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rawPublicKey } from './ed25519-notes.js';
import { setAsideSiteLog } from './salvage-site-log.js';
import { SetAsideLocks, type SetAsideLocksOptions, SetAsideLocksUnknownError } from './set-aside-locks.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';

const test = suite('evidence locks in a log that is set aside');
const site = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-set-aside-locks-'));
test.after(() => rmSync(directory, { recursive: true }));
const never = new AbortController().signal;

const evidenceLockId = v7() as EvidenceLockId;
const deviceId = v7() as DeviceId;
const span = { evidenceLockId, fromMs: 4_000, toMs: 5_000, expiresAtMs: null };
const created: EvidenceLockEvent = {
  type: 'EvidenceLockCreated',
  data: { ...span, headline: 'Theft', deviceIds: [deviceId], description: '' as never },
};
const released: EvidenceLockEvent = {
  type: 'EvidenceLockReleased',
  data: { evidenceLockId, reason: '' as never },
};
const madeOf = (event: EvidenceLockEvent): NewEvent =>
  newEvent(event, { id: v7() as EventId, actor: 'user:a', occurredAtMs: 1, clockQuality: 'NTP' });
/** Such as newer software may say. */
const ofTomorrow = (): NewEvent => ({ ...madeOf(released), type: 'EvidenceLockSuspended' });

interface Read {
  readonly spans: readonly ProtectedSpan[] | string;
  readonly alarms: readonly string[];
}

/** What is protected by what a log says that is set aside; the reason, where that is not known. */
async function readOf(
  events: readonly NewEvent[],
  { damage, ...options }: { readonly damage?: string } & Pick<SetAsideLocksOptions, 'thread'> = {},
): Promise<Read> {
  const file = path.join(mkdtempSync(path.join(directory, 'site-')), 'log', 'site-log.sqlite');
  {
    await using log = await openSqliteSiteLog({ file, site, now: Date.now, signingKey });
    await log.append([{ stream: `evidence-lock-${evidenceLockId}`, expected: 'any', events }]);
  }
  if (damage !== undefined) {
    using db = new DatabaseSync(file);
    db.exec(damage);
    // What was there must not be found on a page that is free.
    db.exec('VACUUM');
  }
  const publicKey = rawPublicKey(signingKey);
  await setAsideSiteLog({ file, site, publicKey, nowMs: Date.now(), damage: 'a test' });
  const alarms: string[] = [];
  const locks = new SetAsideLocks({
    ...{ file, site, logger: pino({ level: 'silent' }), ...options },
    alarm: ({ message }) => void alarms.push(message),
  });
  assert.throws(
    () => locks.spans(0),
    (error: unknown) => error instanceof SetAsideLocksUnknownError,
  );
  await locks.run(never);
  try {
    return { spans: locks.spans(0), alarms };
  } catch (error) {
    assert.instance(error, SetAsideLocksUnknownError);
    return { spans: (error as Error).message, alarms };
  }
}

test('protect what they did, until they are released', async () => {
  const locked = await readOf([madeOf(created)]);
  assert.equal(locked, { spans: [{ deviceId, fromMs: 4_000, toMs: 5_000 }], alarms: [] });
  assert.equal(await readOf([madeOf(created), madeOf(released)]), { spans: [], alarms: [] });
});

test('protect all of their devices when something is said of them that cannot be read', async () => {
  const all = { spans: [{ deviceId, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }], alarms: [] };
  assert.equal(await readOf([madeOf(created), ofTomorrow()]), all);
  assert.equal(await readOf([madeOf(created), madeOf(released), ofTomorrow()]), all);
  const damage = `UPDATE event SET data = x'7b7d' WHERE revision = 1`;
  assert.equal(await readOf([madeOf(created), madeOf(released)], { damage }), all);
});

test('keep everything when not even their devices can be read, and are named in an alarm', async () => {
  const damage = `UPDATE event SET data = x'7b7d' WHERE stream LIKE 'evidence-lock-%'`;
  const gone = `DELETE FROM event WHERE stream LIKE 'evidence-lock-%' AND revision = 0`;
  const extended: EvidenceLockEvent = { type: 'EvidenceLockExtended', data: { ...span, toMs: 6_000 } };
  const all = [
    await readOf([ofTomorrow()]),
    await readOf([madeOf(created)], { damage }),
    await readOf([madeOf(created), madeOf(extended)], { damage: gone }),
  ];
  for (const { spans, alarms } of all) {
    assert.match(String(spans), `evidence lock ${evidenceLockId}`);
    assert.is(alarms.length, 1);
    assert.match(alarms[0]!, evidenceLockId);
  }
});

test('keep everything when the thread that reads them ends without an answer', async () => {
  const silent = path.join(directory, 'silent.js');
  writeFileSync(silent, '');
  const { spans, alarms } = await readOf([madeOf(created)], { thread: pathToFileURL(silent) });
  assert.match(String(spans), 'the thread that reads them ended with code 0');
  assert.is(alarms.length, 1);
});

test.run();
