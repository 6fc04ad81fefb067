import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { decodeEventData, type RecordedEvent } from '@holdfast/core';
import type { HardwareId, HoldfastEvent, RecordingServerId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rawPublicKey } from './log/ed25519-notes.js';
import { readSiteLogFile } from './log/site-log-reader.js';
import { mediaDirectoryOf } from './site-directory.js';
import { hex, openParent, Site } from './site-reset.fixture.js';
import { verifySiteDirectory } from './verify-site-directory.js';

const test = suite('a site whose log is gone');

type DataOf<Type extends HoldfastEvent['type']> = Extract<HoldfastEvent, { readonly type: Type }>['data'];

const dataIn = <Type extends HoldfastEvent['type']>(events: readonly RecordedEvent[], type: Type) =>
  events.filter(event => event.type === type).map(event => decodeEventData(event).data as DataOf<Type>);
const sealedIn = (events: readonly RecordedEvent[]) => [
  ...new Set(
    dataIn(events, 'RecordingSealed').flatMap(({ segments }) => segments.map(({ segmentId }) => segmentId)),
  ),
];
const unreachable = (parent: Awaited<ReturnType<typeof openParent>>) => ({ site: parent.site, port: 1 });

/** Records one camera in segments of two seconds. */
async function recordingSite(storage: object = {}) {
  const site = await Site.create();
  const recordingServerId = v7() as RecordingServerId;
  const camera = { hardwareId: v7() as HardwareId, name: 'Gate', recordingServer: recordingServerId };
  const server = { id: recordingServerId, name: 'Recorder', segmentSecondsMax: 2, reportSeconds: 1 };
  const recording = (change: object) => ({
    recordingServers: [{ ...server, freeGigabytesLow: 0.01, ...change }],
    cameras: [{ ...camera, driver: 'simulated', address: 'simulated:entrance' }],
  });
  site.recording = recording(storage);
  const media = mediaDirectoryOf(site.directory, recordingServerId);
  const files = () =>
    readdirSync(path.join(media, 'segments'), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.mp4'))
      .map(name => path.basename(name, '.mp4'))
      .sort();
  const said = async () => {
    if (!existsSync(site.logFile)) return [];
    using log = readSiteLogFile(site.logFile);
    return log.read({ after: { epoch: 0, position: 0 }, limit: 5_000 });
  };
  return {
    ...{ site, media, files, said },
    keepOnly: (gigabytes: number) => {
      site.recording = recording({ sizeGigabytesMax: gigabytes });
    },
    /** Runs until it has told its log of so many more segments. */
    record: async (name: string, parent: Parameters<Site['run']>[1], count: number) => {
      const before = sealedIn(await said()).length;
      await site.run(name, parent, async () => sealedIn(await said()).length >= before + count);
    },
  };
}

test('takes it back from its parent, deletes nothing before, and says again what only the lost log was told', async () => {
  const { site, files, said, record, keepOnly } = await recordingSite();
  await using _ = site;
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('one', parent, () => sealedIn(parent.held()).length >= 2);
  // What the parent is not told.
  await record('two', unreachable(parent), 2);
  const before = files();
  const held = [...parent.held()];
  const untold = before.filter(segmentId => !sealedIn(held).includes(segmentId as never));
  assert.ok(untold.length >= 2);
  rmSync(path.dirname(site.logFile), { recursive: true });

  // All of it is more than may be kept. What of it is locked is in the log that is gone.
  keepOnly(0.000001);
  await record('three', unreachable(parent), 1);
  assert.equal(
    before.filter(segmentId => !files().includes(segmentId)),
    [],
  );
  const alone = await said();
  assert.ok(dataIn(alone, 'AlarmRaised').some(({ name }) => name === 'The log was lost'));
  assert.equal(dataIn(alone, 'RecordingDeleted'), []);
  assert.not.ok(sealedIn(alone).includes(before[0] as never), 'nothing is told twice');

  keepOnly(1);
  await site.run('four', parent, () => untold.every(id => sealedIn(parent.held()).includes(id as never)));
  const events = await site.events();
  assert.equal(hex(events.slice(0, held.length)), hex(held), 'its history, byte for byte');
  const [opened] = dataIn(events.slice(held.length), 'LogEpochOpened' as never) as { previousSize: number }[];
  assert.is(opened?.previousSize, held.length);
  assert.is(dataIn(events, 'LogHistoryRecovered').length, 1);
  assert.equal(
    before.filter(segmentId => !sealedIn(events).includes(segmentId as never)),
    [],
    'no recording is lost to the timeline',
  );
  const found = dataIn(events, 'RecordingFound').flatMap(({ segmentIds }) => segmentIds);
  assert.ok(found.length > 0);
  assert.is(new Set(found).size, found.length);
  assert.ok(
    found.every(segmentId => untold.includes(segmentId)),
    'nothing that the parent was told of',
  );
  const verified = await verifySiteDirectory(site.directory, { signal: AbortSignal.timeout(60_000) });
  assert.equal(verified.damages, []);

  // From now on what is too much is deleted again.
  keepOnly(0.000001);
  await site.run('five', parent, () => dataIn(parent.held(), 'RecordingDeleted').length > 0);
});

test('a parent that has lost it too takes the new one, and what it is told again, with no start in between', async () => {
  const { site, files, record } = await recordingSite();
  await using _ = site;
  await record('one', null, 2);
  const before = files();
  rmSync(path.dirname(site.logFile), { recursive: true });
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('two', parent, () => {
    const told = sealedIn(parent.held());
    return before.every(segmentId => told.includes(segmentId as never));
  });
});

test('with its keys gone as well its parent refuses it by name, and nothing that it recorded before is deleted', async () => {
  const { site, files, said, record, keepOnly } = await recordingSite();
  await using _ = site;
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('one', parent, () => sealedIn(parent.held()).length >= 2);
  const before = files();
  for (const lost of ['log', 'keys']) rmSync(path.join(site.directory, lost), { recursive: true });
  keepOnly(0.000001);
  await record('two', parent, 2);
  assert.ok(parent.reports.includes('BAD_SIGNATURE'), `${parent.reports}`);
  assert.equal(
    before.filter(segmentId => !files().includes(segmentId)),
    [],
  );
  assert.equal(dataIn(await said(), 'RecordingDeleted'), []);
});

test('with its recordings gone too it has its history back, and they are named as lost', async () => {
  const { site, media } = await recordingSite();
  await using _ = site;
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('one', parent, () => sealedIn(parent.held()).length >= 2);
  const held = [...parent.held()];
  rmSync(path.dirname(site.logFile), { recursive: true });
  rmSync(media, { recursive: true });
  await site.run('two', parent, () => sealedIn(parent.held()).length >= sealedIn(held).length + 1);
  const events = await site.events();
  assert.equal(hex(events.slice(0, held.length)), hex(held));
  const { damages } = await verifySiteDirectory(site.directory, { signal: AbortSignal.timeout(60_000) });
  assert.is(damages.length, sealedIn(held).length);
});

test.run();
