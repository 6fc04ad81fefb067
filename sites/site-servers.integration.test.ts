import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { type Hardware, LOG_START, type PulledHistory, type SiteLog } from '@holdfast/core';
import type { EvidenceLockId, HardwareId, RecordingServerId, SiteId, StorageId } from '@holdfast/schema';
import pino from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rawPublicKey } from './log/ed25519-notes.js';
import { salvageSiteLog, setAsideSiteLog } from './log/salvage-site-log.js';
import { extendStreamIndex } from './log/stream-index.js';
import { whenMediaIsThere } from './media-away.js';
import { temporaryFolder } from './recording-server/media-database/media-fixture.js';
import { mediaDirectoryOf, siteLogFileOf } from './site-directory.js';
import { loadSiteKeys } from './site-keys.js';
import { openSiteServers, type SiteServersConfiguration } from './site-servers.js';
import { objectStoresIn } from './site-storages.js';
import { recordingsNeededSince } from './truncate-log.js';

const test = suite('site servers');

const site = { id: v7() as SiteId, name: 'Branch' };
const serverOf = (name: string): SiteServersConfiguration['recordingServers'][number] => ({
  ...{ id: v7() as RecordingServerId, name, retentionDays: 1, freeGigabytesLow: 0.01 },
  ...{ segmentSecondsMax: 60, reportSeconds: 60, storages: [] },
});
const first = serverOf('First');
const second = serverOf('Second');
const cameraOf = (name: string, recordingServer = first.id) => ({
  ...{ hardwareId: v7() as HardwareId, name, address: 'rtsp://127.0.0.1:1/none', recordingServer },
  microphone: true,
  driver: 'rtsp' as const,
  transport: 'AUTO' as const,
});

async function opened(folder: string, change: Partial<SiteServersConfiguration>) {
  const lines: { readonly msg: string; readonly level: number }[] = [];
  const servers = await openSiteServers({
    configuration: { site, data: '.', recordingServers: [first, second], cameras: [], ...change },
    baseDirectory: path.join(folder, 'site'),
    pins: () => [],
    logger: pino({ level: 'warn' }, { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
  return Object.assign(servers, { lines });
}

const typesIn = async (log: SiteLog) =>
  (await log.read({ after: LOG_START, limit: 1000 })).map(({ type }) => type);

test('what the configuration has is put into the log once, however often the start is cut short', async () => {
  await using folder = await temporaryFolder();
  const cameras = [cameraOf('Door'), cameraOf('Gate', second.id)];
  // Each start does less than the next, as one does that was killed in between.
  const starts = [
    { recordingServers: [], cameras: [] },
    { recordingServers: [first], cameras: [] },
    { cameras: cameras.slice(0, 1) },
    { cameras },
    { cameras },
  ];
  const types: string[] = [];
  for (const change of starts) {
    await using servers = await opened(folder.path, change);
    assert.equal(servers.lines, []);
    types.splice(
      0,
      types.length,
      ...(await servers.log.read({ after: LOG_START, limit: 100 })).map(event => event.type),
    );
  }
  assert.equal(types, [
    'LogEpochOpened',
    'SiteEstablished',
    ...['RecordingServerRegistered', 'RecordingServerRetentionSet'],
    ...['RecordingServerRegistered', 'RecordingServerRetentionSet'],
    ...['HardwareAdded', 'HardwareAdded'],
  ]);
});

test('a camera that was removed from the site is not brought back by the file that still names it', async () => {
  await using folder = await temporaryFolder();
  const door = cameraOf('Door');
  {
    await using servers = await opened(folder.path, { cameras: [door] });
    const { hardwareId } = door;
    const outcome = await servers.management.execute(
      { kind: 'RemoveHardware', hardwareId },
      { actor: 'user:a' },
    );
    assert.ok(outcome.accepted);
  }
  await using servers = await opened(folder.path, { cameras: [door] });
  assert.is(servers.management.state.hardware.size, 0);
  assert.match(servers.lines[0]!.msg, 'was removed');
});

test('a log of which nothing could be read has the same devices again, and no other site has them', async () => {
  await using folder = await temporaryFolder();
  const cameras = [cameraOf('Door'), cameraOf('Gate')];
  const devicesOf = async (change: Partial<SiteServersConfiguration>) => {
    await using servers = await opened(folder.path, { cameras, ...change });
    return [...servers.management.state.hardware.values()].flatMap(({ devices }) =>
      [...devices.values()].map(({ deviceId }) => deviceId),
    );
  };
  const file = siteLogFileOf(path.join(folder.path, 'site'));
  const before = await devicesOf({});
  writeFileSync(file, Buffer.alloc(8192, 0xa5));
  for (const name of ['-wal', '-shm']) rmSync(file + name, { force: true });
  const publicKey = rawPublicKey(loadSiteKeys(path.join(folder.path, 'site')).logKey);
  await salvageSiteLog({ file, site: site.id, publicKey, nowMs: Date.now(), damage: 'a test' });
  assert.equal(await devicesOf({}), before);
  assert.is(new Set(before).size, 4);
  rmSync(path.dirname(file), { recursive: true });
  const others = await devicesOf({ site: { ...site, id: v7() as SiteId } });
  assert.not.ok(others.some(deviceId => before.includes(deviceId)));
});

test('a log that began anew and was given its history back keeps what operators have set', async () => {
  await using folder = await temporaryFolder();
  const cameras = [cameraOf('Door')];
  const directory = path.join(folder.path, 'site');
  let history: PulledHistory;
  {
    await using servers = await opened(folder.path, { cameras });
    const [{ hardwareId, devices }] = [...servers.management.state.hardware.values()] as [
      NonNullable<Hardware>,
    ];
    const renamed = { hardwareId, deviceId: devices[0]!.deviceId, name: 'Back door' };
    await servers.management.execute({ kind: 'ConfigureDevice', ...renamed }, { actor: 'user:a' });
    const events = await servers.log.read({ after: LOG_START, limit: 100 });
    const checkpoint = await servers.log.signedCheckpoint();
    history = { common: LOG_START, checkpoint, events: [events], reason: 'a test' };
  }
  rmSync(path.dirname(siteLogFileOf(directory)), { recursive: true });
  {
    await using servers = await opened(folder.path, { cameras });
    const outcome = await servers.log.reopenAs(history);
    assert.ok(outcome.reopened);
    await outcome.log[Symbol.asyncDispose]();
  }
  await using servers = await opened(folder.path, { cameras });
  const names = [...servers.management.state.hardware.values()].map(({ devices }) => devices[0]!.name);
  assert.equal(names, ['Back door']);
});

test('what was locked in a log that is set aside stays locked, and until that is read nothing is deleted', async () => {
  await using folder = await temporaryFolder();
  const cameras = [cameraOf('Door')];
  {
    await using servers = await opened(folder.path, { cameras });
    const [door] = servers.management.state.hardware.values();
    const deviceIds = door!.devices.map(({ deviceId }) => deviceId);
    const lock = async (fromMs: number) => {
      const evidenceLockId = v7() as EvidenceLockId;
      const span = { evidenceLockId, deviceIds, fromMs, toMs: fromMs + 1000, expiresAtMs: null };
      const text = { headline: 'Theft', description: '' };
      const { execute } = servers.management;
      const context = { actor: 'user:a' };
      const create = { kind: 'CreateEvidenceLock', ...span, ...text } as const;
      assert.ok((await execute.call(servers.management, create, context)).accepted);
      return () =>
        execute.call(
          servers.management,
          { kind: 'ReleaseEvidenceLock', evidenceLockId, reason: '' },
          context,
        );
    };
    await (await lock(4_000))();
    await lock(5_000);
  }
  const file = siteLogFileOf(path.join(folder.path, 'site'));
  const publicKey = rawPublicKey(loadSiteKeys(path.join(folder.path, 'site')).logKey);
  await setAsideSiteLog({ file, site: site.id, publicKey, nowMs: Date.now(), damage: 'a test' });
  const stop = new AbortController();
  await using servers = await opened(folder.path, { cameras });
  const server = servers.recordingServers.get(first.id)!;
  assert.is(server.neededSinceMs(), 0);
  const running = servers.run(stop.signal);
  while (server.neededSinceMs() === 0) await delay(10);
  assert.is(server.neededSinceMs(), 5_000);
  stop.abort();
  await running;
});

test('recordings whose disk is not mounted are not begun anew: it is said, the others record, and they go on when it is', async () => {
  await using folder = await temporaryFolder();
  const directory = path.join(folder.path, 'site');
  const media = mediaDirectoryOf(directory, first.id);
  {
    await using servers = await opened(folder.path, {});
    const ran = new AbortController();
    const running = servers.run(ran.signal);
    const hasStarted = async () =>
      (await typesIn(servers.log)).filter(type => type === 'RecordingServerStarted').length === 2;
    while (!(await hasStarted())) await delay(10);
    ran.abort();
    await running;
  }
  const mounted = path.join(folder.path, 'disk');
  renameSync(media, mounted);
  // The place where it is mounted stays, or goes with what is above it.
  for (const isPlaceThere of [true, false]) {
    if (isPlaceThere) mkdirSync(media);
    else rmSync(media, { recursive: true });
    await using servers = await opened(folder.path, {});
    assert.equal([...servers.recordingServers.keys()], [first.id, second.id]);
    assert.match(servers.lines[0]!.msg, `MEDIA_DIRECTORY_MISSING: ${media}`);
    assert.equal(existsSync(media) ? readdirSync(media) : [], []);
    const types = () => typesIn(servers.log);
    const stop = new AbortController();
    const running = servers.run(stop.signal);
    while (!(await types()).includes('AlarmRaised')) await delay(10);
    while (!(await types()).includes('RecordingHalted')) await delay(10);
    stop.abort();
    await running;
    assert.is((await types()).filter(type => type === 'RecordingHalted').length, 1);
    assert.is(Math.min(...recordingsNeededSince(servers)), 0, 'nothing that the log says of them is cut');
    // No other disk is taken for it.
    mkdirSync(media, { recursive: true });
    writeFileSync(path.join(media, 'holdfast-stage'), second.id);
    const waiting = whenMediaIsThere(servers.awayMedia, AbortSignal.timeout(20_000));
    rmSync(media, { recursive: true });
    renameSync(mounted, media);
    await waiting;
    renameSync(media, mounted);
    mkdirSync(media);
  }
  // A new disk in its place.
  writeFileSync(path.join(media, 'holdfast-stage'), `${first.id}\n`);
  await using servers = await opened(folder.path, {});
  assert.equal(servers.awayMedia, []);
  assert.ok(servers.recordingServers.has(first.id));
});

test('a recording server that is gone from the file leaves no camera unrecorded in silence', async () => {
  await using folder = await temporaryFolder();
  const gate = cameraOf('Gate', second.id);
  await (await opened(folder.path, { cameras: [gate] }))[Symbol.asyncDispose]();
  await using servers = await opened(folder.path, { recordingServers: [first] });
  assert.match(servers.lines[0]!.msg, /^cameras are not recorded: .*Gate/);
  const events = await servers.log.read({ after: LOG_START, limit: 100 });
  assert.is(events.at(-1)?.type, 'AlarmRaised');
});

test('a damaged index of the log is mended, said, and an alarm: the site goes on', async () => {
  await using folder = await temporaryFolder();
  const configuration = { cameras: [cameraOf('Door')] };
  {
    await using servers = await opened(folder.path, configuration);
    assert.equal(servers.lines, []);
  }
  const file = siteLogFileOf(path.join(folder.path, 'site'));
  const db = new DatabaseSync(file);
  extendStreamIndex(db);
  const root = db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'stream_index'").get()!;
  db.close();
  const bytes = readFileSync(file);
  bytes.fill(0, ((root.rootpage as number) - 1) * 4096, (root.rootpage as number) * 4096);
  writeFileSync(file, bytes);
  await using servers = await opened(folder.path, configuration);
  const isAlarm = (event: { readonly type: string; readonly data: Uint8Array }) =>
    event.type === 'AlarmRaised' && Buffer.from(event.data).includes('The index of the log was damaged');
  const { signal } = new AbortController();
  for await (const page of servers.log.subscribe({ after: LOG_START, signal })) if (page.some(isAlarm)) break;
  assert.equal(
    servers.lines.map(line => line.msg),
    ['the index of the log was damaged: no event is lost, the disk may be failing'],
  );
});

test('what the log says counts where the file says otherwise, and that is warned of', async () => {
  await using folder = await temporaryFolder();
  const door = cameraOf('Door');
  await (await opened(folder.path, { cameras: [door] }))[Symbol.asyncDispose]();
  await using servers = await opened(folder.path, {
    site: { ...site, name: 'Branch, renamed' },
    recordingServers: [{ ...first, name: 'Renamed' }, second],
    cameras: [{ ...door, address: 'rtsp://127.0.0.1:2/other' }],
  });
  assert.is(servers.management.state.site.name, 'Branch, renamed');
  assert.equal(
    servers.lines.map(line => line.msg),
    [
      'a recording server keeps the name it was registered with',
      'a camera keeps the address it was added with',
    ],
  );
});

test('a site id that is not that of the data is refused by name', async () => {
  await using folder = await temporaryFolder();
  await (await opened(folder.path, {}))[Symbol.asyncDispose]();
  const other = { id: v7() as SiteId, name: 'Other' };
  const fault = await opened(folder.path, { site: other }).catch((error: Error) => error);
  assert.match((fault as Error).message, /WRONG_SITE/);
});

test('storages and what is assigned to them are facts once, and again when the configuration differs', async () => {
  await using folder = await temporaryFolder();
  const storageOf = (name: string, retentionDays: number, live?: string) => ({
    ...{ id: v7() as StorageId, name, encryption: 'none' as const },
    live: { retentionDays, freeGigabytesLow: 0.01, ...(live === undefined ? {} : { path: live }) },
    archives: [
      {
        ...{ path: `${name} archive`, retentionDays: retentionDays * 10, freeGigabytesLow: 0.01 },
        ...{ schedule: { dailyAt: '02:30' }, keyFramesOnly: false },
      },
      {
        ...{ retentionDays: retentionDays * 20, schedule: { everyMinutes: 1 } },
        keyFramesOnly: true,
        objectStore: {
          ...{ bucketUrl: 'http://127.0.0.1:1/vault', prefix: name, region: 'us-east-1' },
          ...{ accessKeyId: 'recorder', secretAccessKey: 'the secret' },
        },
      },
    ],
  });
  const vault = storageOf('Vault', 7);
  const park = storageOf('Park', 3, 'park live');
  const cameras = [cameraOf('Door'), { ...cameraOf('Park'), storage: park.id }];
  const types: string[][] = [];
  for (const storages of [
    [vault, park],
    [vault, park],
    [storageOf('Vault', 8), park],
  ]) {
    storages[0] = { ...storages[0]!, id: vault.id };
    await using servers = await opened(folder.path, {
      ...{ recordingServers: [{ ...first, storages }], cameras },
    });
    const events = await servers.log.read({ after: LOG_START, limit: 100 });
    types.push(
      events
        .map(({ type }) => type)
        .filter(type => type.includes('Storage') || type.endsWith('RetentionSet')),
    );
    const { retention, storages: known } = servers.management.state.recordingServers.get(first.id)!;
    assert.equal(retention, { retentionDays: 60, byteLengthMax: null });
    assert.is(known.get(park.id)!.live.path, path.join(folder.path, 'site', 'park live'));
    const { archives } = known.get(vault.id)!;
    assert.equal(archives[0]!.schedule, { kind: 'DAILY', minuteOfDay: 150 });
    assert.is(archives[1]!.path, 'http://127.0.0.1:1/vault/Vault');
    const { sealingKeyPem } = servers.keys;
    assert.is(objectStoresIn(known.get(vault.id)!, sealingKeyPem)[0]!.secretAccessKey, 'the secret');
    assert.is(
      events.some(({ data }) => Buffer.from(data).includes('the secret')),
      false,
    );
  }
  const once = [
    'RecordingServerRetentionSet',
    'StorageConfigured',
    'StorageConfigured',
    'DeviceStorageAssigned',
  ];
  assert.equal(types, [once, once, [...once, 'StorageConfigured']]);
});

test.run();
