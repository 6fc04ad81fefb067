import { z } from 'zod';
import { DeviceId, RecordingServerId, StorageId } from '../ids.js';
import { defineEvent, type EventOf, Name, passing, raised, UnixMs } from './event-definition.js';

/** Stream of this file: `recording-server-<id>`. */
export const RecordingServerRegistered = defineEvent(
  'RecordingServerRegistered',
  1,
  z.object({ recordingServerId: RecordingServerId, name: Name }),
);

export const RecordingServerStarted = defineEvent(
  'RecordingServerStarted',
  1,
  z.object({ recordingServerId: RecordingServerId, atMs: UnixMs, softwareVersion: z.string().max(100) }),
);

/** How long the server keeps recordings that no evidence lock holds, as its configuration says since this event. */
export const RecordingServerRetentionSet = defineEvent(
  'RecordingServerRetentionSet',
  1,
  z.object({
    recordingServerId: RecordingServerId,
    retentionDays: z.number().positive().max(365_000),
    /** Beyond it the oldest recordings go before their days are over. Null: no limit but the disk. */
    byteLengthMax: z.number().positive().nullable(),
  }),
);

const stage = {
  /** Absolute. Null: the media directory of the recording server itself. */
  path: z.string().min(1).max(1000).nullable(),
  /** The age since recording at which recordings leave: for the next archive, or for good. */
  retentionDays: z.number().positive().max(365_000),
  /** Beyond it the oldest leave before their days are over. Null: no limit but the disk. */
  byteLengthMax: z.number().positive().nullable(),
  /** The same for the free space of the volume. */
  freeBytesLow: z.number().nonnegative(),
};

/** When recordings may be moved into an archive: every so many minutes, or once a day at a minute of the day in UTC. */
export const ArchiveSchedule = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('EVERY'), minutes: z.int().min(1).max(525_600) }),
  z.object({ kind: z.literal('DAILY'), minuteOfDay: z.int().min(0).max(1439) }),
]);
export type ArchiveSchedule = z.infer<typeof ArchiveSchedule>;

const storage = {
  recordingServerId: RecordingServerId,
  storageId: StorageId,
  name: Name,
  /** Holds the devices that are assigned to no storage. */
  isDefault: z.boolean(),
  live: z.object(stage),
};

const archive = { ...stage, path: z.string().min(1).max(1000), schedule: ArchiveSchedule };
const ArchivesBeforeVersion3 = z.array(z.object(archive)).max(8);

/** An archive in a bucket; its `path` then is `bucketUrl` with `prefix`. */
export const ArchiveObjectStore = z.object({
  bucketUrl: z.string().max(900),
  prefix: z.string().max(100),
  region: z.string().min(1).max(100),
  /** Access key id and secret access key, sealed to the site's public key. */
  sealedCredentials: z.base64(),
});

/** STRONG: what is recorded from now on is encrypted with AES-256-GCM; its key is in no log. */
export const StorageEncryption = z.enum(['NONE', 'STRONG']);
export type StorageEncryption = z.infer<typeof StorageEncryption>;

/** Where a recording server keeps recordings, as its configuration says since this event: one live database, then archives. */
export const StorageConfigured = defineEvent(
  'StorageConfigured',
  4,
  z.object({
    ...storage,
    encryption: StorageEncryption,
    /** From near to far, each with a longer age than the one before. */
    archives: z
      .array(
        z.object({
          ...archive,
          objectStore: ArchiveObjectStore.nullable(),
          /** What moves in and is not locked is reduced to its key frames. */
          keyFramesOnly: z.boolean(),
        }),
      )
      .max(8),
  }),
  [
    raised(z.object({ ...storage, archives: ArchivesBeforeVersion3 }), data => ({
      ...data,
      encryption: 'NONE',
    })),
    raised(
      z.object({ ...storage, archives: ArchivesBeforeVersion3, encryption: StorageEncryption }),
      data => ({ ...data, archives: data.archives.map(each => ({ ...each, objectStore: null })) }),
    ),
    raised(
      z.object({
        ...storage,
        encryption: StorageEncryption,
        archives: z.array(z.object({ ...archive, objectStore: ArchiveObjectStore.nullable() })).max(8),
      }),
      data => ({ ...data, archives: data.archives.map(each => ({ ...each, keyFramesOnly: false })) }),
    ),
  ],
);

/** What is recorded of the device from now on is kept in this storage; what was, stays where it is. */
export const DeviceStorageAssigned = defineEvent(
  'DeviceStorageAssigned',
  1,
  z.object({ recordingServerId: RecordingServerId, deviceId: DeviceId, storageId: StorageId }),
);

const halt = {
  recordingServerId: RecordingServerId,
  atMs: UnixMs,
  detail: z.string().max(1000),
};
const unhalt = { recordingServerId: RecordingServerId, atMs: UnixMs };
/** Null: of all storages of the server, as before each was told by itself. */
const ofStorage = { storageId: StorageId.nullable() };

const HaltCauseVersion2 = z.enum(['DISK_FULL', 'DISK_UNAVAILABLE', 'LOCKS_UNREADABLE']);
const HaltCause = z.enum([...HaltCauseVersion2.options, 'MEDIA_PASSWORD_MISSING', 'MEDIA_PASSWORD_WRONG']);

/**
 * Nothing can be recorded into a storage any more: the disk of its live database is full of locked media, or gone; or it is
 * encrypted, and its password is not there.
 */
export const RecordingHalted = defineEvent(
  'RecordingHalted',
  3,
  z.object({ ...halt, cause: HaltCause, ...ofStorage }),
  [
    raised(z.object({ ...halt, cause: HaltCauseVersion2 }), data => ({ ...data, storageId: null })),
    raised(z.object({ ...halt, cause: HaltCauseVersion2, ...ofStorage }), data => data),
  ],
);

export const RecordingUnhalted = defineEvent('RecordingUnhalted', 2, z.object({ ...unhalt, ...ofStorage }), [
  raised(z.object(unhalt), data => ({ ...data, storageId: null })),
]);

const stageMeasure = {
  /** Null: no storage of the configuration names it any more. Without configured storages: the id of the server. */
  storageId: StorageId.nullable(),
  /** Null: the media directory. */
  path: z.string().max(1000).nullable(),
  usageBytes: z.int().nonnegative(),
  /** Null: unknown, as in an object store. */
  freeBytes: z.int().nonnegative().nullable(),
  /** Of the oldest recording; null: there is none. */
  oldestMs: UnixMs.nullable(),
  /** Null: it can be read and written. */
  unavailableBecause: z.string().max(1000).nullable(),
};
const measuresOf = <Stage extends z.ZodType>(stage: Stage) =>
  z.object({
    recordingServerId: RecordingServerId,
    atMs: UnixMs,
    stages: z.array(stage).max(1000),
  });

/**
 * Stream: `storage-measures-<recordingServerId>`. What is in each live database and archive, and how much room there is: when the
 * server starts, once an hour, and when a disk goes or comes back.
 */
export const StorageMeasured = passing(
  defineEvent(
    'StorageMeasured',
    2,
    measuresOf(
      z.object({
        ...stageMeasure,
        /** Of the usage, what evidence locks keep. Null: not told. */
        lockedBytes: z.int().nonnegative().nullable(),
        /** When it is full at the pace of its last day. Null: never, or it cannot be known. */
        fullAtMs: UnixMs.nullable(),
      }),
    ),
    [
      raised(measuresOf(z.object(stageMeasure)), data => ({
        ...data,
        stages: data.stages.map(stage => ({ ...stage, lockedBytes: null, fullAtMs: null })),
      })),
    ],
  ),
);

export const recordingServerEvents = [
  RecordingServerRegistered,
  RecordingServerRetentionSet,
  StorageConfigured,
  DeviceStorageAssigned,
  RecordingServerStarted,
  RecordingHalted,
  RecordingUnhalted,
] as const;
export type RecordingServerEvent = EventOf<(typeof recordingServerEvents)[number]>;
