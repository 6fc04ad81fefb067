import type { AssembledStream, Track } from '@holdfast/core';
import { CameraSessionError } from './camera-session-error.js';
import type { CameraLimits } from './driver.js';

/** A timer that is so late says that the process stood still: what the camera sent meanwhile waits to be read. */
const STOOD_STILL_MS = 250;
/** Timers come first: what waits is read before the next of them. */
const CHECK_MS_MIN = 50;
const READ_MS = 20;

/** Notices a camera that holds the connection and sends nothing, or nothing that could be recorded. */
export class MediaWatch {
  readonly #limits: CameraLimits;
  #lastPacketAt = performance.now();
  #lastPictureAt = performance.now();
  #lastKeyFrameAt = performance.now();

  constructor(limits: CameraLimits) {
    this.#limits = limits;
  }

  packet(track: Track): void {
    if (track === 'VIDEO') this.#lastPacketAt = performance.now();
  }

  around(output: AssembledStream): AssembledStream {
    return {
      format: init => output.format(init),
      liveFragment: fragment => {
        this.#lastPictureAt = performance.now();
        if (fragment.beginsWithKeyFrame) this.#lastKeyFrameAt = this.#lastPictureAt;
        output.liveFragment(fragment);
      },
      recordedFragment: fragment => output.recordedFragment(fragment),
      runEnded: (cause, atMs) => output.runEnded(cause, atMs),
      accessUnitsLost: count => output.accessUnitsLost(count),
    };
  }

  start(fail: (fault: CameraSessionError) => void): Disposable {
    this.#lastPacketAt = performance.now();
    this.#lastPictureAt = performance.now();
    this.#lastKeyFrameAt = this.#lastPictureAt;
    const { noMediaMs, noPictureMs, noKeyFrameMs } = this.#limits;
    let timer: NodeJS.Timeout;
    let dueAt = 0;
    const checkIn = (ms: number) => {
      dueAt = performance.now() + ms;
      timer = setTimeout(check, ms);
    };
    const check = () => {
      const now = performance.now();
      this.#leaveOut(now - dueAt);
      const packetLeftMs = this.#lastPacketAt + noMediaMs - now;
      const pictureLeftMs = this.#lastPictureAt + noPictureMs - now;
      const keyFrameLeftMs = this.#lastKeyFrameAt + noKeyFrameMs - now;
      if (packetLeftMs <= 0)
        fail(
          new CameraSessionError(
            'NO_MEDIA',
            'NO_MEDIA',
            `the camera is connected and has sent no video for ${noMediaMs / 1000} s`,
          ),
        );
      else if (pictureLeftMs <= 0)
        fail(
          new CameraSessionError(
            'NO_PICTURE',
            'NO_MEDIA',
            `the camera sends video, and for ${noPictureMs / 1000} s no picture that can be recorded (key frame with parameter sets)`,
          ),
        );
      else if (keyFrameLeftMs <= 0)
        fail(
          new CameraSessionError(
            'NO_PICTURE',
            'NO_MEDIA',
            `the camera sends pictures, and for ${noKeyFrameMs / 1000} s no key frame to begin with`,
          ),
        );
      else checkIn(Math.max(CHECK_MS_MIN, Math.min(packetLeftMs, pictureLeftMs, keyFrameLeftMs)));
    };
    checkIn(Math.min(noMediaMs, noPictureMs, noKeyFrameMs));
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  }

  /** Nobody listened for so long: that is no silence of the camera. */
  #leaveOut(lateMs: number): void {
    if (lateMs < STOOD_STILL_MS) return;
    this.#lastPacketAt += lateMs + READ_MS;
    this.#lastPictureAt += lateMs + READ_MS;
    this.#lastKeyFrameAt += lateMs + READ_MS;
  }
}
