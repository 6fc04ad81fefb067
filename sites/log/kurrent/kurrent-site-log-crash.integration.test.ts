import { fork } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { equalBytes, LOG_START, placeOf, type RecordedEvent, type SiteLog } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StreamsProcess } from '../../kurrent-server/stored-streams.fixture.js';
import type { AppenderReport } from '../appender.process.js';
import { openKurrentSiteLog } from './kurrent-site-log.js';

const test = suite('a log in EventStoreDB, when something is killed');
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-kurrent-crash-'));
const signingKey = generateKeyPairSync('ed25519').privateKey;
const KILLS = 5;
test.after(() => rmSync(directory, { recursive: true }));

/** Where each acknowledged event was said to be. */
type Acknowledged = Map<string, number>;

function open(server: StreamsProcess, site: SiteId, indexFile: string | null = null) {
  return openKurrentSiteLog({
    ...{ connectionString: server.connectionString, site, indexFile, now: Date.now, signingKey },
    ...{ random: Math.random, onTrouble: () => undefined },
  });
}

function newEvent(text: string) {
  return {
    ...{ id: v7() as EventId, type: 'AlarmRaised', version: 1, data: Buffer.from(JSON.stringify({ text })) },
    ...{ actor: 'server:test', occurredAtMs: Date.now(), clockQuality: 'NTP' as const },
    ...{ causationId: null, correlationId: null },
  };
}

async function readAll(log: SiteLog): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (let after = LOG_START; ; after = placeOf(events.at(-1)!)) {
    const page = await log.read({ after, limit: 5000 });
    if (page.length === 0) return events;
    events.push(...page);
  }
}

function assertHolds(events: readonly RecordedEvent[], acknowledged: Acknowledged): void {
  const positions = new Map(events.map(event => [event.id as string, event.position]));
  assert.is(positions.size, events.length, 'no id is there twice');
  for (const [id, position] of acknowledged) assert.is(positions.get(id), position, `event ${id}`);
}

test('has what the killed writer had acknowledged, with its index, without it, and with an older one', async () => {
  await using server = new StreamsProcess(path.join(directory, 'writer-killed.sqlite'));
  await server.start();
  const site = v7() as SiteId;
  const indexFile = path.join(directory, 'index.sqlite');
  const key = signingKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  const acknowledged: Acknowledged = new Map();
  for (let kill = 0; kill < KILLS; kill += 1) {
    const child = fork(path.join(import.meta.dirname, '..', 'appender.process.js'), [
      ...[indexFile, site, key, server.connectionString],
    ]);
    const target = acknowledged.size + 100 + Math.floor(Math.random() * 500);
    child.on('message', (report: AppenderReport) => {
      for (const [id, position] of report) acknowledged.set(id, position);
      if (acknowledged.size >= target) child.kill('SIGKILL');
    });
    assert.equal((await once(child, 'close'))[1], 'SIGKILL');
    await using log = await open(server, site, kill % 2 === 0 ? indexFile : null);
    assertHolds(await readAll(log), acknowledged);
  }
  await using indexed = await open(server, site, indexFile);
  const { size, root } = indexed.head();
  await using rebuilt = await open(server, site);
  assert.is(rebuilt.head().size, size);
  assert.ok(equalBytes(rebuilt.head().root, root));
});

test('goes on when the server is killed under it, and has each event once', async () => {
  await using server = new StreamsProcess(path.join(directory, 'server-killed.sqlite'));
  await server.start();
  const site = v7() as SiteId;
  const acknowledged: Acknowledged = new Map();
  await using log = await open(server, site);
  const followed: number[] = [];
  const stop = new AbortController();
  const following = (async () => {
    for await (const batch of log.subscribe({ after: LOG_START, signal: stop.signal })) {
      followed.push(...batch.map(event => event.position));
    }
  })();
  let isOver = false;
  const appending = Promise.all(
    Array.from({ length: 8 }, async (_, caller) => {
      while (!isOver) {
        const event = newEvent(`caller ${caller}`);
        const outcome = await log.append([{ stream: `caller-${caller}`, expected: 'any', events: [event] }]);
        if (!outcome.appended) throw new Error(outcome.refusal.code);
        assert.is(outcome.replayed, false);
        acknowledged.set(event.id, outcome.firstPosition);
      }
    }),
  );
  for (let kill = 0; kill < KILLS; kill += 1) {
    const target = acknowledged.size + 50 + Math.floor(Math.random() * 200);
    while (acknowledged.size < target) await new Promise(setImmediate);
    await server.kill();
    await server.start();
  }
  isOver = true;
  await appending;
  const events = await readAll(log);
  assertHolds(events, acknowledged);
  assert.is(events.length, acknowledged.size + 1, 'nothing is there that was not acknowledged');
  while (followed.length < events.length) await new Promise(setImmediate);
  assert.equal(
    followed,
    events.map(event => event.position),
  );
  stop.abort();
  await following;
});

test('names an older copy of the server that was restored under it', async () => {
  const file = path.join(directory, 'restored.sqlite');
  const indexFile = path.join(directory, 'restored-index.sqlite');
  await using server = new StreamsProcess(file);
  await server.start();
  const site = v7() as SiteId;
  await (await open(server, site, indexFile))[Symbol.asyncDispose]();
  await server.kill();
  for (const part of ['', '-wal', '-shm']) copyFileSync(`${file}${part}`, `${file}.old${part}`);
  await server.start();
  {
    await using log = await open(server, site, indexFile);
    await log.append([{ stream: 'a', expected: 'none', events: [newEvent('lost')] }]);
  }
  await server.kill();
  for (const part of ['', '-wal', '-shm']) copyFileSync(`${file}.old${part}`, `${file}${part}`);
  await server.start();
  assert.is(await open(server, site, indexFile).catch(error => error.fault), 'LOST_EVENTS');
  rmSync(indexFile);
  await using log = await open(server, site, indexFile);
  assert.is(log.head().size, 1, 'with the index deleted it goes on with what is there');
});

test.run();
