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
  /** Resolves when the camera hears. Throws `CameraRefusedError`; `signal` is for the opening alone. */
  speak(deviceId: DeviceId, options: CameraControlOptions): Promise<Speech>;
}

/** Somebody speaks through a camera, until it is closed or over. */
export interface Speech extends AsyncDisposable {
  /** G.711 µ-law, as it is spoken, at most `SPEECH_BYTES_MAX`. Never waits; what cannot be sent in time is let go. */
  say(sound: Uint8Array): void;
  /** Why the camera hears no more. Pending as long as it hears; resolves also when it was closed. Never rejects. */
  readonly over: Promise<string>;
}

export type CameraRefusalCode =
  | 'NO_SUCH_DEVICE'
  /** The site, or its recording server, is not connected: nothing was asked. */
  | 'NOT_CONNECTED'
  /** The camera has no such thing, or its driver cannot ask for it. */
  | 'CAMERA_CANNOT'
  /** The camera was asked, and refused, or did not answer. */
  | 'CAMERA_FAILED'
  /** Somebody else turns it, or has reserved it, with the same or a higher priority. */
  | 'PTZ_TAKEN';

export class CameraRefusedError extends Error {
  override readonly name = 'CameraRefusedError';
  readonly code: CameraRefusalCode;

  constructor(code: CameraRefusalCode, message: string) {
    super(message);
    this.code = code;
  }
}
