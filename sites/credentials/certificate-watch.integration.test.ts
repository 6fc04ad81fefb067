import { randomUUID } from 'node:crypto';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createMemorySiteLog, LOG_START, noFoldStore, type SiteLog } from '@holdfast/core';
import {
  createCertificateAuthority,
  issuePeerCredentials,
  savePeerCredentials,
} from '@holdfast/interconnect';
import type { AlarmId, EventId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { alarmsByCause } from '../alarms-by-cause.js';
import { sha256 } from '../log/sha256.js';
import { ManagementServer } from '../management-server/management-server.js';
import { newUuid } from '../site-servers.js';
import { filesOfCertificates, watchCertificates } from './certificate-watch.js';

const test = suite('certificates of a server that runs');
const DAY_MS = 24 * 3600 * 1000;
const issuedAtMs = Date.UTC(2026, 10, 27);
/** Of a certificate, as it is issued. */
const LIFETIME_DAYS = 3650;
const siteId = randomUUID() as SiteId;
const logger = pino({ level: 'silent' });
const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-certificates-'));
test.after(() => rm(directory, { recursive: true, force: true }));
const credentials = path.join(directory, 'credentials');
const authority = await createCertificateAuthority({ name: 'Test', nowMs: issuedAtMs });
const issue = async (nowMs: number) =>
  savePeerCredentials(
    credentials,
    await issuePeerCredentials(authority, { site: siteId, role: 'site', nowMs }),
  );

async function openServer() {
  await issue(issuedAtMs);
  const log: SiteLog = createMemorySiteLog({ site: siteId, now: Date.now, sha256 });
  const append = log.append.bind(log);
  let refusedCount: number | null = null;
  log.append = async appends => {
    if (refusedCount === null) return append(appends);
    refusedCount += 1;
    throw new Error('the disk is full');
  };
  const management = await ManagementServer.open({
    ...{ log, siteId, now: Date.now, newId: newUuid<EventId>, logger, folds: noFoldStore },
    subjectKeys: { keyIdsOf: () => [], destroy: () => undefined },
  });
  const told = async () => {
    const events = await log.read({ after: LOG_START, limit: 1_000 });
    const ofAlarms = events.filter(({ type }) => type.startsWith('Alarm'));
    return ofAlarms.map(({ type, data }) => ({ type, data: JSON.parse(Buffer.from(data).toString()) }));
  };
  let nowMs = issuedAtMs;
  return {
    /** How long the first certificate is valid still. */
    leave: (days: number) => {
      nowMs = issuedAtMs + (LIFETIME_DAYS - days) * DAY_MS;
    },
    nowMs: () => nowMs,
    /** Takes nothing until it is asked to again: how often it was tried. */
    refuse: () => {
      refusedCount = 0;
      const end = () => {
        refusedCount = null;
      };
      return { count: () => refusedCount ?? 0, end };
    },
    /** The process, until it is ended. */
    start: () => {
      const stopping = new AbortController();
      const files = filesOfCertificates({ credentials: './credentials' }, directory);
      const alarms = alarmsByCause({ management, siteId }, logger);
      const running = watchCertificates(
        { ...{ files, alarms, logger }, now: () => nowMs, lookMs: 2 },
        stopping.signal,
      );
      return async () => {
        stopping.abort();
        await running;
      };
    },
    close: async (alarmId: AlarmId) => {
      const closed = { kind: 'HandleAlarm', alarmId, state: 'CLOSED', reason: 'seen' } as const;
      assert.ok((await management.execute(closed, { actor: 'user:admin' })).accepted);
    },
    /** What the log says once it says so much, in short. */
    until: async (count: number) => {
      for (let turns = 0; (await told()).length < count; turns += 1) {
        assert.ok(turns < 2_000, JSON.stringify(await told()));
        await new Promise(resolve => setTimeout(resolve, 5));
      }
      return told();
    },
  };
}

test('are an alarm thirty days before they expire, more urgent a week and a day before', async () => {
  const server = await openServer();
  server.leave(31);
  const end = server.start();
  server.leave(29.5);
  const [raised] = await server.until(1);
  assert.is(raised!.type, 'AlarmRaised');
  assert.is(raised!.data.name, 'The certificate of this server expires soon');
  assert.is(raised!.data.priority, 3);
  assert.match(
    raised!.data.message,
    `${path.join(credentials, 'server.crt.pem')}: expires in 29 days, at 2036-11-24T`,
  );
  server.leave(6.5);
  await server.until(3);
  server.leave(0.5);
  const told = await server.until(5);
  assert.equal(
    told
      .slice(1)
      .map(({ type, data }) => [type, data.priority ?? data.comment.replace(/^.*expires/, '').slice(0, 14)]),
    [
      ['AlarmPrioritised', 2],
      ['AlarmCommented', ' in 6 days, at'],
      ['AlarmPrioritised', 1],
      ['AlarmCommented', ' within a day,'],
    ],
  );
  await end();
  assert.is((await server.until(5)).length, 5);
});

test('are told once more when they come nearer to it after somebody has closed the alarm', async () => {
  const server = await openServer();
  server.leave(20);
  const end = server.start();
  const [raised] = await server.until(1);
  await server.close(raised!.data.alarmId);
  server.leave(0);
  const told = await server.until(3);
  await end();
  assert.is(told[2]!.data.name, 'The certificate of this server has expired');
  assert.match(told[2]!.data.message, 'expired at 2036-11-24T');
  assert.is(told[2]!.data.priority, 1);
});

test('are told again until the log has taken it', async () => {
  const server = await openServer();
  server.leave(5);
  const refusal = server.refuse();
  const end = server.start();
  for (let turns = 0; refusal.count() < 2; turns += 1) {
    assert.ok(turns < 2_000, 'it was not tried again');
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  refusal.end();
  const [raised] = await server.until(1);
  await end();
  assert.is(raised!.type, 'AlarmRaised');
});

test('end their alarm while the server runs, when another one is in their place and whole', async () => {
  const server = await openServer();
  server.leave(5);
  const end = server.start();
  await server.until(1);
  const nowMs = server.nowMs();
  const renewed = await issuePeerCredentials(authority, { site: siteId, role: 'site', nowMs });
  await writeFile(path.join(credentials, 'server.crt.pem'), renewed.certificatePem);
  await new Promise(resolve => setTimeout(resolve, 50));
  assert.is((await server.until(1)).length, 1, 'the key is still that of the other one');
  await savePeerCredentials(credentials, renewed);
  const [, closed] = await server.until(2);
  await end();
  assert.is(closed!.type, 'AlarmClosed');
  assert.match(closed!.data.reason, 'It is valid until 2046-');
});

test('are also that of the authority, and those of a server that keeps the log', async () => {
  const server = await openServer();
  await copyFile(path.join(credentials, 'authority.crt.pem'), path.join(directory, 'kurrent.pem'));
  const connectionString = `esdb://localhost:2113?tlsCAFile=${encodeURIComponent(path.join(directory, 'kurrent.pem'))}`;
  const files = filesOfCertificates(
    { credentials: './credentials', log: { kurrent: { connectionString } } },
    directory,
  );
  const raised: string[] = [];
  const alarms = {
    raise: async ({ message }: { readonly message: string }) => raised.push(message) > 0,
    end: async () => true,
  };
  const stopping = new AbortController();
  const now = () => issuedAtMs + (2 * LIFETIME_DAYS - 5) * DAY_MS;
  const running = watchCertificates({ files, alarms, now, logger }, stopping.signal);
  stopping.abort();
  await running;
  assert.equal(
    raised.map(message => path.basename(message.slice(0, message.indexOf(':')))),
    ['server.crt.pem', 'authority.crt.pem', 'kurrent.pem'],
  );
  assert.match(raised[1]!, 'a new authority');
  assert.is((await server.until(0)).length, 0);
});

test('are, of a bundle of authorities by which a server of the log is believed, told of when the last one expires', async () => {
  const expired = await createCertificateAuthority({
    name: 'Expired',
    nowMs: issuedAtMs - (2 * LIFETIME_DAYS + 1) * DAY_MS,
  });
  const file = path.join(directory, 'bundle.pem');
  await writeFile(file, `${expired.certificatePem}${authority.certificatePem}`);
  const connectionString = `esdb://localhost:2113?tlsCAFile=${encodeURIComponent(file)}`;
  const files = filesOfCertificates({ log: { kurrent: { connectionString } } }, directory);
  const raisedAt = async (nowMs: number) => {
    const raised: string[] = [];
    const raise = async ({ name }: { readonly name: string }) => raised.push(name) > 0;
    const alarms = { raise, end: async () => true };
    const stopping = new AbortController();
    const running = watchCertificates({ files, alarms, logger, now: () => nowMs }, stopping.signal);
    stopping.abort();
    await running;
    return raised;
  };
  assert.equal(await raisedAt(issuedAtMs), []);
  assert.equal(await raisedAt(issuedAtMs + (2 * LIFETIME_DAYS - 5) * DAY_MS), [
    'A certificate for the server of the log expires soon',
  ]);
});

test.run();
