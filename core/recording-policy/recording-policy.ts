import type { MotionDetection, RecordingPolicy } from '@holdfast/schema';

/** Of a device that nobody has set one for. */
export const RECORDING_POLICY: RecordingPolicy = {
  mode: 'CONTINUOUS',
  preBufferMs: 3_000,
  postMs: 3_000,
  keyFramesOnly: false,
  recordRelated: [],
};

/** Of a device that nobody has configured it for. It runs only where something needs it: see `wantsMotion`. */
export const MOTION_DETECTION: MotionDetection = {
  enabled: true,
  gridSide: 16,
  sensitivity: 50,
  thresholdPermille: 8,
  exclusionMask: '',
  intervalMs: 500,
};
