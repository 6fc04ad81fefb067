import { createPrivateKey } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LOG_START, type NewEvent } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readSiteLogFile } from './site-log-reader.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('a site log of an earlier layout');
const fixtures = path.join(import.meta.dirname, '..', '..', 'log', 'fixtures');
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-migrate-log-'));
test.after(() => rmSync(directory, { recursive: true }));

const site = '0198f3a2-7c1d-7e2a-9b3c-1234567890ab' as SiteId;
/** PKCS #8 around the private key 0x07…07, with which the fixtures were signed. */
const signingKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)]),
  format: 'der',
  type: 'pkcs8',
});

/** A file of the first layout: the first event, five others in two streams, a checkpoint behind four and one at the end. */
const layout1 = (name: string) => copyOf('site-log.layout-1.sqlite', name);
/** A file of the third: 19 events in seven streams, of which the first nine were truncated and five of those carried over the cut. */
const layout3 = (name: string) => copyOf('site-log.layout-3.sqlite', name);

function copyOf(fixture: string, name: string): string {
  const file = path.join(directory, name);
  copyFileSync(path.join(fixtures, fixture), file);
  return file;
}

test('is brought to today’s when its site opens it, with every event, checkpoint and revision', async () => {
  const file = layout1('open.sqlite');
  const options = { file, site, now: Date.now, signingKey };
  {
    await using log = await openSqliteSiteLog(options);
    const events = await log.read({ after: LOG_START, limit: 100 });
    assert.equal(
      events.map(({ epoch, position, stream, revision }) => [epoch, position, stream, revision]),
      [
        [1, 1, 'log', 0],
        [1, 2, 'site', 0],
        [1, 3, 'alarm-1', 0],
        [1, 4, 'site', 1],
        [1, 5, 'alarm-1', 1],
        [1, 6, 'site', 2],
      ],
    );
    const { id, type, version, data, actor, occurredAtMs, clockQuality } = events[4]!;
    const again = { id, type, version, data, actor, occurredAtMs, clockQuality };
    const replay = await log.append([
      {
        ...{ stream: 'alarm-1', expected: 'any' },
        events: [{ ...again, causationId: null, correlationId: null }],
      },
    ]);
    assert.ok(replay.appended && replay.replayed && replay.firstPosition === 5);
    const next = { ...again, id: '0198f3a2-7c1d-7e2a-9b3c-0000000000ff' as EventId };
    const appended = await log.append([
      {
        ...{ stream: 'alarm-1', expected: 1 },
        events: [{ ...next, causationId: null, correlationId: null }],
      },
    ]);
    assert.ok(appended.appended && appended.firstPosition === 7);
  }
  const verification = await verifySiteLog({ file, key: signingKey });
  assert.equal(verification.damages, []);
  assert.equal([verification.eventCount, verification.signedCount, verification.checkpointCount], [7, 7, 3]);
});

test('has the index that was kept for its uniqueness as the index of its streams', async () => {
  const file = layout3('index.sqlite');
  const options = { file, site, now: Date.now, signingKey };
  const newEvent = (id: string): NewEvent => ({
    ...{ id: id as EventId, type: 'AlarmRaised', version: 1, actor: 'user:anna', data: Buffer.from('{}') },
    ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
  });
  {
    await using log = await openSqliteSiteLog(options);
    const db = new DatabaseSync(file, { readOnly: true });
    assert.is(db.prepare('SELECT count(*) AS count FROM stream_index').get()?.count, 10);
    assert.is(db.prepare('PRAGMA integrity_check').get()?.integrity_check, 'ok');
    db.close();
    const revisionsOf = async (stream: string, afterRevision: number | null, carried = true) =>
      (await log.readStream({ stream, afterRevision, limit: 10, carried })).map(event => [
        event.position,
        event.revision,
      ]);
    assert.equal(await revisionsOf('recording-1', 3, false), [
      [10, 4],
      [11, 5],
      [14, 6],
      [15, 7],
    ]);
    assert.equal((await revisionsOf('alarm-1', null)).length, 5);
    const event = newEvent('0198f3a2-7c1d-7e2a-9b3c-0000000002ff');
    const refused = await log.append([{ stream: 'alarm-1', expected: 3, events: [event] }]);
    assert.not(refused.appended);
    // A stream of which all was truncated, one of which all is indexed, and a new one.
    const append = (stream: string, expected: number | 'none', id: string) =>
      log.append([{ stream, expected, events: [newEvent(`0198f3a2-7c1d-7e2a-9b3c-0000000002${id}`)] }]);
    assert.ok((await append('alarm-2', 0, '01')).appended);
    assert.ok((await append('alarm-1', 4, '02')).appended);
    assert.ok((await append('alarm-9', 'none', '03')).appended);
    assert.equal(await revisionsOf('alarm-1', 3), [
      [19, 4],
      [21, 5],
    ]);
    assert.equal(await revisionsOf('alarm-2', 0), [[20, 1]]);
  }
  const verification = await verifySiteLog({ file, key: signingKey });
  assert.equal(verification.damages, []);
  assert.equal([verification.eventCount, verification.carriedCount], [13, 5]);
});

test('is not changed by who only reads, and says what to do', async () => {
  const file = layout1('read.sqlite');
  const { damages } = await verifySiteLog({ file, key: signingKey });
  assert.is(damages.length, 1);
  assert.match(damages[0]!.detail, /OLDER_LAYOUT: layout 1; start its site with this software once/);
  let fault: unknown;
  try {
    readSiteLogFile(file);
  } catch (error) {
    fault = (error as { fault?: unknown }).fault;
  }
  assert.is(fault, 'OLDER_LAYOUT');
  const db = new DatabaseSync(file, { readOnly: true });
  assert.is(db.prepare('PRAGMA user_version').get()?.user_version, 1);
  db.close();
});

test.run();
