import { generateKeyPairSync } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encodeBase64, newEvent } from '@holdfast/core';
import type { EventId, HoldfastEvent, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readLogAdmissions } from './log-admissions.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';

const test = suite('admissions of a log');

test('says who may report, and by which keys, before and behind a cut', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-admissions-'));
  const [site, first, second] = [v7() as SiteId, v7() as SiteId, v7() as SiteId];
  const file = path.join(folder.path, 'log.sqlite');
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  await using log = await openSqliteSiteLog({ file, site, now: Date.now, signingKey });
  const say = async (stream: string, event: HoldfastEvent) => {
    const facts = { actor: 'system', occurredAtMs: 1, clockQuality: 'NTP' as const };
    const events = [newEvent(event, { id: v7() as EventId, ...facts })];
    await log.append([{ stream, expected: 'any', events }]);
  };
  const admit = async (siteId: SiteId, byte: number) => {
    const publicKey = encodeBase64(new Uint8Array(32).fill(byte));
    const enrolled = { siteId, name: 'Bus', certificateSha256: 'ab'.repeat(32) };
    await say(`child-site-${siteId}`, { type: 'ChildSiteEnrolled', data: enrolled });
    await say(`log-key-${siteId}`, {
      type: 'LogKeyPinned',
      data: { siteId, publicKey, because: 'CONFIGURED' },
    });
  };
  await admit(first, 1);
  const keptAfter = { epoch: 1, position: log.head().size };
  await admit(second, 2);
  const said = () => {
    const { site: of, children, logKeys } = readLogAdmissions(file);
    const keys = [first, second].map(child => (logKeys.get(child) ?? []).map(key => key[31]));
    return [of, [...children].sort(), keys];
  };
  const both = [site, [first, second].sort(), [[1], [2]]];
  assert.equal(said(), both);
  const truncation = { keptAfter, acknowledgedBy: 'PARENT' as const, recordedBeforeMs: Date.now() };
  await log.truncate(truncation, new AbortController().signal);
  assert.equal(log.keptAfter(), keptAfter);
  assert.equal(said(), both);
});

test.run();
