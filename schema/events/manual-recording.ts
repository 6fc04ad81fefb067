import { z } from 'zod';
import { DeviceId } from '../ids.js';
import { defineEvent, type EventOf, UnixMs } from './event-definition.js';

/**
 * Stream of this file: `manual-recording-<deviceId>`. Somebody wants a device recorded, whatever its policy, until `untilMs` at
 * the latest. Said again, the later one holds.
 */
export const ManualRecordingStarted = defineEvent(
  'ManualRecordingStarted',
  1,
  z.object({ deviceId: DeviceId, fromMs: UnixMs, untilMs: UnixMs }),
);

export const ManualRecordingStopped = defineEvent(
  'ManualRecordingStopped',
  1,
  z.object({ deviceId: DeviceId, atMs: UnixMs }),
);

export const manualRecordingEvents = [ManualRecordingStarted, ManualRecordingStopped] as const;
export type ManualRecordingEvent = EventOf<(typeof manualRecordingEvents)[number]>;
