import { z } from 'zod';
import { DeviceId, HardwareId } from '../ids.js';
import { CameraAddress } from './camera-address.js';
import { defineEvent } from './event-definition.js';

const STREAMS_MAX = 8;

/** What people call one of the streams that a camera sends: `main`, `sub`. */
export const StreamName = z.string().trim().min(1).max(50);

export const DeviceStream = z.object({
  name: StreamName,
  /** As that of the hardware. For the driver onvif: that of its device service, with `?profile=TOKEN` behind it. */
  address: CameraAddress,
});
export type DeviceStream = z.infer<typeof DeviceStream>;

export const DeviceStreams = z
  .object({
    streams: z.array(DeviceStream).min(1).max(STREAMS_MAX),
    /** Which of them is recorded. */
    recorded: StreamName,
    /** Which of them a viewer gets who names none. */
    live: StreamName,
    /** In which of them motion is looked for. Null: in the recorded one. */
    motion: StreamName.nullable(),
  })
  .refine(
    ({ streams }) => new Set(streams.map(({ name }) => name)).size === streams.length,
    'Invalid streams: expected a name of its own for each',
  )
  .refine(
    ({ streams, recorded, live, motion }) =>
      [recorded, live, motion ?? live].every(named => streams.some(({ name }) => name === named)),
    'Invalid streams: expected recorded, live and motion to be names of streams',
  );
export type DeviceStreams = z.infer<typeof DeviceStreams>;

/** Stream: `hardware-<id>`. Without it a camera has one stream, that of the hardware's address, which is recorded and shown live. */
export const DeviceStreamsConfigured = defineEvent(
  'DeviceStreamsConfigured',
  1,
  z.object({ hardwareId: HardwareId, deviceId: DeviceId, streams: DeviceStreams }),
);
