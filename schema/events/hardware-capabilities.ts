import { z } from 'zod';
import { HardwareId, RecordingServerId } from '../ids.js';
import { CameraAddress } from './camera-address.js';
import { defineEvent, raised } from './event-definition.js';

const OFFERED_STREAMS_MAX = 32;
const OUTPUTS_MAX = 64;
/** As the camera calls itself; empty: it does not say. */
const CameraText = z.string().max(200);

export const OfferedStream = z.object({
  name: CameraText,
  address: CameraAddress,
  /** As the camera calls it: `H264`, `H265`, `JPEG`. */
  encoding: CameraText,
  width: z.int().nonnegative(),
  height: z.int().nonnegative(),
});
export type OfferedStream = z.infer<typeof OfferedStream>;

const capabilitiesVersion1 = {
  manufacturer: CameraText,
  model: CameraText,
  firmwareVersion: CameraText,
  /** What it can send; empty where its driver cannot ask. */
  streams: z.array(OfferedStream).max(OFFERED_STREAMS_MAX),
  /** It turns, tilts or zooms, and goes to presets. */
  ptz: z.boolean(),
  /** Its relays, as it calls them. */
  outputs: z.array(CameraText.min(1)).max(OUTPUTS_MAX),
  /** It sends what it knows of the scene (ONVIF metadata) beside the pictures. */
  metadata: z.boolean(),
  /** It has a loudspeaker that it can be spoken through. */
  speaker: z.boolean(),
};
/** What a camera says that it is and can, or what is known of that from what it sends. */
export const HardwareCapabilities = z.object({
  ...capabilitiesVersion1,
  /** How it calls the codec of its sound; empty: it sends none, or does not say. */
  audio: CameraText,
});
export type HardwareCapabilities = z.infer<typeof HardwareCapabilities>;

const ofHardware = { hardwareId: HardwareId, recordingServerId: RecordingServerId };

/** Stream: `hardware-connection-<id>`. Told when a camera is connected and says something else than the last time. */
export const HardwareCapabilitiesFound = defineEvent(
  'HardwareCapabilitiesFound',
  2,
  z.object({ ...ofHardware, capabilities: HardwareCapabilities }),
  [
    raised(z.object({ ...ofHardware, capabilities: z.object(capabilitiesVersion1) }), data => ({
      ...data,
      capabilities: { ...data.capabilities, audio: '' },
    })),
  ],
);
