import { existsSync, renameSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeEventData, LOG_START } from '@holdfast/core';
import type { HardwareId, HoldfastEvent, RecordingServerId, SiteId, StorageId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SiteConfiguration } from './configuration/site-configuration.js';
import { readSiteLogFile } from './log/site-log-reader.js';
import { temporaryFolder } from './recording-server/media-database/media-fixture.js';
import { openSimulatedCameras } from './simulated-cameras/simulated-cameras.js';
import { runSite } from './site.js';
import { mediaDirectoryOf, siteLogFileOf, standInDirectoryOf } from './site-directory.js';
import { verifySiteDirectory } from './verify-site-directory.js';

const test = suite('a site whose disk of recordings is not mounted');
const recordingServerId = v7() as RecordingServerId;
const site = { role: 'site', site: { id: v7() as SiteId, name: 'Branch' }, data: '.' };
const UNTIL_MS_MAX = 60_000;

type DataOf<Type extends HoldfastEvent['type']> = Extract<HoldfastEvent, { readonly type: Type }>['data'];

class Site {
  readonly folder: string;
  readonly media: string;
  readonly #configuration: SiteConfiguration;

  constructor(folder: string, configuration: object) {
    this.folder = folder;
    this.media = mediaDirectoryOf(folder, recordingServerId);
    this.#configuration = SiteConfiguration.parse({ ...site, ...configuration });
  }

  async run(during: (operationsPort: number) => Promise<void>): Promise<void> {
    const stopping = new AbortController();
    const ready = Promise.withResolvers<number>();
    const running = runSite(
      {
        ...{ configuration: this.#configuration, baseDirectory: this.folder },
        logger: pino({ level: 'silent' }),
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
  }

  async said<Type extends HoldfastEvent['type']>(type: Type): Promise<readonly DataOf<Type>[]> {
    if (!existsSync(siteLogFileOf(this.folder))) return [];
    using log = readSiteLogFile(siteLogFileOf(this.folder));
    const events = await log.read({ after: LOG_START, limit: 5000 });
    return events
      .filter(event => event.type === type)
      .map(event => decodeEventData(event).data as DataOf<Type>);
  }

  async untilSaid(type: HoldfastEvent['type'], count: number): Promise<void> {
    await this.until(async () => (await this.said(type)).length >= count, type);
  }

  async until(condition: () => Promise<boolean>, what: string): Promise<void> {
    for (const deadline = Date.now() + UNTIL_MS_MAX; !(await condition()); await delay(50)) {
      assert.ok(Date.now() < deadline, `never: ${what}`);
    }
  }
}

async function untilReady(of: Site, port: number, status: 200 | 503): Promise<string> {
  let text = '';
  await of.until(async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/readyz`);
    text = await answer.text();
    // While everything is opened again it is not ready for another reason.
    return answer.status === status && (status === 200 || text.includes('MEDIA_DIRECTORY_MISSING'));
  }, `it answers ${status}`);
  return text;
}

test('runs, is not ready, and records by itself when the disk is there', async () => {
  await using folder = await temporaryFolder();
  const tested = new Site(folder.path, { recordingServers: [{ id: recordingServerId, name: 'Recorder' }] });
  const { media } = tested;
  await tested.run(() => tested.untilSaid('RecordingServerStarted', 1));
  const elsewhere = path.join(folder.path, 'disk');
  renameSync(media, elsewhere);
  await tested.run(async port => {
    await tested.untilSaid('RecordingHalted', 1);
    await tested.untilSaid('AlarmRaised', 1);
    assert.match(await untilReady(tested, port, 503), `MEDIA_DIRECTORY_MISSING: ${media}`);
    assert.not(existsSync(media));
    renameSync(elsewhere, media);
    await tested.untilSaid('RecordingUnhalted', 1);
    await untilReady(tested, port, 200);
  });
  assert.is((await tested.said('RecordingHalted')).length, 1);
});

test('cameras of other storages are recorded on, also when it goes while they are; all of it is one when it is back', async () => {
  await using folder = await temporaryFolder();
  await using cameras = await openSimulatedCameras({
    port: 0,
    cameras: [
      { path: 'own', clip: 'entrance' },
      { path: 'other', clip: 'corridor' },
    ],
  });
  const cameraOf = (name: string) => ({
    ...{ name, storageId: v7() as StorageId, hardwareId: v7() as HardwareId },
    address: `rtsp://127.0.0.1:${cameras.port}/${name}`,
  });
  const [own, other] = [cameraOf('own'), cameraOf('other')];
  const limits = { retentionDays: 1, freeGigabytesLow: 0.01 };
  const tested = new Site(folder.path, {
    recordingServers: [
      {
        ...{ id: recordingServerId, name: 'Recorder', segmentSecondsMax: 2, reportSeconds: 1 },
        storages: [
          { id: own.storageId, name: 'Own', live: limits },
          { id: other.storageId, name: 'Other', live: { ...limits, path: 'other' } },
        ],
      },
    ],
    cameras: [own, other].map(({ storageId: storage, ...camera }) => ({
      ...camera,
      ...{ storage, recordingServer: recordingServerId },
    })),
  });
  const { media } = tested;
  const sealedOf = async ({ hardwareId }: { readonly hardwareId: HardwareId }) => {
    const added = (await tested.said('HardwareAdded')).find(data => data.hardwareId === hardwareId);
    const sealed = await tested.said('RecordingSealed');
    return sealed
      .filter(({ deviceId }) => deviceId === added?.devices[0]?.deviceId)
      .flatMap(({ segments }) => segments.map(({ segmentId }) => segmentId));
  };
  const untilMoreOf = async (camera: typeof own) => {
    const before = (await sealedOf(camera)).length;
    await tested.until(
      async () => (await sealedOf(camera)).length >= before + 2,
      `more of ${camera.hardwareId}`,
    );
  };
  const isHalted = async (storageId: StorageId) => {
    const count = async (type: 'RecordingHalted' | 'RecordingUnhalted') =>
      (await tested.said(type)).filter(data => data.storageId === storageId).length;
    return (await count('RecordingHalted')) > (await count('RecordingUnhalted'));
  };
  const disk = path.join(folder.path, 'disk');
  const whileItIsAway = async (port: number) => {
    assert.match(await untilReady(tested, port, 503), `MEDIA_DIRECTORY_MISSING: ${media}`);
    await untilMoreOf(other);
    assert.ok(await isHalted(own.storageId));
    assert.not(existsSync(media), 'nothing is made in its place');
  };
  const whenItIsBack = async (port: number) => {
    await untilReady(tested, port, 200);
    await untilMoreOf(own);
    assert.not(await isHalted(own.storageId));
    assert.not(existsSync(standInDirectoryOf(folder.path, recordingServerId)));
  };

  await tested.run(async port => {
    await untilMoreOf(own);
    await untilMoreOf(other);
    renameSync(media, disk);
    await whileItIsAway(port);
    renameSync(disk, media);
    await whenItIsBack(port);
  });
  // Away at two starts, and back at the third.
  renameSync(media, disk);
  for (let start = 0; start < 2; start += 1) await tested.run(whileItIsAway);
  renameSync(disk, media);
  await tested.run(whenItIsBack);

  const alarms = await tested.said('AlarmRaised');
  assert.ok(alarms.some(({ message }) => message.includes('MEDIA_DIRECTORY_MISSING')));
  assert.equal(await tested.said('RecordingDamaged'), []);
  const all = [...(await sealedOf(own)), ...(await sealedOf(other))];
  assert.is(new Set(all).size, all.length, 'the log hears of each segment once');
  const gaps = (await tested.said('RecordingSealed')).flatMap(data => data.gaps.map(({ cause }) => cause));
  assert.ok(gaps.includes('DISK_UNAVAILABLE'), `${gaps}`);
  const verified = await verifySiteDirectory(folder.path, { signal: AbortSignal.timeout(UNTIL_MS_MAX) });
  assert.equal(verified.damages, []);
});

test.run();
