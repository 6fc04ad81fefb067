import { z } from 'zod';
import { DeviceId, HardwareId } from '../ids.js';
import { defineEvent, forOlderSoftware, raised } from './event-definition.js';

/** What keeps a camera recording: nothing but its being there, motion in its picture, events about it, or people alone. */
export const RecordingMode = z.enum(['CONTINUOUS', 'MOTION', 'EVENT', 'MANUAL_ONLY']);
export type RecordingMode = z.infer<typeof RecordingMode>;

/** What is held of a camera that is not being recorded: in memory so much, on the disk the rest. */
export const PRE_BUFFER_MEMORY_MS_MAX = 15_000;
export const PRE_BUFFER_MS_MAX = 10_000_000;
export const POST_MS_MAX = 3_600_000;
const RELATED_DEVICES_MAX = 16;

const policyWith = (preBufferMs: z.ZodInt) => ({
  mode: RecordingMode,
  /** How much from before a trigger is recorded with it. */
  preBufferMs,
  /** How long recording goes on when a trigger has ended. */
  postMs: z.int().min(0).max(POST_MS_MAX),
  keyFramesOnly: z.boolean(),
  /** Devices of other hardware that are recorded as long as a trigger keeps this one recording. */
  recordRelated: z.array(DeviceId).max(RELATED_DEVICES_MAX),
});

export const RecordingPolicy = z.object(policyWith(z.int().min(0).max(PRE_BUFFER_MS_MAX)));
export type RecordingPolicy = z.infer<typeof RecordingPolicy>;

/** As it was when nothing was held on the disk. */
export const RecordingPolicyVersion1 = z.object(policyWith(z.int().min(0).max(PRE_BUFFER_MEMORY_MS_MAX)));

const ofDevice = { hardwareId: HardwareId, deviceId: DeviceId };

/** Stream: `hardware-<id>`. Without it a device is recorded continuously. */
export const DeviceRecordingPolicySet = forOlderSoftware(
  defineEvent('DeviceRecordingPolicySet', 2, z.object({ ...ofDevice, policy: RecordingPolicy }), [
    raised(z.object({ ...ofDevice, policy: RecordingPolicyVersion1 }), data => data),
  ]),
);

export const MOTION_GRID_SIDE_MIN = 8;
export const MOTION_GRID_SIDE_MAX = 64;

export const MotionDetection = z
  .object({
    /** In the mode `MOTION` pictures are looked at in any case. */
    enabled: z.boolean(),
    /** The picture is looked at in this many cells across, and as many down. */
    gridSide: z.int().min(MOTION_GRID_SIDE_MIN).max(MOTION_GRID_SIDE_MAX),
    /** 0 to 100: how little a cell may differ to count as moving. */
    sensitivity: z.int().min(0).max(100),
    /** Motion begins when this many in a thousand of the cells that are looked at move. */
    thresholdPermille: z.int().min(1).max(1000),
    /** One character for each cell, row by row from the top left: `1` is not looked at. Empty: all are. */
    exclusionMask: z.string().regex(/^[01]*$/),
    /** A key frame that comes sooner after the last one is not looked at. */
    intervalMs: z.int().min(100).max(60_000),
  })
  .refine(
    ({ exclusionMask, gridSide }) => exclusionMask === '' || exclusionMask.length === gridSide ** 2,
    'Invalid mask: expected one character for each cell of the grid, or none at all',
  );
export type MotionDetection = z.infer<typeof MotionDetection>;

/** Stream: `hardware-<id>`. */
export const MotionDetectionConfigured = defineEvent(
  'MotionDetectionConfigured',
  1,
  z.object({ ...ofDevice, motionDetection: MotionDetection }),
);
