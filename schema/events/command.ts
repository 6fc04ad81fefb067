import { z } from 'zod';
import {
  AlarmId,
  CommandId,
  DeviceId,
  EvidenceLockId,
  HardwareId,
  RecordingServerId,
  SiteId,
} from '../ids.js';
import { AlarmPriority } from './alarm.js';
import { defineEvent, type EventOf, Name, Text, UnixMs } from './event-definition.js';
import { CameraAddress, HardwareDevice } from './hardware.js';

export const AlarmState = z.enum(['NEW', 'IN_PROGRESS', 'ON_HOLD', 'CLOSED']);
export type AlarmState = z.infer<typeof AlarmState>;

/** What can be asked of a site, by its own people or by its parent. The site decides. */
export const SiteCommand = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('AddHardware'),
    hardwareId: HardwareId,
    name: Name,
    address: CameraAddress,
    sealedCredentials: z.base64().nullable(),
    recordingServerId: RecordingServerId,
    devices: z.array(HardwareDevice).min(1).max(64),
  }),
  z.object({ kind: z.literal('RemoveHardware'), hardwareId: HardwareId }),
  z.object({
    kind: z.literal('MoveHardware'),
    hardwareId: HardwareId,
    toRecordingServerId: RecordingServerId,
  }),
  z.object({
    kind: z.literal('ConfigureDevice'),
    hardwareId: HardwareId,
    deviceId: DeviceId,
    name: Name.optional(),
    enabled: z.boolean().optional(),
    recordingEnabled: z.boolean().optional(),
  }),
  z.object({
    kind: z.literal('RaiseAlarm'),
    alarmId: AlarmId,
    name: Name,
    message: Text,
    priority: AlarmPriority,
    sourceDeviceId: DeviceId.nullable(),
  }),
  z.object({
    kind: z.literal('HandleAlarm'),
    alarmId: AlarmId,
    state: AlarmState.optional(),
    assignedTo: z.string().max(200).nullable().optional(),
    priority: AlarmPriority.optional(),
    comment: Text.optional(),
    reason: Text.optional(),
  }),
  z.object({
    kind: z.literal('CreateEvidenceLock'),
    evidenceLockId: EvidenceLockId,
    headline: Name,
    description: Text,
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
  z.object({ kind: z.literal('ReleaseEvidenceLock'), evidenceLockId: EvidenceLockId, reason: Text }),
]);
export type SiteCommand = z.infer<typeof SiteCommand>;

/** A wish of a parent for a child. Stream: `wishes-<childSiteId>`, in the parent's log; the child pulls it by revision. */
export const CommandIssued = defineEvent(
  'CommandIssued',
  1,
  z.object({
    commandId: CommandId,
    targetSiteId: SiteId,
    command: SiteCommand,
    notAfterMs: UnixMs.nullable(),
  }),
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
