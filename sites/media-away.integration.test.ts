import { existsSync, renameSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LOG_START } from '@holdfast/core';
import type { RecordingServerId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SiteConfiguration } from './configuration/site-configuration.js';
import { readSiteLogFile } from './log/site-log-reader.js';
import { temporaryFolder } from './recording-server/media-database/media-fixture.js';
import { runSite } from './site.js';
import { mediaDirectoryOf, siteLogFileOf } from './site-directory.js';

const test = suite('a site whose disk of recordings is not mounted');
const recordingServerId = v7() as RecordingServerId;

test('runs, is not ready, and records by itself when the disk is there', async () => {
  await using folder = await temporaryFolder();
  const configuration = SiteConfiguration.parse({
    ...{ role: 'site', site: { id: v7() as SiteId, name: 'Branch' }, data: '.' },
    recordingServers: [{ id: recordingServerId, name: 'Recorder' }],
  });
  const types = async () => {
    if (!existsSync(siteLogFileOf(folder.path))) return [];
    using log = readSiteLogFile(siteLogFileOf(folder.path));
    return (await log.read({ after: LOG_START, limit: 1000 })).map(({ type }) => type);
  };
  const countOf = async (type: string) => (await types()).filter(found => found === type).length;
  const untilSaid = async (type: string, count: number) => {
    for (const deadline = Date.now() + 60_000; (await countOf(type)) < count; await delay(20)) {
      assert.ok(Date.now() < deadline, `${type}: ${await types()}`);
    }
  };
  const run = async (during: (operationsPort: number) => Promise<void>) => {
    const stopping = new AbortController();
    const ready = Promise.withResolvers<number>();
    const running = runSite(
      {
        ...{ configuration, baseDirectory: folder.path, logger: pino({ level: 'silent' }) },
        ...{ onReady: ({ operationsPort }) => ready.resolve(operationsPort), onEnding: () => undefined },
      },
      stopping.signal,
    );
    try {
      await during(await Promise.race([ready.promise, running.then(() => 0)]));
    } finally {
      stopping.abort();
      await running;
    }
  };
  await run(() => untilSaid('RecordingServerStarted', 1));
  const media = mediaDirectoryOf(folder.path, recordingServerId);
  const elsewhere = path.join(folder.path, 'disk');
  renameSync(media, elsewhere);
  await run(async port => {
    await untilSaid('RecordingHalted', 1);
    await untilSaid('AlarmRaised', 1);
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
    assert.is(answer.status, 503);
    assert.match(await answer.text(), `MEDIA_DIRECTORY_MISSING: ${media}`);
    assert.not(existsSync(media));
    renameSync(elsewhere, media);
    await untilSaid('RecordingServerStarted', 2);
    await untilSaid('RecordingUnhalted', 1);
    assert.is((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
  });
  assert.is(await countOf('RecordingHalted'), 1);
});

test.run();
