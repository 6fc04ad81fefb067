import {
  type Fragment,
  type InitSegment,
  type KeyPictureSource,
  keyPictureSource,
  measureMotion,
  STILL,
  type TriggerChange,
  wantsMotion,
  withPicture,
} from '@holdfast/core';
import type { DeviceId, MotionDetection, RecordingPolicy } from '@holdfast/schema';
import type { Logger } from 'pino';
import { type FfmpegProbe, probeFfmpeg } from '../snapshot/ffmpeg.js';
import type { DecodedPicture } from './decoder-process.js';
import type { HeatMapStore } from './heat-map-store.js';
import { KeyPictureDecoder } from './key-picture-decoder.js';

/** Of one camera in the decoder at a time; a decoder may give a picture only when it has the next one. */
const PICTURES_UNDER_WAY_MAX = 4;
const MOTION_KEY = 'motion';

export interface MotionDetectorOptions {
  /** Commands to try, in order: `ffmpegCandidates`. */
  readonly ffmpeg: readonly string[];
  readonly heatMaps: HeatMapStore;
  readonly trigger: (deviceId: DeviceId, change: TriggerChange) => void;
  readonly now: () => number;
  readonly logger: Logger;
}

/** Looks at key pictures beside the recording, which never waits for it. ffmpeg runs only when somebody wants motion. */
export class MotionDetector implements AsyncDisposable {
  readonly options: MotionDetectorOptions;
  #probing: Promise<void> | null = null;
  #probe: FfmpegProbe | null = null;
  #decoder: KeyPictureDecoder | null = null;
  #isDisposed = false;

  constructor(options: MotionDetectorOptions) {
    this.options = options;
  }

  /** It is known whether there is an ffmpeg. */
  get isReady(): boolean {
    return this.#probe !== null;
  }

  /** Of the decoders that run. */
  get processIds(): readonly number[] {
    return this.#decoder?.processIds ?? [];
  }

  /** What is missing, in words. Null: nothing, as far as is known. */
  get missing(): string | null {
    return this.#probe?.found === false ? this.#probe.detail : null;
  }

  watch(deviceId: DeviceId): MotionWatch {
    return new MotionWatch(this, deviceId);
  }

  /** Null at once as long as it is not known whether there is an ffmpeg. */
  decode(source: KeyPictureSource, fragment: Fragment): Promise<DecodedPicture> | null {
    this.#probing ??= this.#find();
    if (this.#probe === null) return null;
    return this.#decoder?.decode(source, fragment) ?? Promise.resolve(null);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    await this.#probing;
    await this.#decoder?.[Symbol.asyncDispose]();
  }

  async #find(): Promise<void> {
    const { ffmpeg, logger } = this.options;
    const probe = await probeFfmpeg(ffmpeg);
    if (probe.found && !this.#isDisposed) {
      this.#decoder = new KeyPictureDecoder({ command: probe.command, logger });
    }
    if (!probe.found) {
      const { detail } = probe;
      logger.error(
        { detail },
        'motion cannot be detected: what is recorded on motion is recorded all the time',
      );
    }
    this.#probe = probe;
  }
}

/** The pictures of one camera. */
export class MotionWatch {
  readonly #detector: MotionDetector;
  readonly #deviceId: DeviceId;
  #policy: RecordingPolicy | null = null;
  #detection: MotionDetection | null = null;
  #init: InitSegment | null = null;
  #source: KeyPictureSource | null = null;
  #lastMs = Number.NEGATIVE_INFINITY;
  #before: Uint8Array | null = null;
  #state = STILL;
  #underWay = 0;
  #unjudgedTotal = 0;
  /** What was asked before does not belong to the pictures of now. */
  #epoch = 0;

  constructor(detector: MotionDetector, deviceId: DeviceId) {
    this.#detector = detector;
    this.#deviceId = deviceId;
  }

  configure(policy: RecordingPolicy, detection: MotionDetection): void {
    if (policy === this.#policy && detection === this.#detection) return;
    this.runEnded();
    this.#policy = policy;
    this.#detection = detection;
  }

  /** Reads the fragment before it returns, when it is to be looked at. */
  keyFrame(init: InitSegment, fragment: Fragment): void {
    const { intervalMs } = this.#detection ?? {};
    if (intervalMs === undefined || !wantsMotion(this.#policy!, this.#detection!)) return;
    if (Math.abs(fragment.fromMs - this.#lastMs) < intervalMs) return;
    this.#lastMs = fragment.fromMs;
    const { arrivalMs, fromMs } = fragment;
    const decoding = this.#decode(init, fragment);
    if (decoding === null) return;
    const epoch = this.#epoch;
    this.#underWay += 1;
    void decoding.then(picture => {
      this.#underWay -= 1;
      if (epoch === this.#epoch) this.#judge(picture, { arrivalMs, fromMs });
    });
  }

  /** Pictures that could not be judged, since the watch began. */
  get unjudgedTotal(): number {
    return this.#unjudgedTotal;
  }

  /** Pictures that are being decoded. */
  get underWay(): number {
    return this.#underWay;
  }

  /** What comes next is compared with nothing. */
  runEnded(): void {
    this.#epoch += 1;
    this.#before = null;
    this.#lastMs = Number.NEGATIVE_INFINITY;
    if (this.#state.moving) this.#end(this.#detector.options.now());
    this.#state = STILL;
  }

  #decode(init: InitSegment, fragment: Fragment): Promise<DecodedPicture> | null {
    try {
      if (init !== this.#init) {
        this.#init = init;
        this.#source = keyPictureSource(init);
      }
      const isBehind = this.#underWay >= PICTURES_UNDER_WAY_MAX;
      if (this.#source === null || isBehind) return Promise.resolve(null);
      return this.#detector.decode(this.#source, fragment);
    } catch (error) {
      this.#detector.options.logger.debug(
        { err: error, deviceId: this.#deviceId },
        'a picture cannot be looked at',
      );
      return Promise.resolve(null);
    }
  }

  #judge(
    picture: DecodedPicture,
    { arrivalMs, fromMs }: { readonly arrivalMs: number; readonly fromMs: number },
  ): void {
    const { heatMaps, trigger } = this.#detector.options;
    const detection = this.#detection!;
    const before = this.#before;
    if (picture === null) this.#unjudgedTotal += 1;
    else this.#before = picture;
    if (picture !== null && before === null) return;
    const measure = picture && before && measureMotion(before, picture, detection);
    if (measure && measure.permille > 0) {
      heatMaps.add(this.#deviceId, detection.gridSide, { atMs: fromMs, cells: measure.cells });
    }
    const wasMoving = this.#state.moving;
    this.#state = withPicture(this.#state, measure, detection.thresholdPermille);
    if (this.#state.moving === wasMoving) return;
    if (wasMoving) this.#end(arrivalMs);
    else {
      const began = {
        change: 'BEGAN',
        key: MOTION_KEY,
        kind: 'MOTION',
        atMs: arrivalMs,
        untilMs: null,
      } as const;
      trigger(this.#deviceId, began);
    }
  }

  #end(atMs: number): void {
    this.#detector.options.trigger(this.#deviceId, { change: 'ENDED', key: MOTION_KEY, atMs });
  }
}
