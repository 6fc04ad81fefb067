import path from 'node:path';
import {
  derivedId,
  foldAhead,
  freeSpaceLimits,
  newEvent,
  type ProtectedSpan,
  type SiteLog,
  SiteState,
} from '@holdfast/core';
import type { AlarmId, DeviceId, EventId, RecordingServerId, SiteCommand, SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { v7 } from 'uuid';
import { type AlarmsByCause, alarmsByCause } from './alarms-by-cause.js';
import type { CameraConfiguration, SiteConfiguration } from './configuration/site-configuration.js';
import { filesOfCertificates, watchCertificates } from './credentials/certificate-watch.js';
import { openCredentials, sealCredentials, sealingPublicKeyOf } from './credentials/sealed-credentials.js';
import { serveSiteLog } from './kurrent-server/serve-site-log.js';
import type { DurableSiteLog } from './log/durable-site-log.js';
import { FoldFiles } from './log/fold-files.js';
import { watchLogAway } from './log/log-away-watch.js';
import { openSiteLog } from './log/open-site-log.js';
import { SetAsideLocks } from './log/set-aside-locks.js';
import { sha256 } from './log/sha256.js';
import { ManagementServer, managementFold } from './management-server/management-server.js';
import { type AwayMedia, awayMediaOf, type UsedMedia } from './media-away.js';
import { inTime } from './recording-server/in-time.js';
import { MEDIA_DATABASE_LIMITS } from './recording-server/media-database/media-database.js';
import { readMediaPassword } from './recording-server/media-database/open-media-keyring.js';
import { SiteView, siteViewFold } from './recording-server/recorder/site-view.js';
import { RecordingServer } from './recording-server/recording-server.js';
import { runTogether } from './run-together.js';
import {
  foldDirectoryOf,
  mediaDirectoryOf,
  siteLogFileOf,
  standInDirectoryOf,
  subjectKeyFileOf,
} from './site-directory.js';
import { loadSiteKeys, type SiteKeys } from './site-keys.js';
import {
  assignStorages,
  establishStorages,
  objectStoresOf,
  shortestRetentionOf,
  storageConfigurationsOf,
  storageOf,
} from './site-storages.js';
import { SOFTWARE } from './software.js';
import { SubjectKeys } from './subject-keys/subject-keys.js';
import { untilAborted } from './until-aborted.js';

/** What a site and a central have in common: the log, the management server and the recording servers. */
export interface SiteServers extends AsyncDisposable {
  readonly siteId: SiteId;
  readonly log: DurableSiteLog;
  readonly keys: SiteKeys;
  readonly subjectKeys: SubjectKeys;
  readonly management: ManagementServer;
  readonly alarms: AlarmsByCause;
  /** But those whose media directory is away, and its stand-in not made yet. */
  readonly recordingServers: ReadonlyMap<RecordingServerId, RecordingServer>;
  readonly awayMedia: readonly AwayMedia[];
  /** Media directories beside which there are storages that can be recorded into without them. */
  readonly mediaToMiss: readonly UsedMedia[];
  readonly dataDirectory: string;
  /** Runs the recording servers until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export type SiteServersConfiguration = Pick<
  SiteConfiguration,
  'site' | 'data' | 'recordingServers' | 'cameras'
> &
  Partial<Pick<SiteConfiguration, 'log' | 'kurrentServer' | 'credentials'>>;

export interface SiteServersOptions {
  readonly configuration: SiteServersConfiguration;
  /** Where relative paths of the configuration start. */
  readonly baseDirectory: string;
  /** Spans that must be kept beside those under the site's own evidence locks. Throws when they cannot be known. */
  readonly pins: () => readonly ProtectedSpan[];
  /**
   * Whether somebody may still give back what the log has lost: a parent that has acknowledged nothing yet, whoever acknowledges a
   * log holds no other history of it; or the topmost one, for a site and its region may be restored together. Left out: nobody.
   */
  readonly isHistoryAwaited?: () => boolean;
  readonly logger: Logger;
}

/** Raises it as soon as there is a management server. */
type AlarmLater = (alarm: { readonly name: string; readonly message: string }) => void;

const DAY_MS = 24 * 3600 * 1000;

/** The index of a day or two is made in this time; recording servers whose media is there wait no longer. */
const STAND_IN_MS_MAX = 15_000;

export const newUuid = <Id extends string>(): Id => v7() as Id;

/** Opens the log and what works on it, and writes into the log what the configuration has that the log does not. */
export async function openSiteServers(options: SiteServersOptions): Promise<SiteServers> {
  const { configuration, baseDirectory, logger } = options;
  const dataDirectory = path.resolve(baseDirectory, configuration.data);
  const siteId = configuration.site.id;
  const keys = loadSiteKeys(dataDirectory);
  await using stack = new AsyncDisposableStack();
  const managed = Promise.withResolvers<ManagementServer>();
  const alarmLater: AlarmLater = alarm =>
    void managed.promise
      .then(server => alarmOfSite(server, siteId, alarm))
      .catch(error => logger.error({ err: error }, 'the site could not raise its own alarm'));
  const log = stack.use(
    await openSiteLog({
      ...{ configuration, dataDirectory, site: siteId, signingKey: keys.logKey, logger },
      onIndexRebuilt: detail =>
        alarmLater({
          name: 'The index of the log was damaged',
          message: `The index of this site's log was damaged and was built anew from the events: none is lost, but look at the disk. ${detail}`,
        }),
    }),
  );
  const newId = newUuid<EventId>;
  const subjectKeys = stack.use(openSubjectKeys({ dataDirectory, keys, siteId, logger, alarmLater }));
  const folds = new FoldFiles({ directory: foldDirectoryOf(dataDirectory), logger });
  await foldAhead({
    ...{ log, store: folds },
    folds: [
      managementFold({ siteId, subjectKeys }, new SiteState()),
      ...configuration.recordingServers.map(({ id }) => siteViewFold(id, new SiteView(id))),
    ],
  });
  const management = await ManagementServer.open({
    ...{ log, siteId, now: Date.now, newId, logger, folds, subjectKeys },
    recordingServersRunning: new Set(configuration.recordingServers.map(({ id }) => id)),
  });
  managed.resolve(management);
  const isHistoryAwaited = () => log.away?.() != null || options.isHistoryAwaited?.() === true;
  const tell = async () => {
    await establish(management, configuration, { keys, baseDirectory });
    await reportDifferences(management, configuration, logger);
  };
  // A log that is away is told when it is there: the cameras in its copy are recorded meanwhile.
  const tellsLater = log.away?.() != null;
  if (!tellsLater) await tell();
  const logFile = siteLogFileOf(dataDirectory);
  const setAside = new SetAsideLocks({ file: logFile, site: siteId, logger, alarm: alarmLater });
  const pins = () => [...options.pins(), ...setAside.spans(Date.now())];
  const site = {
    ...{ dataDirectory, baseDirectory, siteId, log, management, keys, pins, isHistoryAwaited, folds, logger },
  };
  const servers = await openRecordingServers(configuration, { ...site, alarmLater }, stack);
  const { recordingServers } = servers;
  if (configuration.kurrentServer !== undefined) {
    const credentialsDirectory = path.resolve(baseDirectory, configuration.credentials ?? '.');
    stack.use(
      await serveSiteLog({ configuration: configuration.kurrentServer, credentialsDirectory, log, logger }),
    );
  }
  const alarms = alarmsByCause({ management, siteId }, logger);
  const files = filesOfCertificates(configuration, baseDirectory);
  const certificates = { files, alarms, now: Date.now, logger };
  const watch = logAwayTasks({ log, management, siteId, logger }, tellsLater ? tell : null);
  const held = stack.move();
  return {
    ...{ siteId, log, keys, subjectKeys, management, alarms, dataDirectory, ...servers },
    run: signal =>
      runTogether(
        [
          ...[management, ...recordingServers.values()].map(
            server => (running: AbortSignal) => server.run(running),
          ),
          (running: AbortSignal) => setAside.run(running),
          (running: AbortSignal) => watchCertificates(certificates, running),
          ...watch,
        ],
        signal,
      ),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

type OpenRecordingServers = Pick<SiteServers, 'recordingServers' | 'awayMedia' | 'mediaToMiss'>;

async function openRecordingServers(
  configuration: SiteServersConfiguration,
  site: Parameters<typeof openServer>[1] & { readonly alarmLater: AlarmLater },
  stack: AsyncDisposableStack,
): Promise<OpenRecordingServers> {
  const recordingServers = new Map<RecordingServerId, RecordingServer>();
  const awayMedia: AwayMedia[] = [];
  const mediaToMiss: UsedMedia[] = [];
  for (const server of configuration.recordingServers) {
    const directory = mediaDirectoryOf(site.dataDirectory, server.id);
    const away = await awayMediaOf(site.log, { ...server, directory });
    if (away === null) {
      recordingServers.set(server.id, stack.use(await openServer(server, site)));
      const hasOthers = server.storages.some(({ live }) => live.path !== undefined);
      if (hasOthers) mediaToMiss.push({ recordingServerId: server.id, directory });
      continue;
    }
    site.logger.error(away.why);
    site.alarmLater({ name: 'Recording halted', message: away.why });
    const { open, prepared } = await openStandIn(server, { ...site, away: away.why }, stack);
    awayMedia.push({ ...away, prepared });
    if (open !== null) recordingServers.set(server.id, open);
    else void sayHalted(away, site);
  }
  return { recordingServers, awayMedia, mediaToMiss };
}

/**
 * Records what does not belong into the media directory that is away. Not open: there are so many files to make an index of that
 * nobody waits for it; once it is made, all is opened again.
 */
async function openStandIn(
  server: SiteServersConfiguration['recordingServers'][number],
  site: Parameters<typeof openServer>[1] & { readonly away: string },
  stack: AsyncDisposableStack,
): Promise<{ readonly open: RecordingServer | null; readonly prepared: Promise<void> | null }> {
  const ending = new AbortController();
  const opening = openServer(server, { ...site, openSignal: ending.signal });
  const open = await inTime(opening, { ms: STAND_IN_MS_MAX, late: null });
  if (open !== null) return { open: stack.use(open), prepared: null };
  const prepared = opening.then(late => late[Symbol.asyncDispose]());
  stack.defer(async () => {
    ending.abort();
    await prepared.catch(() => undefined);
  });
  return { open: null, prepared };
}

/** The recording server takes it back when it runs. Not waited for: the log may be away. */
async function sayHalted(
  { recordingServerId, why }: Pick<AwayMedia, 'recordingServerId' | 'why'>,
  { log, management, siteId, logger }: Parameters<typeof openServer>[1],
): Promise<void> {
  if (management.state.recordingServers.get(recordingServerId)?.halts.has(null)) return;
  const atMs = Date.now();
  const detail = why.slice(0, 1000);
  const event = newEvent(
    {
      type: 'RecordingHalted',
      data: { recordingServerId, storageId: null, atMs, cause: 'DISK_UNAVAILABLE', detail },
    },
    { id: newUuid<EventId>(), actor: `site:${siteId}`, occurredAtMs: atMs, clockQuality: 'UNKNOWN' },
  );
  const stream = `recording-server-${recordingServerId}`;
  await log.append([{ stream, expected: 'any', events: [event] }]).catch(error => {
    logger.error({ err: error }, 'the log could not be told that recording is halted');
  });
}

function openSubjectKeys({
  dataDirectory,
  keys,
  siteId: site,
  logger,
  alarmLater,
}: {
  readonly dataDirectory: string;
  readonly keys: SiteKeys;
  readonly siteId: SiteId;
  readonly logger: Logger;
  readonly alarmLater: AlarmLater;
}): SubjectKeys {
  return SubjectKeys.open({
    ...{ file: subjectKeyFileOf(dataDirectory), sealingKeyPem: keys.sealingKeyPem, site },
    onDamaged: message => {
      logger.error({ detail: message }, 'the file of keys of subjects was damaged');
      alarmLater({ name: 'The file of keys of subjects was damaged', message });
    },
  });
}

/** For who operates it: a disk that damages one page may damage others. */
async function alarmOfSite(
  management: ManagementServer,
  siteId: SiteId,
  { name, message }: { readonly name: string; readonly message: string },
): Promise<void> {
  await management.raiseAlarm({
    ...{ alarmId: newUuid<AlarmId>(), name, message: message.slice(0, 1000) },
    actor: `site:${siteId}`,
  });
}

/** Of a log that may be away: to say so, and what is to be said when it is there. */
function logAwayTasks(
  {
    log,
    management,
    siteId,
    logger,
  }: Pick<SiteServers, 'log' | 'management' | 'siteId'> & { logger: Logger },
  tell: (() => Promise<void>) | null,
): readonly ((signal: AbortSignal) => Promise<void>)[] {
  const { away, whenThere } = log;
  if (away === undefined || whenThere === undefined) return [];
  const elsewhere = { away: away.bind(log), whenThere: whenThere.bind(log) };
  const raiseAlarm = (alarm: { readonly name: string; readonly message: string }) =>
    management.raiseAlarm({ ...alarm, alarmId: newUuid(), actor: `site:${siteId}` });
  const tasks = [
    (signal: AbortSignal) =>
      watchLogAway({ ...{ log: elsewhere, raiseAlarm, logger }, now: Date.now }, signal),
  ];
  if (tell === null) return tasks;
  const tellWhenThere = async (signal: AbortSignal) => {
    await elsewhere.whenThere(signal);
    if (signal.aborted) return;
    await untilAborted(tell(), signal).catch(error => {
      logger.error({ err: error }, 'what the configuration says is not in the log: start the site again');
    });
  };
  return [...tasks, tellWhenThere];
}

function openServer(
  server: SiteServersConfiguration['recordingServers'][number],
  site: {
    readonly dataDirectory: string;
    readonly baseDirectory: string;
    readonly siteId: SiteId;
    readonly log: SiteLog;
    readonly management: ManagementServer;
    readonly keys: SiteKeys;
    readonly pins: () => readonly ProtectedSpan[];
    readonly isHistoryAwaited: () => boolean;
    readonly folds: FoldFiles;
    readonly logger: Logger;
    /** Why its media directory is away; left out: it is there. */
    readonly away?: string;
    readonly openSignal?: AbortSignal;
  },
): Promise<RecordingServer> {
  const { management, keys, siteId, log, pins, isHistoryAwaited, folds, dataDirectory, openSignal } = site;
  const standIn = standInDirectoryOf(dataDirectory, server.id);
  return RecordingServer.open({
    ...{ recordingServerId: server.id, site: siteId, log, pins, folds, softwareVersion: SOFTWARE },
    isHistoryAwaited,
    ...{ now: Date.now, monotonicMs: () => performance.now(), random: Math.random, newId: newUuid },
    ffmpegBin: process.env.FFMPEG_BIN ?? null,
    ...(site.away === undefined
      ? { dir: mediaDirectoryOf(dataDirectory, server.id), standIn }
      : { dir: standIn, away: site.away }),
    ...(openSignal === undefined ? {} : { openSignal }),
    openCredentials: sealed => openCredentials(sealed, keys.sealingKeyPem),
    raiseAlarm: ({ name, message }) =>
      management.raiseAlarm({ alarmId: newUuid(), name, message, actor: `server:${server.id}` }),
    logger: site.logger.child({ recordingServer: server.name }),
    limits: {
      ...freeSpaceLimits(server.freeGigabytesLow * 1e9),
      retentionMs: server.retentionDays * DAY_MS,
      usageBytesMax: usageBytesMaxOf(server),
    },
    storages: storageConfigurationsOf(server, site.baseDirectory).map(storageOf),
    objectStores: objectStoresOf(server),
    mediaPassword: () =>
      readMediaPassword(
        server.mediaPasswordFile === undefined
          ? null
          : path.resolve(site.baseDirectory, server.mediaPasswordFile),
      ),
    mediaLimits: { ...MEDIA_DATABASE_LIMITS, segmentMsMax: server.segmentSecondsMax * 1000 },
    sealReportIntervalMs: server.reportSeconds * 1000,
  });
}

function usageBytesMaxOf({
  sizeGigabytesMax,
}: {
  readonly sizeGigabytesMax?: number | undefined;
}): number | null {
  return sizeGigabytesMax === undefined ? null : sizeGigabytesMax * 1e9;
}

async function establish(
  management: ManagementServer,
  configuration: SiteServersConfiguration,
  { keys, baseDirectory }: { readonly keys: SiteKeys; readonly baseDirectory: string },
): Promise<void> {
  const { site } = configuration;
  const context = { actor: `site:${site.id}` };
  const sealingPublicKey = sealingPublicKeyOf(keys.sealingKeyPem);
  if (management.state.site.siteId === null) {
    await management.administer(
      { kind: 'EstablishSite', siteId: site.id, name: site.name, sealingPublicKey },
      { ...context, once: site.id },
    );
  } else if (management.state.site.name !== site.name) {
    await management.administer({ kind: 'RenameSite', name: site.name }, context);
  }
  for (const server of configuration.recordingServers) {
    const { id: recordingServerId, name, retentionDays } = server;
    if (!management.state.recordingServers.has(recordingServerId)) {
      await management.administer(
        { kind: 'RegisterRecordingServer', recordingServerId, name },
        { ...context, once: `${site.id} ${recordingServerId}` },
      );
    }
    // Refused, and nothing written, when the log says the same already.
    await management.administer(
      {
        kind: 'SetRecordingServerRetention',
        ...(shortestRetentionOf(server) ?? { retentionDays, byteLengthMax: usageBytesMaxOf(server) }),
        recordingServerId,
      },
      context,
    );
  }
  const { sealingKeyPem } = keys;
  await establishStorages(management, configuration, { context, baseDirectory, sealingKeyPem });
  for (const camera of configuration.cameras) {
    const { hardware, removedHardware } = management.state;
    if (hardware.has(camera.hardwareId) || removedHardware.has(camera.hardwareId)) continue;
    const outcome = await management.execute(addHardwareOf(camera, site.id, sealingPublicKey), {
      ...context,
      once: `${site.id} ${camera.hardwareId}`,
    });
    if (!outcome.accepted) throw new CameraConfigurationError(camera.name, outcome.message);
  }
  await assignStorages(management, configuration, context);
}

/** The log counts, not the file: where they differ somebody may believe what is not so. Cameras without a server are an alarm. */
async function reportDifferences(
  management: ManagementServer,
  { site, recordingServers, cameras }: SiteServersConfiguration,
  logger: Logger,
): Promise<void> {
  const { hardware, recordingServers: registered } = management.state;
  for (const { id, name } of recordingServers) {
    const known = registered.get(id)?.name;
    if (known !== name)
      logger.warn({ id, name, known }, 'a recording server keeps the name it was registered with');
  }
  for (const { hardwareId, name, address } of cameras) {
    const known = hardware.get(hardwareId)?.address;
    if (known === undefined)
      logger.warn({ hardwareId, name }, 'a configured camera was removed from this site');
    else if (known !== address) {
      logger.warn({ hardwareId, name, address, known }, 'a camera keeps the address it was added with');
    }
  }
  const orphans = [...hardware.values()].filter(
    camera => !recordingServers.some(server => server.id === camera.recordingServerId),
  );
  if (orphans.length === 0) return;
  const names = orphans.map(camera => `${camera.name} (${camera.recordingServerId})`).join(', ');
  const message = `their recording servers are not in this site's configuration: ${names}`;
  logger.error({ cameras: orphans.map(camera => camera.hardwareId) }, `cameras are not recorded: ${message}`);
  await management.raiseAlarm({
    ...{ alarmId: newUuid<AlarmId>(), name: 'Cameras are not recorded', message: message.slice(0, 1000) },
    actor: `site:${site.id}`,
  });
}

/**
 * The ids of its devices come from what the configuration names: a log that had to begin anew has the same devices again, and
 * what was recorded of them stays theirs.
 */
function addHardwareOf(camera: CameraConfiguration, siteId: SiteId, sealingPublicKey: string): SiteCommand {
  const { hardwareId, name, driver, address, transport, userName, password } = camera;
  const deviceOf = <Type extends string>(type: Type, deviceName: string) => ({
    deviceId: derivedId<DeviceId>(`device ${siteId} ${hardwareId} ${type}`, sha256),
    ...{ type, name: deviceName },
  });
  return {
    ...{ kind: 'AddHardware', hardwareId, name, driver, address, transport },
    recordingServerId: camera.recordingServer,
    sealedCredentials:
      userName === undefined
        ? null
        : sealCredentials({ userName, password: password ?? '' }, sealingPublicKey),
    devices: [
      deviceOf('CAMERA', name),
      ...(camera.microphone ? [deviceOf('MICROPHONE', `${name} microphone`)] : []),
    ],
  };
}

export class CameraConfigurationError extends Error {
  override readonly name = 'CameraConfigurationError';
  readonly code = 'CAMERA_CONFIGURATION_WRONG';
  constructor(camera: string, message: string) {
    super(`camera ${camera}: ${message}`);
  }
}
