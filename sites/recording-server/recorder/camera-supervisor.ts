import { setTimeout as delay } from 'node:timers/promises';
import { type Hardware, heeds, type TriggerChange } from '@holdfast/core';
import type { DeviceId, HardwareId, RecordingCause, RecordingPolicy } from '@holdfast/schema';
import { LiveFanOut } from '../camera/live-fan-out.js';
import { LiveViewers } from '../camera/live-viewers.js';
import type { CameraCredentials, RunCameraSession } from '../drivers/driver.js';
import { driverOf } from '../drivers/driver-registry.js';
import type { MotionDetector, MotionWatch } from '../motion/motion-detector.js';
import { CameraRecorder, type CameraRecorderOptions } from './camera-recorder.js';
import { recordingDeviceOf, type SiteView } from './site-view.js';
import { manualTrigger } from './trigger-events.js';

/** A session ends by itself only by a fault of ours; it is begun again after this, with jitter. */
const faultPauseMs = 5_000;

export type CameraSupervisorOptions = Pick<
  CameraRecorderOptions,
  'recordingServerId' | 'database' | 'report' | 'now' | 'logger'
> & {
  readonly motion: MotionDetector;
  readonly view: SiteView;
  readonly random: () => number;
  readonly openCredentials: (sealed: string) => CameraCredentials;
  /** Other than that of the hardware's driver for tests only. */
  readonly runCameraSession?: RunCameraSession | undefined;
};

interface RunningCamera {
  /** What a session depends on: another value needs another session. */
  readonly key: string;
  readonly deviceId: DeviceId;
  readonly recorder: CameraRecorder;
  readonly motion: MotionWatch;
  readonly fanOut: LiveFanOut;
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

/** Runs one session for each camera that is this server's, and no other. */
export class CameraSupervisor {
  readonly #options: CameraSupervisorOptions;
  readonly #cameras = new Map<HardwareId, RunningCamera>();
  /** Sessions that were told to end; the next session of the same hardware waits for it. */
  readonly #ending = new Map<HardwareId, Promise<void>>();
  /** Of all cameras: who is overloaded sheds them. */
  readonly viewers = new LiveViewers();
  #stopped = false;

  constructor(options: CameraSupervisorOptions) {
    this.#options = options;
  }

  /** Null: this server does not have the camera. */
  camera(deviceId: DeviceId): { readonly fanOut: LiveFanOut; readonly isLost: boolean } | null {
    const camera = this.#cameraOf(deviceId);
    return camera && { fanOut: camera.fanOut, isLost: camera.recorder.isLost };
  }

  #cameraOf(deviceId: DeviceId): RunningCamera | null {
    for (const camera of this.#cameras.values()) if (camera.deviceId === deviceId) return camera;
    return null;
  }

  counts(): {
    readonly cameraCount: number;
    readonly lostCameraCount: number;
    readonly lostAccessUnitCount: number;
  } {
    const recorders = [...this.#cameras.values()].map(camera => camera.recorder);
    return {
      cameraCount: recorders.length,
      lostCameraCount: recorders.filter(recorder => recorder.isLost).length,
      lostAccessUnitCount: recorders.reduce((sum, recorder) => sum + recorder.lostAccessUnitCount, 0),
    };
  }

  /** Begins and ends sessions so that they are what the log says now. `firstCause`: why new ones begin to record. */
  reconcile(firstCause: RecordingCause): void {
    if (this.#stopped) return;
    for (const [hardwareId, camera] of this.#cameras) {
      const hardware = this.#options.view.hardware.get(hardwareId) ?? null;
      if (camera.key !== this.#keyOf(hardware)) this.#end(hardwareId, this.#endCause(hardware));
    }
    for (const hardware of this.#options.view.hardware.values()) {
      const key = this.#keyOf(hardware);
      if (key === null) continue;
      const running = this.#cameras.get(hardware.hardwareId);
      if (running) {
        const { recordingEnabled, recordingPolicy, motionDetection } = recordingDeviceOf(hardware);
        running.recorder.setPolicy(recordingPolicy);
        running.motion.configure(recordingPolicy, motionDetection);
        running.recorder.setRecording(recordingEnabled);
      } else this.#begin(hardware, key, firstCause);
    }
  }

  policyOf(deviceId: DeviceId): RecordingPolicy | null {
    return this.#cameraOf(deviceId)?.recorder.policy ?? null;
  }

  /** Something wants a device recorded, or does so no longer; those that are recorded along with it likewise. */
  trigger(deviceId: DeviceId, change: TriggerChange): void {
    const owner = this.#options.view.ownerOf(deviceId) ?? deviceId;
    const camera = this.#cameraOf(owner);
    if (!camera) return;
    const { policy } = camera.recorder;
    camera.recorder.trigger(change);
    if (change.change === 'BEGAN' && !heeds(policy, change.kind)) return;
    for (const related of policy.recordRelated) {
      const relatedOwner = this.#options.view.ownerOf(related) ?? related;
      const key = `${owner} ${change.key}`;
      const along =
        change.change === 'BEGAN' ? { ...change, key, kind: 'RELATED' as const } : { ...change, key };
      if (relatedOwner !== owner) this.#cameraOf(relatedOwner)?.recorder.trigger(along);
    }
  }

  /** Ends all sessions. Resolves when what they recorded is durable. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const hardwareId of [...this.#cameras.keys()]) this.#end(hardwareId, 'SERVER_STOPPED');
    await Promise.all(this.#ending.values());
  }

  #keyOf(hardware: Hardware): string | null {
    if (!hardware || hardware.recordingServerId !== this.#options.recordingServerId) return null;
    const device = recordingDeviceOf(hardware);
    if (!device.enabled) return null;
    const { driver, address, transport, sealedCredentials } = hardware;
    return JSON.stringify([driver, address, transport, sealedCredentials, device.deviceId]);
  }

  #endCause(hardware: Hardware): RecordingCause {
    const isMoved = hardware !== null && hardware.recordingServerId !== this.#options.recordingServerId;
    return isMoved ? 'HARDWARE_MOVED' : 'RECORDING_DISABLED';
  }

  #begin(hardware: NonNullable<Hardware>, key: string, firstCause: RecordingCause): void {
    const { hardwareId } = hardware;
    const device = recordingDeviceOf(hardware);
    const { deviceId } = device;
    const fanOut = new LiveFanOut({ viewers: this.viewers });
    const motion = this.#options.motion.watch(deviceId);
    motion.configure(device.recordingPolicy, device.motionDetection);
    const recorder = new CameraRecorder({
      ...this.#options,
      hardwareId,
      deviceId,
      recordingEnabled: device.recordingEnabled,
      policy: device.recordingPolicy,
      firstCause,
      fanOut,
      motion,
      noticed: change => this.trigger(deviceId, change),
      lastStop: () => this.#options.view.lastStop.get(deviceId) ?? null,
    });
    const controller = new AbortController();
    const before = this.#ending.get(hardwareId) ?? Promise.resolve();
    const done = before.then(() => this.#runSession(hardware, recorder, controller.signal));
    this.#cameras.set(hardwareId, { key, deviceId, recorder, motion, fanOut, controller, done });
    const manual = this.#options.view.manual.get(deviceId);
    if (manual && manual.untilMs > this.#options.now()) this.trigger(deviceId, manualTrigger(manual));
  }

  #end(hardwareId: HardwareId, cause: RecordingCause): void {
    const camera = this.#cameras.get(hardwareId)!;
    this.#cameras.delete(hardwareId);
    camera.controller.abort(cause);
    const ended = camera.done.then(async () => {
      camera.fanOut[Symbol.dispose]();
      await camera.recorder.settled;
      if (this.#ending.get(hardwareId) === ended) this.#ending.delete(hardwareId);
    });
    this.#ending.set(hardwareId, ended);
  }

  async #runSession(
    hardware: NonNullable<Hardware>,
    recorder: CameraRecorder,
    signal: AbortSignal,
  ): Promise<void> {
    const { now, random, logger } = this.#options;
    const runCameraSession = this.#options.runCameraSession ?? driverOf(hardware.driver).run;
    const { address, transport } = hardware;
    const credentials = this.#openCredentials(hardware, recorder);
    while (!signal.aborted && credentials !== 'UNREADABLE') {
      try {
        await runCameraSession({ address, transport, credentials, sink: recorder, now, random }, signal);
      } catch (error) {
        if (signal.aborted) break;
        logger.error({ err: error, hardwareId: hardware.hardwareId }, 'a camera session failed by a fault');
        recorder.runEnded('CAMERA_DISCONNECTED', now());
        recorder.connectionLost(
          'PROTOCOL_ERROR',
          error instanceof Error ? error.message : String(error),
          now(),
        );
      }
      await delay(faultPauseMs * (0.5 + random()), undefined, { signal }).catch(() => undefined);
    }
  }

  #openCredentials(
    { sealedCredentials }: NonNullable<Hardware>,
    recorder: CameraRecorder,
  ): CameraCredentials | null | 'UNREADABLE' {
    if (sealedCredentials === null) return null;
    try {
      return this.#options.openCredentials(sealedCredentials);
    } catch (error) {
      const detail = `the camera's password cannot be opened: ${error instanceof Error ? error.message : error}`;
      recorder.connectionLost('UNAUTHORIZED', detail, this.#options.now());
      return 'UNREADABLE';
    }
  }
}
