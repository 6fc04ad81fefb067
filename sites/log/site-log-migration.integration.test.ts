import { createPrivateKey } from 'node:crypto';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { LOG_START } from '@holdfast/core';
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
function layout1(name: string): string {
  const file = path.join(directory, name);
  copyFileSync(path.join(fixtures, 'site-log.layout-1.sqlite'), file);
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
