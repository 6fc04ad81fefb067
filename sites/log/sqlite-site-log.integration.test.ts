import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type LogHead,
  reopenableLogConformanceCases,
  signCheckpoint,
  siteLogConformanceCases,
} from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { noteSigner } from './ed25519-notes.js';
import { sha256 } from './sha256.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';

const site = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const sign = (head: LogHead) => signCheckpoint(head, noteSigner(signingKey), sha256);
const newEventId = () => v7() as EventId;

const conformance = suite('SQLite site log, as every site log');
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-site-log-'));
conformance.after(() => rmSync(directory, { recursive: true }));

for (const { title, run } of [...siteLogConformanceCases, ...reopenableLogConformanceCases]) {
  conformance(title, async () => {
    const file = path.join(directory, randomBytes(8).toString('hex'), 'site-log.sqlite');
    const open = ({ now }: { now: () => number }) => openSqliteSiteLog({ file, site, now, signingKey });
    await run({ site, open, newEventId, sha256, assert, sign });
  });
}

conformance.run();
