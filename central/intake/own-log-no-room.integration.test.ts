import { spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { LOG_START, newEvent } from '@holdfast/core';
import { createCertificateAuthority } from '@holdfast/interconnect';
import type { EventId } from '@holdfast/schema';
import { type DurableSiteLog, openLogOf } from '@holdfast/sites';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prepareCentral } from '../bench/bench-central.js';
import { newBenchIdentity } from '../bench/bench-identity.js';
import { openDatabase } from '../postgres/database.js';
import { takeInOwnLog } from './own-log-taken-in.fixture.js';

const test = suite('a central without room for what its database gives back of its log');
const program = path.join(import.meta.dirname, 'own-log-no-room.fixture.js');
/** More than a central writes into one file as it starts, and less than what it has to take back. */
const FILE_BYTES_MAX = 600_000;

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  return port;
}

async function rename(log: DurableSiteLog, times: number): Promise<void> {
  const fact = { type: 'SiteRenamed', data: { name: 'x'.repeat(90) } } as const;
  const events = Array.from({ length: times }, () =>
    newEvent(fact, {
      ...{ id: randomUUID() as EventId, actor: 'user:admin', occurredAtMs: Date.now(), clockQuality: 'NTP' },
    }),
  );
  assert.ok((await log.append([{ stream: 'site', expected: 'any', events }])).appended);
}

const missing = spawnSync('prlimit', ['--version']).status !== 0;

test('lives on, says why it is not ready, and repairs its log when there is room', async () => {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-no-room-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const { sql } = stack.use(await openDatabase({ directory: path.join(directory, 'pg'), databaseUrl: null }));
  const dataDirectory = path.join(directory, 'central');
  const authority = await createCertificateAuthority({ name: 'Test', nowMs: Date.now() });
  const central = await newBenchIdentity(authority, 'central');
  const configuration = {
    ...(await prepareCentral({ directory: dataDirectory, central, sites: [], heartbeatSeconds: 1 })),
    http: { port: await freePort() },
  };
  const work = async <Result>(task: (log: DurableSiteLog) => Promise<Result>): Promise<Result> => {
    const site = { id: central.siteId, name: 'Central' };
    await using log = await openLogOf({
      ...{ configuration: { site }, dataDirectory, logger: pino({ level: 'silent' }) },
    });
    return await task(log);
  };
  const [log, copy] = [path.join(dataDirectory, 'log'), path.join(directory, 'copy')];
  await work(opened => rename(opened, 1));
  await cp(log, copy, { recursive: true });
  await work(async opened => {
    for (let count = 0; count < 2_000; count += 500) await rename(opened, 500);
    await takeInOwnLog(opened, sql);
  });
  await rm(log, { recursive: true });
  await cp(copy, log, { recursive: true });

  const [at] = await sql<{ socket: string }[]>`select current_setting('unix_socket_directories') as socket`;
  const args = [program, dataDirectory, JSON.stringify(configuration), String(FILE_BYTES_MAX)];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DATABASE_URL: 'postgres:///postgres', PGHOST: at!.socket, PGUSERNAME: 'holdfast' },
  });
  const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const because = 'NOT_REPAIRED_NOW: disk I/O error; it is tried again, at the latest after an hour';
  const withoutRoom = JSON.stringify({ status: 'not ready', reason: because });
  const told = [{ withoutRoom, readyCount: 0 }, { readyCount: 1 }];
  assert.is(out, told.map(facts => `${JSON.stringify(facts)}\n`).join(''), errors);

  const events = await work(opened => opened.read({ after: LOG_START, limit: 5_000 }));
  const renamed = events.filter(({ type }) => type === 'SiteRenamed');
  assert.equal([renamed.length, renamed.at(-1)!.epoch], [2_001, 1]);
  const alarms = events
    .filter(({ type }) => type === 'AlarmRaised')
    .map(({ data }) => JSON.parse(Buffer.from(data).toString()) as { name: string; message: string });
  const unrepaired = alarms.filter(({ name }) => /what the own database holds/.test(name));
  assert.equal(
    unrepaired.map(({ message }) => message),
    [because],
  );
});

if (!missing) test.run();
else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [
    ...(skipped.HOLDFAST_SKIPPED ?? []),
    'a central without room: prlimit (util-linux) is missing',
  ];
}
