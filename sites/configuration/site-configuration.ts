import { RETENTION_LIMITS } from '@holdfast/core';
import {
  CameraAddress,
  CameraTransport,
  DriverName,
  HardwareId,
  Name,
  RecordingServerId,
  SiteId,
  StorageId,
} from '@holdfast/schema';
import { z } from 'zod';
import { KurrentConnectionString, KurrentServerConfiguration } from './kurrent-configuration.js';

/** Ed25519, 32 bytes in base64. */
export const LogPublicKey = z
  .string()
  .regex(/^[A-Za-z0-9+/]{43}=$/, 'expected the 32 bytes of an Ed25519 key in base64');

const Port = z.int('expected a port number').min(0).max(65535);
const Host = z.string().min(1).default('127.0.0.1');
const Path = z.string().min(1, 'expected a path');

const FreeGigabytesLow = z.number().min(0.01).max(100_000);

const stageLimits = {
  /** Recordings older than this leave for the next archive, or are deleted; unless locked. */
  retentionDays: z.number().positive().max(365_000),
  /** The stage's own limit; the disk's free space is a limit in any case. */
  sizeGigabytesMax: z.number().positive().optional(),
  /** Below this much free space on the disk the oldest unlocked recordings go. Well below it recording stops. */
  freeGigabytesLow: FreeGigabytesLow.default(RETENTION_LIMITS.freeBytesLow / 1e9),
};

/** A bucket that is spoken to as Amazon S3 is. */
export const ObjectStoreConfiguration = z.strictObject({
  bucketUrl: z
    .string()
    .max(900)
    .regex(
      /^https?:\/\/[A-Za-z0-9.:[\]-]+(\/[A-Za-z0-9._-]+)?$/,
      'expected https://host/bucket or https://bucket.host',
    ),
  /** A folder in the bucket, of this recording server alone. */
  prefix: z
    .string()
    .max(100)
    .regex(/^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/, 'expected names of letters, digits, ".", "_" and "-"')
    .optional(),
  region: z.string().min(1).max(100).default('us-east-1'),
  accessKeyId: z.string().min(1).max(200),
  secretAccessKey: z.string().min(1).max(1000),
});

/** A live database and the archives that its recordings move on to as they grow old. */
export const StorageConfiguration = z.strictObject({
  id: StorageId,
  name: Name,
  /** `strong`: what is recorded is encrypted with AES-256-GCM; the recording server then needs `mediaPasswordFile`. */
  encryption: z.enum(['none', 'strong']).default('none'),
  live: z.strictObject({
    ...stageLimits,
    /** Relative to this file. Left out: the media directory of the recording server, for one storage at the most. */
    path: Path.optional(),
  }),
  /** From near to far. `retentionDays` counts from the recording, so each archive's is more than that of the stage before it. */
  archives: z
    .array(
      z
        .strictObject({
          ...stageLimits,
          /** A folder on another disk or of the network; its parent folder must be there. This, or an object store. */
          path: Path.optional(),
          objectStore: ObjectStoreConfiguration.optional(),
          /** Of a folder alone: an object store has no end that one could know of. */
          freeGigabytesLow: FreeGigabytesLow.optional(),
          /** Only key frames are kept of what moves in, unless it is locked; sound is kept. */
          keyFramesOnly: z.boolean().default(false),
          /** Left out: as soon as recordings are old enough. */
          schedule: z
            .union([
              z.strictObject({ everyMinutes: z.int().min(1).max(525_600) }),
              z.strictObject({
                /** UTC. */
                dailyAt: z.string().regex(/^([01][0-9]|2[0-3]):[0-5][0-9]$/, 'expected HH:MM'),
              }),
            ])
            .default({ everyMinutes: 1 }),
        })
        .refine(({ path, objectStore }) => (path === undefined) !== (objectStore === undefined), {
          error: 'expected either path or objectStore',
        })
        .refine(
          ({ objectStore, freeGigabytesLow }) => objectStore === undefined || freeGigabytesLow === undefined,
          {
            ...{
              path: ['freeGigabytesLow'],
              error: 'an object store has no free space to look at: leave it out',
            },
          },
        ),
    )
    .max(8)
    .default([]),
});
export type StorageConfiguration = z.infer<typeof StorageConfiguration>;

export const RecordingServerConfiguration = z.strictObject({
  id: RecordingServerId,
  name: Name,
  ...stageLimits,
  retentionDays: stageLimits.retentionDays.default(30),
  /** A segment is sealed at the first key frame after this time: what a crash can leave unproven. */
  segmentSecondsMax: z.number().min(1).max(3600).default(64),
  /** How often what was sealed is told to the log. */
  reportSeconds: z.number().min(1).max(3600).default(60),
  /**
   * Where recordings are kept. The first is that of all cameras that name no other. Left out: one live database in the media
   * directory, with `retentionDays`, `sizeGigabytesMax` and `freeGigabytesLow` of above, which count for it alone.
   */
  storages: z.array(StorageConfiguration).max(64).default([]),
  /** Its first line is the password of encrypted storages. Left out: `HOLDFAST_MEDIA_PASSWORD` of the environment. */
  mediaPasswordFile: Path.optional(),
});

/** A camera that is added when the site never had it; later changes, also its removal, are made through the API. */
export const CameraConfiguration = z.strictObject({
  hardwareId: HardwareId,
  name: Name,
  driver: DriverName.default('rtsp'),
  address: CameraAddress,
  transport: CameraTransport.default('AUTO'),
  userName: z.string().optional(),
  password: z.string().optional(),
  recordingServer: RecordingServerId,
  /** One of the `storages` of the recording server; left out: the first. */
  storage: StorageId.optional(),
  microphone: z.boolean().default(false),
});

export type CameraConfiguration = z.infer<typeof CameraConfiguration>;

export const SiteIdentity = z.strictObject({ id: SiteId, name: Name });

/** `/healthz`, `/readyz`, `/metrics` of a process. Port 0: any free one. */
export const OperationsConfiguration = z.strictObject({ host: Host, port: Port });

/** Where a site reports to. */
export const ParentConfiguration = z.strictObject({
  siteId: SiteId,
  host: Host,
  port: Port,
  /** Where media channels and keys of subjects go, when another process of the parent takes them than the one that takes the log. */
  media: z.strictObject({ host: Host, port: Port }).optional(),
  /** The name in the parent's certificate. */
  serverName: z.string().min(1),
  /** What the parent cosigns with, as `holdfast init` printed it. Without it the first key that the parent shows counts. */
  logPublicKey: LogPublicKey.optional(),
  /**
   * Longest pause between tries to reach the parent. In vain a try costs a packet or two, and facts shall be there
   * 2 s after the link is back; thousands of sites under one parent may want more.
   */
  reconnectSecondsMax: z.number().min(1).max(3600).default(1),
});

export type ParentConfiguration = z.infer<typeof ParentConfiguration>;

/** Without what the settings must be to each other: `checkRecording`. */
export const SiteSettings = z.strictObject({
  role: z.literal('site'),
  site: SiteIdentity,
  /** Where everything of this site is kept; relative to this file. */
  data: Path,
  /** Where the log is kept when not in `data`: on a server of EventStoreDB or KurrentDB. What it holds stays with it. */
  log: z
    .strictObject({
      kurrent: z.strictObject({ connectionString: KurrentConnectionString }).optional(),
      /** Events older than this are removed once others hold them. Left out: everything is kept. */
      keepDays: z.number().positive().max(36_500).optional(),
      /** Who must hold them: the parent (unless it says otherwise), or the topmost central. */
      until: z.enum(['parent', 'top']).optional(),
    })
    .optional(),
  /** Lets clients of EventStoreDB and KurrentDB read this site's log. Off when left out. */
  kurrentServer: KurrentServerConfiguration.optional(),
  /**
   * A directory with `server.crt.pem`, `server.key.pem` and `authority.crt.pem`: who this site is to its peers, and whom
   * it believes. Required with `parent`.
   */
  credentials: Path.optional(),
  /** The site that this one reports to. Without it the site stands alone. */
  parent: ParentConfiguration.optional(),
  operations: OperationsConfiguration.prefault({ port: 0 }),
  recordingServers: z.array(RecordingServerConfiguration).max(64).default([]),
  cameras: z.array(CameraConfiguration).max(1024).default([]),
});

/** No id twice, and each camera on a recording server of the same file. */
export function checkRecording(
  { recordingServers, cameras }: Pick<z.infer<typeof SiteSettings>, 'recordingServers' | 'cameras'>,
  context: z.RefinementCtx,
): void {
  const fault = (path: (string | number)[], message: string) =>
    context.addIssue({ code: 'custom', path, message });
  for (const [index, { id }] of recordingServers.entries()) {
    if (recordingServers.findIndex(server => server.id === id) < index) {
      fault(
        ['recordingServers', index, 'id'],
        'expected an id of its own: another recording server has this one',
      );
    }
  }
  for (const [index, { hardwareId, recordingServer, storage }] of cameras.entries()) {
    if (cameras.findIndex(camera => camera.hardwareId === hardwareId) < index) {
      fault(['cameras', index, 'hardwareId'], 'expected an id of its own: another camera has this one');
    }
    const server = recordingServers.find(({ id }) => id === recordingServer);
    if (!server) fault(['cameras', index, 'recordingServer'], 'expected the id of one of recordingServers');
    else if (storage !== undefined && !server.storages.some(({ id }) => id === storage)) {
      fault(['cameras', index, 'storage'], 'expected the id of one of the storages of its recording server');
    }
  }
}

/** A log is truncated only where others hold it, and not where others keep it. */
export function checkTruncation(
  { log, parent }: Pick<z.infer<typeof SiteSettings>, 'log' | 'parent'>,
  context: z.RefinementCtx,
): void {
  const fault = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
  if (log?.until !== undefined && log.keepDays === undefined) {
    fault(['log', 'until'], 'expected keepDays beside it: without it nothing is removed');
  }
  if (log?.keepDays === undefined) return;
  if (parent === undefined) {
    fault(['log', 'keepDays'], 'expected a parent that holds what is removed here');
  }
  if (log.kurrent !== undefined) {
    fault(['log', 'keepDays'], 'expected a log in a file: on a server of others nothing is removed');
  }
}

export const SiteConfiguration = SiteSettings.superRefine(checkRecording).superRefine(checkTruncation);
export type SiteConfiguration = z.infer<typeof SiteConfiguration>;
