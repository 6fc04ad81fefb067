import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { EventStoreDBClient } from '@eventstore/db-client';
import type { SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StreamsProcess } from './kurrent-server/stored-streams.fixture.js';
import { endSite, freePort, startSite } from './site-process.fixture.js';
import { verifySiteDirectory } from './verify-site-directory.js';

const test = suite('a site whose log is on a server that is away');
const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-site-without-its-log-'));
const file = path.join(folder, 'site.yaml');
const siteId = v7();
const recordingServerId = v7();
const hardwareId = v7();
const keeper = new StreamsProcess(path.join(folder, 'eventstoredb.sqlite'));
let site: ChildProcess | null = null;
test.after(async () => {
  site?.kill('SIGKILL');
  await keeper[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const readingPort = await freePort();
const operationsPort = await freePort();

/** The name is what a new start of the site writes into its log. */
function configure(name: string): void {
  writeFileSync(
    file,
    `role: site
site: { id: ${siteId}, name: ${name} }
data: ./data
log: { kurrent: { connectionString: '${keeper.connectionString}' } }
kurrentServer: { port: ${readingPort} }
operations: { port: ${operationsPort} }
recordingServers: [{ id: ${recordingServerId}, name: Recorder, freeGigabytesLow: 0.01, segmentSecondsMax: 2, reportSeconds: 1 }]
cameras: [{ hardwareId: ${hardwareId}, recordingServer: ${recordingServerId}, name: Gate, driver: simulated, address: 'simulated:entrance' }]
`,
  );
}

async function start(): Promise<ChildProcess> {
  site = await startSite(file);
  return site;
}

interface ReadEvent {
  readonly type: string;
  readonly data: {
    readonly name?: string;
    readonly cause?: string;
    readonly segments?: readonly { readonly segmentId: string; readonly fromMs: number }[];
  };
}

/** What a client reads through the site, while its server is there and while it is away. */
async function readSite(): Promise<readonly ReadEvent[]> {
  const client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${readingPort}?tls=false`);
  const events: ReadEvent[] = [];
  for await (const { event } of client.readAll()) events.push(event as unknown as ReadEvent);
  await client.dispose();
  return events;
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`never: ${what}`);
    await delay(100);
  }
}

const sealed = (events: readonly ReadEvent[]) =>
  events.flatMap(event => (event.type === 'RecordingSealed' ? (event.data.segments ?? []) : []));
const operations = async (page: string) => (await fetch(`http://127.0.0.1:${operationsPort}/${page}`)).text();
const mediaBytes = async () =>
  Number(/^holdfast_recording_media_bytes\{.*\} (\d+)/m.exec(await operations('metrics'))?.[1] ?? 0);

test('records from its start on, says what is wrong, and tells everything when the server is there', async () => {
  await keeper.start();
  configure('Depot');
  const first = await start();
  await until('the first recording is told', async () => sealed(await readSite()).length > 0);
  await keeper.kill();
  const before = await readSite();
  const bytesBefore = await mediaBytes();
  await until('it records on', async () => (await mediaBytes()) > bytesBefore);
  // Asked to end, it does not wait for a server that may never come; what it has to say is kept.
  assert.is(await endSite(first, 'SIGTERM'), 0);

  configure('Harbour');
  const startedMs = Date.now();
  const second = await start();
  assert.match(await operations('readyz'), /the log is away, recording goes on/);
  assert.match(await operations('metrics'), /^holdfast_log_away_seconds [0-9.]*[1-9]/m);
  const bytesAtStart = await mediaBytes();
  await until('it records', async () => (await mediaBytes()) > bytesAtStart);
  const away = await readSite();
  assert.equal(away.slice(0, before.length), before, 'what was acknowledged is read from the copy');
  await keeper.start();
  const toldOf = (type: string, count: number) => async () =>
    (await readSite()).filter(event => event.type === type).length >= count;
  await until('its new name is told', toldOf('SiteRenamed', 1));
  await until('both starts are told', toldOf('RecordingServerStarted', 2));
  await until('what it recorded meanwhile is told', async () =>
    sealed(await readSite()).some(segment => segment.fromMs > startedMs),
  );
  assert.equal(JSON.parse(await operations('readyz')), { status: 'ready' });
  const segmentIds = sealed(await readSite()).map(({ segmentId }) => segmentId);
  assert.is(new Set(segmentIds).size, segmentIds.length, 'each recording is told once');
  assert.is(await endSite(second, 'SIGTERM'), 0);
});

test('is proven afterwards', async () => {
  const { signal } = new AbortController();
  const onServer = { connectionString: keeper.connectionString, site: siteId as SiteId };
  const proven = await verifySiteDirectory(path.join(folder, 'data'), { signal, onServer });
  assert.equal(proven.damages, []);
  assert.ok(proven.signedEventCount > 0);
});

test.run();
