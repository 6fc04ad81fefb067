import { z } from 'zod';
import { DeviceId, RecordingServerId } from '../ids.js';
import { defineEvent, passing, UnixMs } from './event-definition.js';

const ofDevice = { deviceId: DeviceId, recordingServerId: RecordingServerId, atMs: UnixMs };
const ofServer = { recordingServerId: RecordingServerId, atMs: UnixMs };

/**
 * Stream of the events about a device: `device-health-<deviceId>`. More comes of it than is written, so groups of pictures are
 * dropped. `DISK_SLOW`: the disk is slow for all; `CAMERA_FLOODS`: the disk keeps up with the others.
 */
export const DeviceOverflowBegan = passing(
  defineEvent(
    'DeviceOverflowBegan',
    1,
    z.object({ ...ofDevice, cause: z.enum(['DISK_SLOW', 'DISK_UNAVAILABLE', 'CAMERA_FLOODS']) }),
  ),
);

/** Nothing was dropped any more for a while; `dropped…`: between the two. */
export const DeviceOverflowEnded = passing(
  defineEvent(
    'DeviceOverflowEnded',
    1,
    z.object({
      ...ofDevice,
      droppedFragmentCount: z.int().nonnegative(),
      droppedByteLength: z.int().nonnegative(),
    }),
  ),
);

/** Something moves in the picture. Only of devices whose motion is looked for; a short rest in between is not told. */
export const MotionBegan = passing(defineEvent('MotionBegan', 1, z.object(ofDevice)));
export const MotionEnded = passing(defineEvent('MotionEnded', 1, z.object(ofDevice)));

/** Stream of the events about a recording server: `recording-server-health-<id>`. */
export const DiskSlowed = passing(
  defineEvent('DiskSlowed', 1, z.object({ ...ofServer, writeMs: z.number().nonnegative() })),
);
export const DiskRecovered = passing(
  defineEvent('DiskRecovered', 1, z.object({ ...ofServer, writeMs: z.number().nonnegative() })),
);

/** It does not keep up; who watches gives way to what is recorded. `delayMs`: how late it was when that was noticed. */
export const RecordingServerOverloaded = passing(
  defineEvent(
    'RecordingServerOverloaded',
    1,
    z.object({
      ...ofServer,
      cause: z.enum(['WRITE_QUEUE', 'EVENT_LOOP']),
      delayMs: z.number().nonnegative(),
      shedViewerCount: z.int().nonnegative(),
    }),
  ),
);
export const RecordingServerOverloadEnded = passing(
  defineEvent('RecordingServerOverloadEnded', 1, z.object(ofServer)),
);

export const healthEvents = [
  DeviceOverflowBegan,
  DeviceOverflowEnded,
  MotionBegan,
  MotionEnded,
  DiskSlowed,
  DiskRecovered,
  RecordingServerOverloaded,
  RecordingServerOverloadEnded,
] as const;
