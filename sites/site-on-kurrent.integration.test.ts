import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { EventStoreDBClient, streamNameFilter } from '@eventstore/db-client';
import type { SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { StreamsProcess } from './kurrent-server/stored-streams.fixture.js';
import { kurrentIndexFileOf, siteLogFileOf } from './site-directory.js';
import { endSite, freePort, killSites, startSite } from './site-process.fixture.js';
import { findSiteDirectories, verifySiteDirectory } from './verify-site-directory.js';

const test = suite('a site whose log is in EventStoreDB');
const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-site-on-kurrent-'));
const file = path.join(folder, 'site.yaml');
const siteId = v7();
const recordingServerId = v7();
const keeper = new StreamsProcess(path.join(folder, 'eventstoredb.sqlite'));
// One that a failed test left would hold the log of the next.
test.after.each(killSites);
test.after(async () => {
  await keeper[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const readingPort = await freePort();

/** The name is what a new start of the site writes into its log. */
function configure(name: string): void {
  writeFileSync(
    file,
    `role: site
site: { id: ${siteId}, name: ${name} }
data: ./data
log: { kurrent: { connectionString: '${keeper.connectionString}' } }
kurrentServer: { port: ${readingPort} }
recordingServers: [{ id: ${recordingServerId}, name: Recorder, freeGigabytesLow: 0.01 }]
`,
  );
}

/** What a client of EventStoreDB that knows nothing of us reads from the site: type and id of each event. */
async function readSite(): Promise<readonly string[]> {
  const client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${readingPort}?tls=false`);
  const events: string[] = [];
  for await (const { event } of client.readAll()) events.push(`${event!.type} ${event!.id}`);
  await client.dispose();
  return events;
}

function countOf(type: string, events: readonly string[]): number {
  return events.filter(event => event.startsWith(`${type} `)).length;
}

test('records, is killed, goes on, and outlives a kill of the server that keeps its log', async () => {
  await keeper.start();
  configure('Depot');
  const first = await startSite(file);
  const begun = await readSite();
  assert.match(begun[0]!, /^LogEpochOpened /);
  assert.is(countOf('SiteEstablished', begun), 1);
  await endSite(first, 'SIGKILL');

  configure('Harbour');
  const second = await startSite(file);
  const renamed = await readSite();
  assert.equal(renamed.slice(0, begun.length), begun);
  assert.is(countOf('SiteRenamed', begun), 0);
  // Behind what the first site wrote between the reading and the kill.
  assert.is(countOf('SiteRenamed', renamed), 1);
  await keeper.kill();
  await keeper.start();
  assert.equal((await readSite()).slice(0, renamed.length), renamed, 'it is read through the site again');
  assert.is(await endSite(second, 'SIGTERM'), 0);

  configure('Quay');
  rmSync(kurrentIndexFileOf(path.join(folder, 'data')));
  const third = await startSite(file);
  const renamedAgain = await readSite();
  assert.equal(renamedAgain.slice(0, renamed.length), renamed);
  assert.is(countOf('SiteRenamed', renamedAgain), 2);
  assert.is(await endSite(third, 'SIGTERM'), 0);
  assert.not(existsSync(siteLogFileOf(path.join(folder, 'data'))));
});

test('lets a client follow one kind of thing at a site', async () => {
  const site = await startSite(file);
  const client = EventStoreDBClient.connectionString(`esdb://127.0.0.1:${readingPort}?tls=false`);
  const subscription = client.subscribeToAll({ filter: streamNameFilter({ prefixes: ['site'] }) });
  const types: string[] = [];
  for await (const { event } of subscription) {
    types.push(event!.type);
    if (types.filter(type => type === 'SiteRenamed').length === 2) break;
  }
  assert.is(types[0], 'SiteEstablished');
  await subscription.unsubscribe();
  await client.dispose();
  assert.is(await endSite(site, 'SIGTERM'), 0);
});

test('is proven on its server, beside the running site, and names what was changed there', async () => {
  const site = await startSite(file);
  const data = path.join(folder, 'data');
  const { signal } = new AbortController();
  const onServer = { connectionString: keeper.connectionString, site: siteId as SiteId };
  assert.equal(findSiteDirectories(folder), [data]);
  const countBefore = (await readSite()).length;
  const proven = await verifySiteDirectory(data, { signal, onServer });
  assert.equal(proven.damages, []);
  // The site goes on.
  assert.ok(countBefore <= proven.eventCount && proven.eventCount <= (await readSite()).length);
  assert.ok(proven.signedEventCount > 0);
  const [elsewhere] = (await verifySiteDirectory(data, { signal })).damages;
  assert.is(elsewhere?.code, 'LOG_ON_SERVER');
  assert.is(await endSite(site, 'SIGTERM'), 0);
  await keeper.kill();
  const db = new DatabaseSync(keeper.file);
  db.prepare("UPDATE event SET data = CAST('{}' AS BLOB) WHERE stream = ? AND revision = 1").run(
    `holdfast-${siteId}-1`,
  );
  db.close();
  await keeper.start();
  const [changed] = (await verifySiteDirectory(data, { signal, onServer })).damages;
  assert.is(changed?.code, 'CHECKPOINT_ROOT_MISMATCH');
});

test.run();
