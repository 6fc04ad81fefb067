import { z } from 'zod';
import { DeviceId, HardwareId, RecordingServerId } from '../ids.js';
import { defineEvent, type EventOf, passing, UnixMs } from './event-definition.js';

const ofHardware = {
  hardwareId: HardwareId,
  /** Its camera. */
  deviceId: DeviceId,
  recordingServerId: RecordingServerId,
  atMs: UnixMs,
};
/** As the camera calls it. */
const Terminal = z.string().max(200);
const input = z.object({ ...ofHardware, input: Terminal });
/** `askedBy`: as an actor stands in a log. */
const speaking = z.object({ ...ofHardware, askedBy: z.string().max(2000) });
const ptzSession = z.object({
  ...{ ...ofHardware, askedBy: z.string().max(2000) },
  priority: z.int().min(1).max(32_000),
  /** For longer than a session lasts that nobody goes on with. */
  reserved: z.boolean(),
});
const preset = z.object({
  ...{ ...ofHardware, askedBy: z.string().max(2000), preset: Terminal },
  name: z.string().max(200),
});
const output = z.object({ ...ofHardware, output: Terminal, askedBy: z.string().max(2000) });

/** Stream: `hardware-signals-<id>`. What is connected to a camera: it told of an input, was told to switch an output, was spoken through, or turned. */
export const InputActivated = passing(defineEvent('InputActivated', 1, input));
export const InputDeactivated = passing(defineEvent('InputDeactivated', 1, input));
export const OutputActivated = passing(defineEvent('OutputActivated', 1, output));
export const OutputDeactivated = passing(defineEvent('OutputDeactivated', 1, output));
export const SpeakingStarted = passing(defineEvent('SpeakingStarted', 1, speaking));
export const SpeakingEnded = passing(defineEvent('SpeakingEnded', 1, speaking));
/** Somebody turns the camera, and nobody of the same or a lower priority can meanwhile. */
export const PtzSessionStarted = passing(defineEvent('PtzSessionStarted', 1, ptzSession));
export const PtzSessionEnded = passing(
  defineEvent(
    'PtzSessionEnded',
    1,
    z.object({ ...ptzSession.shape, because: z.enum(['TIMED_OUT', 'RELEASED', 'TAKEN_OVER']) }),
  ),
);
export const PtzPresetSaved = passing(defineEvent('PtzPresetSaved', 1, preset));
export const PtzPresetRenamed = passing(defineEvent('PtzPresetRenamed', 1, preset));
export const PtzPresetDeleted = passing(
  defineEvent(
    'PtzPresetDeleted',
    1,
    z.object({ ...ofHardware, askedBy: z.string().max(2000), preset: Terminal }),
  ),
);

export const hardwareSignalEvents = [
  InputActivated,
  InputDeactivated,
  OutputActivated,
  OutputDeactivated,
  SpeakingStarted,
  SpeakingEnded,
  PtzSessionStarted,
  PtzSessionEnded,
  PtzPresetSaved,
  PtzPresetRenamed,
  PtzPresetDeleted,
] as const;
export type HardwareSignalEvent = EventOf<(typeof hardwareSignalEvents)[number]>;
