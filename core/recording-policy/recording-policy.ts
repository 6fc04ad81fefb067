import type { MotionDetection, RecordingPolicy } from '@holdfast/schema';

/** Of a device that nobody has set one for. */
export const RECORDING_POLICY: RecordingPolicy = {
  mode: 'CONTINUOUS',
  preBufferMs: 3_000,
  postMs: 3_000,
  keyFramesOnly: false,
  recordRelated: [],
};

/** Of a device that nobody has configured it for. */
export const MOTION_DETECTION: MotionDetection = {
  enabled: false,
  gridSide: 16,
  sensitivity: 50,
  thresholdPermille: 8,
  exclusionMask: '',
  intervalMs: 500,
};

/** Whether the pictures of a device are looked at: because of its mode, or so that they can be searched. */
export function wantsMotion(policy: RecordingPolicy, { enabled }: MotionDetection): boolean {
  return enabled || policy.mode === 'MOTION';
}
