import { z } from 'zod';
import { DeviceId, HardwareId, RecordingServerId } from '../ids.js';
import { CameraAddress, NetworkAddress, NetworkDriverName, RtspAddress } from './camera-address.js';
import { DeviceStreamsConfigured } from './device-streams.js';
import { defineEvent, type EventOf, Name, passing, raised, UnixMs } from './event-definition.js';
import { HardwareCapabilitiesFound } from './hardware-capabilities.js';
import { DeviceRecordingPolicySet, MotionDetectionConfigured } from './recording-policy.js';

export const DeviceType = z.enum(['CAMERA', 'MICROPHONE', 'SPEAKER', 'METADATA', 'INPUT', 'OUTPUT']);
export type DeviceType = z.infer<typeof DeviceType>;

export const HardwareDevice = z.object({ deviceId: DeviceId, type: DeviceType, name: Name });

/** How a camera is spoken to. `mjpeg`: pictures over HTTP. `simulated`: it is nowhere but in the recording server itself. */
export const DriverName = z.enum(['rtsp', 'onvif', 'mjpeg', 'simulated']);
export type DriverName = z.infer<typeof DriverName>;

/** How media comes: interleaved in RTSP, as datagrams, or tunnelled in HTTP. AUTO: TCP, and UDP where the camera refuses it. */
export const CameraTransport = z.enum(['AUTO', 'TCP', 'UDP', 'HTTP']);
export type CameraTransport = z.infer<typeof CameraTransport>;

const added = {
  hardwareId: HardwareId,
  name: Name,
  sealedCredentials: z.base64().nullable(),
  recordingServerId: RecordingServerId,
  devices: z.array(HardwareDevice).min(1).max(64),
};

/**
 * Stream of the configuration events of this file: `hardware-<id>`; a device's settings live with its hardware.
 * `sealedCredentials` is user name and password sealed to the site's public key; nobody else can read them.
 */
export const HardwareAdded = defineEvent(
  'HardwareAdded',
  3,
  z.object({ ...added, driver: DriverName, address: CameraAddress, transport: CameraTransport }),
  [
    raised(
      z.object({
        ...added,
        driver: z.enum(['rtsp']),
        address: RtspAddress,
      }),
      data => ({ ...data, transport: 'AUTO' }),
    ),
    raised(
      z.object({
        ...added,
        driver: NetworkDriverName,
        address: NetworkAddress,
        transport: CameraTransport,
      }),
      data => data,
    ),
  ],
);

export const HardwareRemoved = defineEvent('HardwareRemoved', 1, z.object({ hardwareId: HardwareId }));

export const HardwareMoved = defineEvent(
  'HardwareMoved',
  1,
  z.object({
    hardwareId: HardwareId,
    fromRecordingServerId: RecordingServerId,
    toRecordingServerId: RecordingServerId,
  }),
);

export const DeviceRenamed = defineEvent(
  'DeviceRenamed',
  1,
  z.object({ hardwareId: HardwareId, deviceId: DeviceId, name: Name }),
);
const ofDevice = z.object({ hardwareId: HardwareId, deviceId: DeviceId });
export const DeviceEnabled = defineEvent('DeviceEnabled', 1, ofDevice);
export const DeviceDisabled = defineEvent('DeviceDisabled', 1, ofDevice);
export const DeviceRecordingEnabled = defineEvent('DeviceRecordingEnabled', 1, ofDevice);
export const DeviceRecordingDisabled = defineEvent('DeviceRecordingDisabled', 1, ofDevice);

export const hardwareEvents = [
  HardwareAdded,
  HardwareRemoved,
  HardwareMoved,
  DeviceRenamed,
  DeviceEnabled,
  DeviceDisabled,
  DeviceRecordingEnabled,
  DeviceRecordingDisabled,
  DeviceRecordingPolicySet,
  MotionDetectionConfigured,
  DeviceStreamsConfigured,
] as const;
export type HardwareEvent = EventOf<(typeof hardwareEvents)[number]>;

export const ConnectionLossCause = z.enum([
  'UNREACHABLE',
  'REFUSED',
  'UNAUTHORIZED',
  'NOT_FOUND',
  'UNSUPPORTED_MEDIA',
  'PROTOCOL_ERROR',
  'NO_MEDIA',
  'CLOSED',
]);
export type ConnectionLossCause = z.infer<typeof ConnectionLossCause>;

/** Stream of the connection events: `hardware-connection-<id>`, written by the recording server that holds the hardware. */
export const HardwareConnected = passing(
  defineEvent(
    'HardwareConnected',
    1,
    z.object({ hardwareId: HardwareId, recordingServerId: RecordingServerId, atMs: UnixMs }),
  ),
);

export const HardwareConnectionLost = passing(
  defineEvent(
    'HardwareConnectionLost',
    1,
    z.object({
      hardwareId: HardwareId,
      recordingServerId: RecordingServerId,
      atMs: UnixMs,
      cause: ConnectionLossCause,
      detail: z.string().max(1000),
    }),
  ),
);

export const hardwareConnectionEvents = [
  HardwareConnected,
  HardwareConnectionLost,
  HardwareCapabilitiesFound,
] as const;
