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
const output = z.object({ ...ofHardware, output: Terminal, askedBy: z.string().max(2000) });

/** Stream: `hardware-signals-<id>`. What is connected to a camera: it told of an input, was told to switch an output, or was spoken through. */
export const InputActivated = passing(defineEvent('InputActivated', 1, input));
export const InputDeactivated = passing(defineEvent('InputDeactivated', 1, input));
export const OutputActivated = passing(defineEvent('OutputActivated', 1, output));
export const OutputDeactivated = passing(defineEvent('OutputDeactivated', 1, output));
export const SpeakingStarted = passing(defineEvent('SpeakingStarted', 1, speaking));
export const SpeakingEnded = passing(defineEvent('SpeakingEnded', 1, speaking));

export const hardwareSignalEvents = [
  InputActivated,
  InputDeactivated,
  OutputActivated,
  OutputDeactivated,
  SpeakingStarted,
  SpeakingEnded,
] as const;
export type HardwareSignalEvent = EventOf<(typeof hardwareSignalEvents)[number]>;
