import { generateKeyPairSync } from 'node:crypto';
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
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openKurrentServer } from '../../kurrent-server/kurrent-server.js';
import { StoredStreams } from '../../kurrent-server/stored-streams.js';
import { noteSigner } from '../ed25519-notes.js';
import { sha256 } from '../sha256.js';
import { openKurrentSiteLog } from './kurrent-site-log.js';

/** What the largest append of a log needs: 4 MiB of data and 512 headers. */
const APPEND_BYTES_MAX = 8 * 1024 * 1024;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const newEventId = () => v7() as EventId;
const sign = (head: LogHead) => signCheckpoint(head, noteSigner(signingKey), sha256);

/** The same suite against what stands in for a server here, and against a real one where there is one. */
function conformance(title: string, connectionString: () => string) {
  const test = suite(title);
  for (const { title: caseTitle, run } of [...siteLogConformanceCases, ...reopenableLogConformanceCases]) {
    test(caseTitle, async () => {
      // A server keeps what it has: every case has a site of its own.
      const site = v7() as SiteId;
      const open = ({ now }: { now: () => number }) =>
        openKurrentSiteLog({
          ...{ connectionString: connectionString(), site, indexFile: null, now, signingKey },
          random: Math.random,
          onTrouble: detail => console.error(detail),
        });
      await run({ site, open, newEventId, sha256, assert, sign });
    });
  }
  return test;
}

const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-kurrent-'));
const streams = new StoredStreams({ file: path.join(directory, 'streams.sqlite'), now: Date.now });
const server = await openKurrentServer({
  ...{ streams, host: '127.0.0.1', port: 0, credentials: null, appendBytesMax: APPEND_BYTES_MAX },
  logger: pino({ level: 'warn' }),
});
const standIn = conformance(
  'log in EventStoreDB (our own server of the protocol), as every site log',
  () => `esdb://127.0.0.1:${server.port}?tls=false`,
);
standIn.after(async () => {
  await server[Symbol.asyncDispose]();
  streams[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});
standIn.run();

const url = process.env.KURRENTDB_URL;
const real = conformance('log in a real KurrentDB (KURRENTDB_URL), as every site log', () => url ?? '');
if (url !== undefined) real.run();
else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = ['log in a real KurrentDB: KURRENTDB_URL names no server'];
}
