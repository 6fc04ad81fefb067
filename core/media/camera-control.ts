import type { CameraAnswer, CameraRequest, DeviceId } from '@holdfast/schema';

export interface CameraControlOptions {
  /** As an actor stands in a log. */
  readonly askedBy: string;
  readonly signal: AbortSignal;
}

/** Where cameras are told what to do: at a recording server of this site, or at the other end of a media channel. */
export interface CameraControl {
  /** Resolves when the camera has answered. Throws `CameraRefusedError`. */
  control(deviceId: DeviceId, request: CameraRequest, options: CameraControlOptions): Promise<CameraAnswer>;
}

export type CameraRefusalCode =
  | 'NO_SUCH_DEVICE'
  /** The site, or its recording server, is not connected: nothing was asked. */
  | 'NOT_CONNECTED'
  /** The camera has no such thing, or its driver cannot ask for it. */
  | 'CAMERA_CANNOT'
  /** The camera was asked, and refused, or did not answer. */
  | 'CAMERA_FAILED';

export class CameraRefusedError extends Error {
  override readonly name = 'CameraRefusedError';
  readonly code: CameraRefusalCode;

  constructor(code: CameraRefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
