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
  RecordingServerStarted,
  RecordingHalted,
  RecordingUnhalted,
] as const;
export type RecordingServerEvent = EventOf<(typeof recordingServerEvents)[number]>;
