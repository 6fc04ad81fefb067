import type {
  DeviceId,
  HoldfastEvent,
  RecordingServerEvent,
  RecordingServerId,
  StorageId,
} from '@holdfast/schema';
import { accept, type Decider, type Decision, refuse } from '../decider/decider.js';

/** Null before the server was registered. */
export type RecordingServerState = {
  readonly recordingServerId: RecordingServerId;
  readonly name: string;
  /** Why, by storage; null: all of them. */
  readonly halts: ReadonlyMap<StorageId | null, string>;
  /** Null in logs of before retention was written into them. */
  readonly retention: Retention | null;
  readonly storages: ReadonlyMap<StorageId, ConfiguredStorage>;
  /** Devices that are not in the default storage. */
  readonly storageOfDevice: ReadonlyMap<DeviceId, StorageId>;
} | null;

export type ConfiguredStorage = Extract<HoldfastEvent, { type: 'StorageConfigured' }>['data'];

export interface Retention {
  readonly retentionDays: number;
  readonly byteLengthMax: number | null;
}

export interface RegisterRecordingServer {
  readonly kind: 'RegisterRecordingServer';
  readonly recordingServerId: RecordingServerId;
  readonly name: string;
}

export interface SetRecordingServerRetention extends Retention {
  readonly kind: 'SetRecordingServerRetention';
  readonly recordingServerId: RecordingServerId;
}

export type ConfigureStorage = ConfiguredStorage & { readonly kind: 'ConfigureStorage' };

export interface AssignDeviceStorage {
  readonly kind: 'AssignDeviceStorage';
  readonly recordingServerId: RecordingServerId;
  readonly deviceId: DeviceId;
  readonly storageId: StorageId;
}

export type RecordingServerCommand =
  | RegisterRecordingServer
  | SetRecordingServerRetention
  | ConfigureStorage
  | AssignDeviceStorage;

export interface RecordingServerRefusal {
  readonly code:
    | 'RECORDING_SERVER_EXISTS'
    | 'RECORDING_SERVER_NOT_FOUND'
    | 'NOTHING_ASKED'
    | 'STORAGE_NOT_FOUND'
    | 'STORAGE_PATH_TAKEN'
    | 'ARCHIVE_RETENTION_TOO_SHORT';
  readonly message: string;
}

export const recordingServerDecider: Decider<
  RecordingServerState,
  RecordingServerCommand,
  RecordingServerEvent,
  RecordingServerRefusal
> = {
  initialState: null,
  decide(command, server) {
    switch (command.kind) {
      case 'RegisterRecordingServer':
        return decideRegistration(command, server);
      case 'SetRecordingServerRetention':
        return server === null ? notFound(command) : decideRetention(command, server);
      case 'ConfigureStorage':
        return server === null ? notFound(command) : decideStorage(command, server);
      case 'AssignDeviceStorage':
        return server === null ? notFound(command) : decideAssignment(command, server);
    }
  },
  evolve(server, event) {
    switch (event.type) {
      case 'RecordingServerRegistered':
        return {
          ...{ ...event.data, halts: new Map(), retention: null },
          ...{ storages: new Map(), storageOfDevice: new Map() },
        };
      case 'RecordingServerRetentionSet': {
        const { retentionDays, byteLengthMax } = event.data;
        return server && { ...server, retention: { retentionDays, byteLengthMax } };
      }
      case 'StorageConfigured': {
        const { storageId } = event.data;
        return server && { ...server, storages: new Map([...server.storages, [storageId, event.data]]) };
      }
      case 'DeviceStorageAssigned': {
        const { deviceId, storageId } = event.data;
        return (
          server && {
            ...server,
            storageOfDevice: new Map([...server.storageOfDevice, [deviceId, storageId]]),
          }
        );
      }
      case 'RecordingServerStarted':
        // A server that was halted stays so over a restart, until it says otherwise.
        return server;
      case 'RecordingUnhalted':
        return server && { ...server, halts: withoutHalt(server.halts, event.data.storageId) };
      case 'RecordingHalted':
        return (
          server && { ...server, halts: new Map([...server.halts, [event.data.storageId, event.data.cause]]) }
        );
    }
  },
};

/** Why what comes to the server cannot be recorded: into the storage of all devices that are assigned to no other. */
export function haltOfStorage(
  { storages, halts }: NonNullable<RecordingServerState>,
  storageId: StorageId | undefined,
): string | null {
  const wanted = storageId ?? [...storages.values()].find(({ isDefault }) => isDefault)?.storageId;
  // Without configured storages there is one.
  const [first = null] = halts.values();
  return wanted === undefined ? first : (halts.get(null) ?? halts.get(wanted) ?? null);
}

function withoutHalt(
  halts: ReadonlyMap<StorageId | null, string>,
  storageId: StorageId | null,
): ReadonlyMap<StorageId | null, string> {
  return storageId === null ? new Map() : new Map([...halts].filter(([id]) => id !== storageId));
}

type Registered = NonNullable<RecordingServerState>;
type ServerDecision = Decision<RecordingServerEvent, RecordingServerRefusal>;

function notFound({ recordingServerId }: { readonly recordingServerId: RecordingServerId }): ServerDecision {
  return refuse({
    code: 'RECORDING_SERVER_NOT_FOUND',
    message: `no recording server ${recordingServerId} is registered`,
  });
}

function decideRegistration(
  { recordingServerId, name }: RegisterRecordingServer,
  server: RecordingServerState,
): ServerDecision {
  return server === null
    ? accept({ type: 'RecordingServerRegistered', data: { recordingServerId, name } })
    : refuse({
        code: 'RECORDING_SERVER_EXISTS',
        message: `recording server ${recordingServerId} is registered`,
      });
}

function decideRetention(
  { recordingServerId, retentionDays, byteLengthMax }: SetRecordingServerRetention,
  { retention }: Registered,
): ServerDecision {
  if (retention?.retentionDays === retentionDays && retention.byteLengthMax === byteLengthMax) {
    return refuse({ code: 'NOTHING_ASKED', message: 'the retention is so already' });
  }
  return accept({
    type: 'RecordingServerRetentionSet',
    data: { recordingServerId, retentionDays, byteLengthMax },
  });
}

/** Stages of a chain grow older, and no folder belongs to two of them. */
function decideStorage({ kind: _, ...storage }: ConfigureStorage, server: Registered): ServerDecision {
  const stages = [storage.live, ...storage.archives];
  for (const [index, { retentionDays, path }] of stages.entries()) {
    const before = stages[index - 1];
    if (before && retentionDays <= before.retentionDays) {
      const message = `storage ${storage.name}: ${path} keeps ${retentionDays} days, which must be more than the ${before.retentionDays} of the stage before it, for age counts from the recording`;
      return refuse({ code: 'ARCHIVE_RETENTION_TOO_SHORT', message });
    }
  }
  const others = [...server.storages.values()].filter(({ storageId }) => storageId !== storage.storageId);
  const taken = others.flatMap(other => [other.live, ...other.archives].map(({ path }) => path));
  for (const [index, { path }] of stages.entries()) {
    if (!taken.includes(path) && stages.findIndex(stage => stage.path === path) === index) continue;
    const message = `storage ${storage.name}: ${path ?? 'the media directory'} belongs to another live database or archive: name another folder`;
    return refuse({ code: 'STORAGE_PATH_TAKEN', message });
  }
  const known = server.storages.get(storage.storageId);
  if (known !== undefined && isSame(known, storage)) {
    return refuse({ code: 'NOTHING_ASKED', message: 'the storage is so already' });
  }
  return accept({ type: 'StorageConfigured', data: storage });
}

/** Both are data of the same event, whose schema fixes the order of the keys. */
function isSame(one: ConfiguredStorage, other: ConfiguredStorage): boolean {
  const text = ({ live, archives, ...storage }: ConfiguredStorage) => {
    const { recordingServerId, storageId, name, isDefault, encryption } = storage;
    const facts = [recordingServerId, storageId, name, isDefault, encryption];
    return JSON.stringify([...facts, stageKey(live), archives.map(stageKey)]);
  };
  return text(one) === text(other);
}

function stageKey(stage: ConfiguredStorage['live'] | ConfiguredStorage['archives'][number]): unknown {
  const { path, retentionDays, byteLengthMax, freeBytesLow } = stage;
  const limits = [path, retentionDays, byteLengthMax, freeBytesLow];
  if (!('schedule' in stage)) return limits;
  const { bucketUrl, prefix, region, sealedCredentials } = stage.objectStore ?? {};
  return [
    ...limits,
    Object.entries(stage.schedule).toSorted(),
    [bucketUrl, prefix, region, sealedCredentials],
    stage.keyFramesOnly,
  ];
}

function decideAssignment(
  { recordingServerId, deviceId, storageId }: AssignDeviceStorage,
  { storages, storageOfDevice }: Registered,
): ServerDecision {
  const storage = storages.get(storageId);
  if (storage === undefined) {
    return refuse({ code: 'STORAGE_NOT_FOUND', message: `the recording server has no storage ${storageId}` });
  }
  const current = storageOfDevice.get(deviceId);
  if (current === storageId || (current === undefined && storage.isDefault)) {
    return refuse({ code: 'NOTHING_ASKED', message: `the device is in storage ${storage.name} already` });
  }
  return accept({ type: 'DeviceStorageAssigned', data: { recordingServerId, deviceId, storageId } });
}
