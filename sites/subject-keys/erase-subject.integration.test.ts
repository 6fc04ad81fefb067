import path from 'node:path';
import { LOG_START, type RecordedEvent, sealCommand } from '@holdfast/core';
import type { AlarmId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readSiteLogFile } from '../log/site-log-reader.js';
import { temporaryFolder } from '../recording-server/media-database/media-fixture.js';
import { siteLogFileOf, subjectKeyFileOf } from '../site-directory.js';
import { loadSiteKeys } from '../site-keys.js';
import { openSiteServers } from '../site-servers.js';
import { verifySiteDirectory } from '../verify-site-directory.js';
import { eraseSubject } from './erase-subject.js';
import { ERASED_TEXT, SubjectKeys } from './subject-keys.js';

const test = suite('erasure at a site');
const logger = pino({ level: 'silent' });
const alarmId = v7() as AlarmId;
const comment = 'Jörg was there.';

const servers = (baseDirectory: string, id: SiteId) =>
  openSiteServers({
    ...{ baseDirectory, pins: () => [], logger },
    configuration: { site: { id, name: 'Branch' }, data: '.', recordingServers: [], cameras: [] },
  });

function read(directory: string): { readonly events: readonly RecordedEvent[]; readonly comment: string } {
  using log = readSiteLogFile(siteLogFileOf(directory));
  using keys = SubjectKeys.open({
    file: subjectKeyFileOf(directory),
    ...loadSiteKeys(directory),
    site: log.head().site,
  });
  const events = log.read({ after: LOG_START, limit: 1000 });
  const commented = events.find(event => event.type === 'AlarmCommented')!;
  return { events, comment: JSON.parse(keys.revealJson(Buffer.from(commented.data).toString())).comment };
}

test('a subject is erased, no byte of the log before changes, and the log is proven clean', async () => {
  await using folder = await temporaryFolder();
  const directory = path.join(folder.path, 'site');
  const siteId = v7() as SiteId;
  {
    await using site = await servers(directory, siteId);
    const context = { actor: 'user:somebody' };
    const raise = { kind: 'RaiseAlarm', alarmId, name: 'Door', message: '', priority: 1 } as const;
    await site.management.execute({ ...raise, sourceDeviceId: null }, context);
    const handle = sealCommand({ kind: 'HandleAlarm', alarmId, comment }, site.subjectKeys);
    assert.ok((await site.management.execute(handle, context)).accepted);
    await eraseSubject(
      directory,
      { subject: `alarm-${alarmId}` },
      { operator: 'anna on depot', logger },
    ).then(
      () => assert.unreachable('the site runs'),
      (error: unknown) => assert.match(String(error), 'IN_USE'),
    );
  }
  const before = read(directory);
  assert.is(before.comment, comment);
  assert.ok(
    (await eraseSubject(directory, { subject: `alarm-${alarmId}` }, { operator: 'anna on depot', logger }))
      .accepted,
  );
  const after = read(directory);
  assert.is(after.comment, ERASED_TEXT);
  const leaves = (events: readonly RecordedEvent[]) =>
    events.map(event => Buffer.from(event.leafHash).toString('hex'));
  assert.equal(leaves(after.events.slice(0, before.events.length)), leaves(before.events));
  assert.is(after.events.at(-1)!.type, 'SubjectErased');
  assert.equal((await verifySiteDirectory(directory, { signal: AbortSignal.timeout(30_000) })).damages, []);
  const again = await eraseSubject(
    directory,
    { subject: `alarm-${alarmId}` },
    { operator: 'anna on depot', logger },
  );
  assert.is(again.accepted ? 'accepted' : again.code, 'SUBJECT_NOT_FOUND');
});

test.run();
