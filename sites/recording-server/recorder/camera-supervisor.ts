import { setTimeout as delay } from 'node:timers/promises';
import {
  type Hardware,
  heeds,
  type MediaItem,
  MediaRefusedError,
  recordedStream,
  streamNamed,
  streamsOf,
  type TriggerChange,
  wantsMotion,
} from '@holdfast/core';
import type { DeviceId, HardwareId, RecordingCause, RecordingPolicy } from '@holdfast/schema';
import { LiveFanOut } from '../camera/live-fan-out.js';
import { LiveViewers } from '../camera/live-viewers.js';
import type { CameraCredentials, CameraSink, RunCameraSession } from '../drivers/driver.js';
import { driverOf } from '../drivers/driver-registry.js';
import type { WatchedCamera } from '../health/recorder-health.js';
import type { MotionDetector, MotionWatch } from '../motion/motion-detector.js';
import { MotionFeed } from '../motion/motion-feed.js';
import { CameraRecorder, type CameraRecorderOptions } from './camera-recorder.js';
import { SideStreams } from './side-streams.js';
import { recordingDeviceOf, type SiteView } from './site-view.js';
import { manualTrigger } from './trigger-events.js';

/** A session ends by itself only by a fault of ours; it is begun again after this, with jitter. */
const faultPauseMs = 5_000;

export type CameraSupervisorOptions = Pick<
  CameraRecorderOptions,
  'recordingServerId' | 'database' | 'preBuffers' | 'preBufferMemoryMsMax' | 'report' | 'now' | 'logger'
> & {
  readonly motion: MotionDetector;
  readonly view: SiteView;
  readonly random: () => number;
  readonly openCredentials: (sealed: string) => CameraCredentials;
  /** Something wants a device recorded, or does so no longer. */
  readonly noticed: (deviceId: DeviceId, change: TriggerChange) => void;
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
  readonly sides: SideStreams;
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

  /** `name`: of one of the device's streams; undefined: the live default. Throws `MediaRefusedError`. */
  live(deviceId: DeviceId, name: string | undefined, signal: AbortSignal): AsyncIterable<MediaItem> {
    const camera = this.#cameraOf(deviceId);
    const hardware = camera && this.#options.view.hardware.get(camera.recorder.hardwareId);
    if (!hardware) throw noLive(`device ${deviceId} is not connected to this recording server`);
    const streams = streamsOf(hardware, recordingDeviceOf(hardware));
    const stream = streamNamed(streams, name ?? streams.live);
    if (!stream) {
      const offered = streams.streams.map(known => known.name).join(', ');
      throw noLive(`device ${deviceId} has no stream ${name}; it has ${offered}`);
    }
    if (stream !== recordedStream(streams)) return camera.sides.open(stream, signal);
    if (camera.recorder.isLost) throw noLive(`the camera of device ${deviceId} is lost`);
    return camera.fanOut.open(signal);
  }

  /** The streams of a device that sessions run for, beside the recorded one. */
  sideStreamsOf(deviceId: DeviceId): readonly string[] {
    return this.#cameraOf(deviceId)?.sides.running ?? [];
  }

  watched(): readonly WatchedCamera[] {
    return [...this.#cameras].map(([hardwareId, { deviceId, recorder }]) => {
      const hardwareName = this.#options.view.hardware.get(hardwareId)?.name ?? hardwareId;
      return { hardwareName, deviceId, lost: recorder.lost };
    });
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
        configureSides(running.sides, hardware);
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
    const along = { ...change, key: `${owner} ${change.key}` };
    if (along.change === 'ENDED') {
      this.#options.noticed(owner, change);
      // Of whichever is recorded along with it: the camera may be gone by now, or its policy another.
      for (const { deviceId: id, recorder } of this.#cameras.values()) {
        recorder.trigger(id === owner ? change : along);
      }
      return;
    }
    if (!camera) return;
    this.#options.noticed(owner, change);
    const { policy } = camera.recorder;
    camera.recorder.trigger(change);
    if (!heeds(policy, along.kind)) return;
    for (const related of policy.recordRelated) {
      const relatedOwner = this.#options.view.ownerOf(related) ?? related;
      if (relatedOwner === owner) continue;
      this.#cameraOf(relatedOwner)?.recorder.trigger({ ...along, kind: 'RELATED' });
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
    const { driver, transport, sealedCredentials } = hardware;
    const { address } = recordedStream(streamsOf(hardware, device));
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
    const motionFeed = new MotionFeed(motion);
    const recorder = new CameraRecorder({
      ...this.#options,
      hardwareId,
      deviceId,
      recordingEnabled: device.recordingEnabled,
      policy: device.recordingPolicy,
      firstCause,
      fanOut,
      motion: motionFeed,
      noticed: change => this.trigger(deviceId, change),
      lastStop: () => this.#options.view.lastStop.get(deviceId) ?? null,
      lastCapabilities: () => this.#options.view.capabilities.get(hardwareId) ?? null,
    });
    const controller = new AbortController();
    const before = this.#ending.get(hardwareId) ?? Promise.resolve();
    const { address } = recordedStream(streamsOf(hardware, device));
    const done = before.then(() => this.#runSession({ ...hardware, address }, recorder, controller.signal));
    const sides = new SideStreams({
      viewers: this.viewers,
      motion: motionFeed,
      runSession: async (sideAddress, sink, signal) => {
        await before;
        await this.#runSession({ ...hardware, address: sideAddress }, sink, signal);
      },
    });
    configureSides(sides, hardware);
    this.#cameras.set(hardwareId, { key, deviceId, recorder, motion, fanOut, sides, controller, done });
    const manual = this.#options.view.manual.get(deviceId);
    if (manual && manual.untilMs > this.#options.now()) this.trigger(deviceId, manualTrigger(manual));
  }

  #end(hardwareId: HardwareId, cause: RecordingCause): void {
    const camera = this.#cameras.get(hardwareId)!;
    this.#cameras.delete(hardwareId);
    camera.controller.abort(cause);
    const ended = Promise.all([camera.done, camera.sides.close()]).then(async () => {
      camera.fanOut[Symbol.dispose]();
      await camera.recorder.close();
      if (this.#ending.get(hardwareId) === ended) this.#ending.delete(hardwareId);
    });
    this.#ending.set(hardwareId, ended);
  }

  async #runSession(hardware: NonNullable<Hardware>, sink: CameraSink, signal: AbortSignal): Promise<void> {
    const { now, random, logger } = this.#options;
    const runCameraSession = this.#options.runCameraSession ?? driverOf(hardware.driver).run;
    const { address, transport } = hardware;
    const credentials = this.#openCredentials(hardware, sink);
    while (!signal.aborted && credentials !== 'UNREADABLE') {
      try {
        await runCameraSession({ address, transport, credentials, sink, now, random }, signal);
      } catch (error) {
        if (signal.aborted) break;
        logger.error({ err: error, hardwareId: hardware.hardwareId }, 'a camera session failed by a fault');
        sink.runEnded('CAMERA_DISCONNECTED', now());
        sink.connectionLost('PROTOCOL_ERROR', error instanceof Error ? error.message : String(error), now());
      }
      await delay(faultPauseMs * (0.5 + random()), undefined, { signal }).catch(() => undefined);
    }
  }

  #openCredentials(
    { sealedCredentials }: NonNullable<Hardware>,
    sink: CameraSink,
  ): CameraCredentials | null | 'UNREADABLE' {
    if (sealedCredentials === null) return null;
    try {
      return this.#options.openCredentials(sealedCredentials);
    } catch (error) {
      const detail = `the camera's password cannot be opened: ${error instanceof Error ? error.message : error}`;
      sink.connectionLost('UNAUTHORIZED', detail, this.#options.now());
      return 'UNREADABLE';
    }
  }
}

/** A session for motion runs while motion is looked for, and in a stream that is not recorded anyway. */
function configureSides(sides: SideStreams, hardware: NonNullable<Hardware>): void {
  const device = recordingDeviceOf(hardware);
  const { streams, recorded, motion } = streamsOf(hardware, device);
  const isLookedFor = wantsMotion(device.recordingPolicy, device.motionDetection);
  sides.configure(streams, isLookedFor && motion !== recorded ? motion : null);
}

function noLive(message: string): MediaRefusedError {
  return new MediaRefusedError('NO_LIVE_STREAM', message);
}
