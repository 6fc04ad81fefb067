import { chainOf, type RetentionLimits, type Storage } from '@holdfast/core';
import type { DeviceId, RecordingServerId, StorageId } from '@holdfast/schema';
import { OWN_STAGE } from '../media-database/stage-directories.js';

/** The storages of a recording server; one without archives in the media directory when none are configured. */
export function storagesOf(server: {
  readonly recordingServerId: RecordingServerId;
  readonly limits: RetentionLimits;
  readonly storages?: readonly Storage[];
}): readonly Storage[] {
  if (server.storages !== undefined && server.storages.length > 0) return server.storages;
  const live = { stage: OWN_STAGE, limits: server.limits };
  const isEncrypted = false;
  return [{ storageId: server.recordingServerId, name: 'Default', isEncrypted, live, archives: [] }];
}

/** Every stage but the media directory, live databases first, archives from near to far. */
export function stagesOf(storages: readonly Storage[]): readonly string[] {
  const chains = storages.map(storage => chainOf(storage).map(({ here }) => here.stage));
  const byDistance = [...chains.map(chain => chain.slice(0, 1)), ...chains.map(chain => chain.slice(1))];
  return [...new Set(byDistance.flat())].filter(stage => stage !== OWN_STAGE);
}

/** Where a device is recorded: in the storage that it is assigned to, or the first. */
export function liveStageIn(
  storages: readonly Storage[],
  assignments: { storageOf(deviceId: DeviceId): StorageId | null },
  deviceId: DeviceId,
): string {
  const storageId = assignments.storageOf(deviceId);
  const assigned = storages.find(storage => storage.storageId === storageId);
  return (assigned ?? storages[0]!).live.stage;
}

/** Whether what is recorded into a live stage is encrypted. */
export function isEncryptedIn(storages: readonly Storage[], stage: string): boolean {
  return storages.some(({ live, isEncrypted }) => isEncrypted && live.stage === stage);
}
