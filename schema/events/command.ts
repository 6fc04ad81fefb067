import { z } from 'zod';
import {
  AlarmId,
  BookmarkId,
  CommandId,
  DeviceId,
  EventId,
  EvidenceLockId,
  HardwareId,
  RecordingServerId,
  SiteId,
  StorageId,
} from '../ids.js';
import { AlarmPriority } from './alarm.js';
import { CameraAddress, NetworkAddress, NetworkDriverName, RtspAddress } from './camera-address.js';
import { DeviceStreams } from './device-streams.js';
import { defineEvent, type EventOf, forOlderSoftware, Name, raised, UnixMs } from './event-definition.js';
import { CameraTransport, DriverName, HardwareDevice } from './hardware.js';
import { isSealed, personal, Subject } from './personal.js';
import { MotionDetection, RecordingPolicy, RecordingPolicyVersion1 } from './recording-policy.js';

export const AlarmState = z.enum(['NEW', 'IN_PROGRESS', 'ON_HOLD', 'CLOSED']);
export type AlarmState = z.infer<typeof AlarmState>;

const addHardware = {
  kind: z.literal('AddHardware'),
  hardwareId: HardwareId,
  name: Name,
  sealedCredentials: z.base64().nullable(),
  recordingServerId: RecordingServerId,
  devices: z.array(HardwareDevice).min(1).max(64),
};
const addCamera = z.object({ ...addHardware, address: RtspAddress });
const addNetworkCamera = z.object({
  ...addHardware,
  driver: NetworkDriverName.optional(),
  transport: CameraTransport.optional(),
  address: NetworkAddress,
});
const addHardwareByDriver = z.object({
  ...addHardware,
  /** `rtsp` and `AUTO` unless told otherwise. */
  driver: DriverName.optional(),
  transport: CameraTransport.optional(),
  address: CameraAddress,
});

const moveHardware = {
  kind: z.literal('MoveHardware'),
  hardwareId: HardwareId,
  toRecordingServerId: RecordingServerId,
};

const handleAlarm = (text: z.ZodType<string, string>, userName: z.ZodType<string, string>) => ({
  kind: z.literal('HandleAlarm'),
  alarmId: AlarmId,
  state: AlarmState.optional(),
  assignedTo: userName.nullable().optional(),
  priority: AlarmPriority.optional(),
  comment: text.optional(),
  reason: text.optional(),
});

/** `text` and `userName`: how what people write, and what they are called, stands in a command. */
const commandsWith = (text: z.ZodType<string, string>) =>
  [
    z.object({ kind: z.literal('RemoveHardware'), hardwareId: HardwareId }),
    z.object({
      kind: z.literal('RaiseAlarm'),
      alarmId: AlarmId,
      name: Name,
      message: text,
      priority: AlarmPriority,
      sourceDeviceId: DeviceId.nullable(),
    }),
    z.object({
      kind: z.literal('CreateEvidenceLock'),
      evidenceLockId: EvidenceLockId,
      headline: Name,
      description: text,
      deviceIds: z.array(DeviceId).min(1).max(1000),
      fromMs: UnixMs,
      toMs: UnixMs,
      expiresAtMs: UnixMs.nullable(),
    }),
    z.object({
      kind: z.literal('ExtendEvidenceLock'),
      evidenceLockId: EvidenceLockId,
      fromMs: UnixMs.optional(),
      toMs: UnixMs.optional(),
      expiresAtMs: UnixMs.nullable().optional(),
    }),
    z.object({ kind: z.literal('ReleaseEvidenceLock'), evidenceLockId: EvidenceLockId, reason: text }),
  ] as const;

const configureDevice = {
  kind: z.literal('ConfigureDevice'),
  hardwareId: HardwareId,
  deviceId: DeviceId,
  name: Name.optional(),
  enabled: z.boolean().optional(),
  recordingEnabled: z.boolean().optional(),
};

const personalHandleAlarm = handleAlarm(personal({ max: 4000 }), personal({ max: 200 }));
const commandsOnPersonal = commandsWith(personal({ max: 4000 }));
const personalCommands = [...commandsOnPersonal, z.object(personalHandleAlarm)] as const;
/** Destroys the keys of a subject: what was sealed under them can be read by nobody any more. */
const eraseSubject = z.object({ kind: z.literal('EraseSubject'), subject: Subject });

/** Somebody who forgets to stop a recording records so long. */
export const MANUAL_RECORDING_MS = 300_000;

const configureRecording = {
  ...configureDevice,
  recordingPolicy: RecordingPolicy.optional(),
  motionDetection: MotionDetection.optional(),
};

const configureRecordingVersion3 = {
  ...configureRecording,
  recordingPolicy: RecordingPolicyVersion1.optional(),
};

const recordingCommands = [
  z.object({
    kind: z.literal('StartRecording'),
    deviceId: DeviceId,
    /** After this it stops by itself. */
    durationMs: z.int().min(1_000).max(86_400_000),
  }),
  z.object({ kind: z.literal('StopRecording'), deviceId: DeviceId }),
  z.object({
    kind: z.literal('CreateBookmark'),
    bookmarkId: BookmarkId,
    deviceId: DeviceId,
    atMs: UnixMs,
    fromMs: UnixMs,
    toMs: UnixMs,
    reference: z.string().min(1).max(50),
    header: Name,
    description: personal({ max: 4000 }),
  }),
] as const;

/** All but that an alarm is handled. */
const commandsSinceVersion6 = [
  addHardwareByDriver,
  ...commandsOnPersonal,
  eraseSubject,
  z.object({ ...configureRecording, streams: DeviceStreams.optional() }),
  ...recordingCommands,
  /** `toStorageId`: one of that recording server. Left out: the one that it had there before, else the default. */
  z.object({ ...moveHardware, toStorageId: StorageId.optional() }),
] as const;
/** What can be asked of a site, by its own people or by its parent. The site decides. */
export const SiteCommand = z.discriminatedUnion('kind', [
  ...commandsSinceVersion6,
  /** `expectedLastId`: the alarm's newest event that whoever asks knows, or his wish that this one follows. Left out: whatever it is. */
  z.object({ ...personalHandleAlarm, expectedLastId: EventId.optional() }),
]);
export type SiteCommand = z.infer<typeof SiteCommand>;
/** Who reads version 1 takes a token for a text. */
const clear = (max: number) =>
  z
    .string()
    .max(max)
    .refine(text => !isSealed(text));
const SiteCommandVersion1 = z.discriminatedUnion('kind', [
  addCamera,
  ...commandsWith(clear(4000)),
  z.object(handleAlarm(clear(4000), clear(200))),
  z.object(configureDevice),
  z.object(moveHardware),
]);
const SiteCommandVersion2 = z.discriminatedUnion('kind', [
  addCamera,
  ...personalCommands,
  eraseSubject,
  z.object(configureDevice),
  z.object(moveHardware),
]);
const SiteCommandVersion3 = z.discriminatedUnion('kind', [
  addNetworkCamera,
  ...personalCommands,
  eraseSubject,
  z.object(configureRecordingVersion3),
  ...recordingCommands,
  z.object(moveHardware),
]);
const SiteCommandVersion4 = z.discriminatedUnion('kind', [
  addHardwareByDriver,
  ...personalCommands,
  eraseSubject,
  z.object({ ...configureRecordingVersion3, streams: DeviceStreams.optional() }),
  ...recordingCommands,
  z.object(moveHardware),
]);
const SiteCommandVersion5 = z.discriminatedUnion('kind', [
  addHardwareByDriver,
  ...personalCommands,
  eraseSubject,
  z.object({ ...configureRecordingVersion3, streams: DeviceStreams.optional() }),
  ...recordingCommands,
  z.object({ ...moveHardware, toStorageId: StorageId.optional() }),
]);
const SiteCommandVersion6 = z.discriminatedUnion('kind', [
  ...commandsSinceVersion6,
  z.object(personalHandleAlarm),
]);

const issued = { commandId: CommandId, targetSiteId: SiteId, notAfterMs: UnixMs.nullable() };

/**
 * A wish of a parent for a child. Stream: `wishes-<childSiteId>`, in the parent's log; the child pulls it by revision. Its event has
 * the id of the command, so that what it brings about names the command as its cause.
 */
export const CommandIssued = forOlderSoftware(
  defineEvent('CommandIssued', 7, z.object({ ...issued, command: SiteCommand }), [
    raised(z.object({ ...issued, command: SiteCommandVersion1 }), data => data),
    raised(z.object({ ...issued, command: SiteCommandVersion2 }), data => data),
    raised(z.object({ ...issued, command: SiteCommandVersion3 }), data => data),
    raised(z.object({ ...issued, command: SiteCommandVersion4 }), data => data),
    raised(z.object({ ...issued, command: SiteCommandVersion5 }), data => data),
    raised(z.object({ ...issued, command: SiteCommandVersion6 }), data => data),
  ]),
);

const answer = { commandId: CommandId, parentSiteId: SiteId, wishRevision: z.int().nonnegative() };

/** The child's answers. Stream: `answers-<parentSiteId>`, in the child's log, one per wish and in the order of the wishes. */
export const CommandApplied = defineEvent('CommandApplied', 1, z.object(answer));
export const CommandRejected = defineEvent(
  'CommandRejected',
  1,
  z.object({ ...answer, code: z.string().max(100), message: z.string().max(1000) }),
);
export const CommandExpired = defineEvent('CommandExpired', 1, z.object(answer));

export const commandEvents = [CommandIssued, CommandApplied, CommandRejected, CommandExpired] as const;
export type CommandEvent = EventOf<(typeof commandEvents)[number]>;
