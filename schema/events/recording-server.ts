import { z } from 'zod';
import { RecordingServerId } from '../ids.js';
import { defineEvent, type EventOf, Name, UnixMs } from './event-definition.js';

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

/** No recording can be written any more, for every device of the server: the disk is full of locked media, or gone. */
export const RecordingHalted = defineEvent(
  'RecordingHalted',
  1,
  z.object({
    recordingServerId: RecordingServerId,
    atMs: UnixMs,
    cause: z.enum(['DISK_FULL', 'DISK_UNAVAILABLE', 'LOCKS_UNREADABLE']),
    detail: z.string().max(1000),
  }),
);

export const RecordingUnhalted = defineEvent(
  'RecordingUnhalted',
  1,
  z.object({ recordingServerId: RecordingServerId, atMs: UnixMs }),
);

export const recordingServerEvents = [
  RecordingServerRegistered,
  RecordingServerRetentionSet,
  RecordingServerStarted,
  RecordingHalted,
  RecordingUnhalted,
] as const;
export type RecordingServerEvent = EventOf<(typeof recordingServerEvents)[number]>;
