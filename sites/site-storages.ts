import path from 'node:path';
import { freeSpaceLimits, RETENTION_LIMITS, type Storage } from '@holdfast/core';
import type { ArchiveSchedule, HoldfastEvent, RecordingServerId } from '@holdfast/schema';
import type { SiteConfiguration, StorageConfiguration } from './configuration/site-configuration.js';
import {
  type CameraCredentials,
  openCredentials,
  SealedCredentialsError,
  sealCredentials,
  sealingPublicKeyOf,
} from './credentials/sealed-credentials.js';
import type { CommandContext, ManagementServer } from './management-server/management-server.js';
import { OWN_STAGE } from './recording-server/media-database/stage-directories.js';
import { objectStageOf } from './recording-server/object-store/object-files.js';
import type { ObjectStoreAccess } from './recording-server/object-store/object-store.js';
import { recordingDeviceOf } from './recording-server/recorder/site-view.js';

const dayMs = 24 * 3600 * 1000;

type ConfiguredStorage = Extract<HoldfastEvent, { type: 'StorageConfigured' }>['data'];
type RecordingServerSettings = SiteConfiguration['recordingServers'][number];

export class StorageConfigurationError extends Error {
  override readonly name = 'StorageConfigurationError';
  readonly code = 'STORAGE_CONFIGURATION_WRONG';
}

/** The storages in a configuration file as they stand in the log: in bytes, with absolute paths. */
export function storageConfigurationsOf(
  { id, storages }: Pick<RecordingServerSettings, 'id' | 'storages'>,
  baseDirectory: string,
): readonly ConfiguredStorage[] {
  return storages.map(({ id: storageId, name, encryption, live, archives }, index) => ({
    ...{ recordingServerId: id, storageId, name, isDefault: index === 0 },
    encryption: encryption === 'strong' ? 'STRONG' : 'NONE',
    live: {
      ...limitsOf(live),
      path: live.path === undefined ? null : path.resolve(baseDirectory, live.path),
    },
    archives: archives.map(archive => ({
      ...limitsOf(archive),
      ...placeOf(archive, baseDirectory),
      schedule: scheduleOf(archive.schedule),
      keyFramesOnly: archive.keyFramesOnly,
    })),
  }));
}

type ArchiveSettings = StorageConfiguration['archives'][number];

type StageLimits = Pick<ArchiveSettings, 'retentionDays' | 'sizeGigabytesMax' | 'freeGigabytesLow'>;

/** The credentials of an object store are sealed where this is written into a log: until then there are none. */
function placeOf({ path: folder, objectStore }: ArchiveSettings, baseDirectory: string) {
  if (objectStore === undefined)
    return { path: path.resolve(baseDirectory, folder ?? ''), objectStore: null };
  const { bucketUrl, prefix = '', region } = objectStore;
  const stage = objectStageOf({ bucketUrl, prefix });
  // It has no end that one could know of.
  const freeBytesLow = 0;
  return { path: stage, freeBytesLow, objectStore: { bucketUrl, prefix, region, sealedCredentials: '' } };
}

/** How a recording server signs in to the object stores that its archives are in. */
export function objectStoresOf({
  storages,
}: Pick<RecordingServerSettings, 'storages'>): readonly ObjectStoreAccess[] {
  return storages.flatMap(({ archives }) =>
    archives.flatMap(({ objectStore }) =>
      objectStore ? [{ ...objectStore, prefix: objectStore.prefix ?? '' }] : [],
    ),
  );
}

/** As the log has them, for who has the site's key: of every archive that ever was in an object store. */
export function objectStoresIn(
  { archives }: Pick<ConfiguredStorage, 'archives'>,
  sealingKeyPem: string,
): readonly ObjectStoreAccess[] {
  return archives.flatMap(({ objectStore }) => {
    const opened = objectStore && openedOrNull(objectStore.sealedCredentials, sealingKeyPem);
    if (!opened) return [];
    return [{ ...objectStore, accessKeyId: opened.userName, secretAccessKey: opened.password }];
  });
}

/** Null: sealed to another key, as when a site was given a new one. */
function openedOrNull(sealed: string, sealingKeyPem: string): CameraCredentials | null {
  try {
    return openCredentials(sealed, sealingKeyPem);
  } catch (error) {
    if (error instanceof SealedCredentialsError) return null;
    throw error;
  }
}

/** What was sealed before stays as it is while it holds the same: sealed anew it would be another fact at each start. */
function withCredentials(
  storage: ConfiguredStorage,
  {
    stores,
    known,
    sealingKeyPem,
  }: {
    readonly stores: readonly ObjectStoreAccess[];
    readonly known: ConfiguredStorage | undefined;
    readonly sealingKeyPem: string;
  },
): ConfiguredStorage {
  const before = known === undefined ? [] : known.archives;
  const archives = storage.archives.map(archive => {
    const access = stores.find(store => objectStageOf(store) === archive.path);
    if (archive.objectStore === null || access === undefined) return archive;
    const { accessKeyId: userName, secretAccessKey: password } = access;
    const sealed = before.find(({ path: stage }) => stage === archive.path)?.objectStore?.sealedCredentials;
    const held = sealed === undefined ? null : openedOrNull(sealed, sealingKeyPem);
    const sealedCredentials =
      sealed !== undefined && held?.userName === userName && held.password === password
        ? sealed
        : sealCredentials({ userName, password }, sealingPublicKeyOf(sealingKeyPem));
    return { ...archive, objectStore: { ...archive.objectStore, sealedCredentials } };
  });
  return { ...storage, archives };
}

/** What holds for everything that the server records: the storage that keeps it for the shortest time. Null without storages. */
export function shortestRetentionOf({
  storages,
}: Pick<RecordingServerSettings, 'storages'>): Pick<
  ConfiguredStorage['live'],
  'retentionDays' | 'byteLengthMax'
> | null {
  const ends = storages.map(({ live, archives }) => limitsOf(archives.at(-1) ?? live));
  return ends.toSorted((one, other) => one.retentionDays - other.retentionDays)[0] ?? null;
}

function limitsOf({
  retentionDays,
  sizeGigabytesMax,
  freeGigabytesLow = RETENTION_LIMITS.freeBytesLow / 1e9,
}: StageLimits) {
  const byteLengthMax = sizeGigabytesMax === undefined ? null : sizeGigabytesMax * 1e9;
  return { retentionDays, byteLengthMax, freeBytesLow: freeGigabytesLow * 1e9 };
}

function scheduleOf(schedule: StorageConfiguration['archives'][number]['schedule']): ArchiveSchedule {
  if ('everyMinutes' in schedule) return { kind: 'EVERY', minutes: schedule.everyMinutes };
  const [hours, minutes] = schedule.dailyAt.split(':').map(Number) as [number, number];
  return { kind: 'DAILY', minuteOfDay: hours * 60 + minutes };
}

/** What the recording server works by. */
export function storageOf({ storageId, name, encryption, live, archives }: ConfiguredStorage): Storage {
  return {
    ...{ storageId, name, isEncrypted: encryption !== 'NONE', live: stageOf(live) },
    archives: archives.map(archive => {
      const { schedule, keyFramesOnly } = archive;
      return { ...stageOf(archive), schedule, keyFramesOnly };
    }),
  };
}

function stageOf({ path: folder, retentionDays, byteLengthMax, freeBytesLow }: ConfiguredStorage['live']) {
  const limits = { ...freeSpaceLimits(freeBytesLow), retentionMs: retentionDays * dayMs };
  return { stage: folder ?? OWN_STAGE, limits: { ...limits, usageBytesMax: byteLengthMax } };
}

/** Writes into the log what the configuration says of storages. Throws `StorageConfigurationError` where it cannot be so. */
export async function establishStorages(
  management: ManagementServer,
  { recordingServers }: Pick<SiteConfiguration, 'recordingServers'>,
  {
    context,
    baseDirectory,
    sealingKeyPem,
  }: {
    readonly context: CommandContext;
    readonly baseDirectory: string;
    readonly sealingKeyPem: string;
  },
): Promise<void> {
  for (const server of recordingServers) {
    for (const storage of storageConfigurationsOf(server, baseDirectory)) {
      const known = management.state.recordingServers.get(server.id)?.storages.get(storage.storageId);
      const sealed = withCredentials(storage, { stores: objectStoresOf(server), known, sealingKeyPem });
      const outcome = await management.administer({ kind: 'ConfigureStorage', ...sealed }, context);
      if (!outcome.accepted && outcome.code !== 'NOTHING_ASKED') {
        throw new StorageConfigurationError(`recording server ${server.name}: ${outcome.message}`);
      }
    }
  }
}

/** Each configured camera into the storage that its configuration names, or the first of its recording server. */
export async function assignStorages(
  management: ManagementServer,
  { recordingServers, cameras }: Pick<SiteConfiguration, 'recordingServers' | 'cameras'>,
  context: CommandContext,
): Promise<void> {
  for (const camera of cameras) {
    const hardware = management.state.hardware.get(camera.hardwareId);
    const storageId =
      camera.storage ?? recordingServers.find(({ id }) => id === camera.recordingServer)?.storages[0]?.id;
    if (hardware === undefined || storageId === undefined) continue;
    const recordingServerId: RecordingServerId = camera.recordingServer;
    const { deviceId } = recordingDeviceOf(hardware);
    // Refused, and nothing written, when the log says the same already.
    await management.administer(
      { kind: 'AssignDeviceStorage', recordingServerId, deviceId, storageId },
      context,
    );
  }
}
