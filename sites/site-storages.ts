import path from 'node:path';
import { freeSpaceLimits, type Storage } from '@holdfast/core';
import type { ArchiveSchedule, HoldfastEvent, RecordingServerId } from '@holdfast/schema';
import type { SiteConfiguration, StorageConfiguration } from './configuration/site-configuration.js';
import type { CommandContext, ManagementServer } from './management-server/management-server.js';
import { OWN_STAGE } from './recording-server/media-database/stage-directories.js';
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
      path: path.resolve(baseDirectory, archive.path),
      schedule: scheduleOf(archive.schedule),
    })),
  }));
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
  freeGigabytesLow,
}: Pick<StorageConfiguration['live'], 'retentionDays' | 'sizeGigabytesMax' | 'freeGigabytesLow'>) {
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
    archives: archives.map(archive => ({ ...stageOf(archive), schedule: archive.schedule })),
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
  { context, baseDirectory }: { readonly context: CommandContext; readonly baseDirectory: string },
): Promise<void> {
  for (const server of recordingServers) {
    for (const storage of storageConfigurationsOf(server, baseDirectory)) {
      const outcome = await management.administer({ kind: 'ConfigureStorage', ...storage }, context);
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
