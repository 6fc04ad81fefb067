import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newEvent } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { openSqliteSiteLog, siteLogFileOf } from '@holdfast/sites';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openDatabase } from '../postgres/database.js';

const test = suite('holdfast verify of a central');
const program = path.resolve(import.meta.dirname, '../../bin/holdfast.mjs');

function verify(directory: string, databaseUrl: string | undefined) {
  const { DATABASE_URL: _, ...env } = process.env;
  const { status, stdout } = spawnSync(process.execPath, [program, 'verify', directory, '--json'], {
    encoding: 'utf8',
    env: databaseUrl === undefined ? env : { ...env, DATABASE_URL: databaseUrl },
  });
  return { status, report: JSON.parse(stdout) };
}

test('a database that was not seen is named, and the embedded one is proved whatever DATABASE_URL says', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-verify-'));
  const site = v7() as SiteId;
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  const event = {
    type: 'ChildSiteEnrolled' as const,
    data: { siteId: v7() as SiteId, name: 'Bus 12', certificateSha256: 'ab'.repeat(32) },
  };
  {
    await using log = await openSqliteSiteLog({
      ...{ file: siteLogFileOf(folder.path), site, now: Date.now, signingKey },
    });
    const enrolled = newEvent(event, {
      ...{ id: v7() as EventId, actor: 'system', occurredAtMs: Date.now(), clockQuality: 'NTP' },
    });
    await log.append([{ stream: 'sites', expected: 'none', events: [enrolled] }]);
    await log.signedCheckpoint();
  }
  const unseen = verify(folder.path, undefined);
  assert.is(unseen.status, 3);
  assert.is(unseen.report.proven, false);
  assert.equal(
    unseen.report.sites[0].unreachable.map(({ code }: { code: string }) => code),
    ['DATABASE_NOT_SEEN'],
  );
  const directory = path.join(folder.path, 'postgres');
  await (await openDatabase({ directory, databaseUrl: null }))[Symbol.asyncDispose]();
  const both = verify(folder.path, 'postgres://holdfast@127.0.0.1:1/holdfast');
  assert.equal(
    both.report.replicas.map(({ database }: { database: string }) => database),
    ['DATABASE_URL', directory],
  );
  assert.is(both.status, 1);
  assert.is(verify(folder.path, undefined).status, 0);
});

test.run();
