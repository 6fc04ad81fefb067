import { isDeepStrictEqual } from 'node:util';
import {
  endCauseOf,
  type Fragment,
  heeds,
  type InitSegment,
  NO_TRIGGERS,
  preBufferMsOf,
  type RecordingTriggers,
  type TriggerChange,
  type TriggerKind,
  triggerOf,
  withoutPast,
  withTrigger,
} from '@holdfast/core';
import type {
  ConnectionLossCause,
  DeviceId,
  HardwareCapabilities,
  HardwareId,
  HoldfastEvent,
  RecordingCause,
  RecordingPolicy,
  RecordingServerId,
} from '@holdfast/schema';
import type { Logger } from 'pino';
import type { LiveFanOut } from '../camera/live-fan-out.js';
import { InputReports } from '../control/input-reports.js';
import type { CameraSink, DeviceSignal } from '../drivers/driver.js';
import type { MediaDatabase } from '../media-database/media-database.js';
import type { MotionFeed } from '../motion/motion-feed.js';
import { arrivalSpan, PreBuffer } from '../pre-buffer/pre-buffer.js';
import type { PreBufferFolder } from '../pre-buffer/pre-buffer-folder.js';
import { RecordedRuns } from './recorded-runs.js';
import type { RecordingStop } from './site-view.js';

export interface CameraRecorderOptions {
  readonly hardwareId: HardwareId;
  readonly deviceId: DeviceId;
  readonly recordingServerId: RecordingServerId;
  readonly recordingEnabled: boolean;
  readonly policy: RecordingPolicy;
  /** Why the first run begins. */
  readonly firstCause: RecordingCause;
  readonly fanOut: LiveFanOut;
  readonly motion: MotionFeed;
  /** What the camera itself notices. */
  readonly noticed: (change: TriggerChange) => void;
  readonly database: MediaDatabase;
  readonly preBuffers: PreBufferFolder;
  /** Other than 15 s for tests only. */
  readonly preBufferMemoryMsMax?: number;
  readonly report: (stream: string, event: HoldfastEvent) => void;
  readonly lastStop: () => RecordingStop | null;
  /** What the log says that the camera can. */
  readonly lastCapabilities: () => HardwareCapabilities | null;
  readonly now: () => number;
  readonly logger: Logger;
}

/** Puts what one camera sends where it belongs: live to the fan-out, recordings to the database, facts to the log. */
export class CameraRecorder implements CameraSink {
  readonly #options: CameraRecorderOptions;
  #recordingEnabled: boolean;
  #policy: RecordingPolicy;
  #triggers: RecordingTriggers = NO_TRIGGERS;
  /** Of the last trigger that kept the open run going: it says why the run ends. */
  #lastTrigger: TriggerKind = 'MANUAL';
  readonly #preBuffer: PreBuffer;
  readonly #runs: RecordedRuns;
  readonly #inputs: InputReports;
  /** The camera's format while a run of media goes on. */
  #init: InitSegment | null = null;
  #nextCause: RecordingCause;
  #capabilities: HardwareCapabilities | null = null;
  #connection: 'UNKNOWN' | 'CONNECTED' | 'LOST' = 'UNKNOWN';
  #lost: { readonly sinceMs: number; readonly detail: string } | null = null;
  lostAccessUnitCount = 0;

  constructor(options: CameraRecorderOptions) {
    this.#options = options;
    this.#inputs = new InputReports(options);
    this.#recordingEnabled = options.recordingEnabled;
    this.#policy = options.policy;
    this.#nextCause = options.firstCause;
    const { deviceId, preBuffers, preBufferMemoryMsMax: memoryMsMax } = options;
    this.#preBuffer = new PreBuffer({
      ...(memoryMsMax === undefined ? {} : { memoryMsMax }),
      filesOf: onGivenUp => preBuffers.filesOf(deviceId, onGivenUp),
    });
    this.#runs = new RecordedRuns({
      ...options,
      preBuffer: this.#preBuffer,
      keyFramesOnly: () => this.#policy.keyFramesOnly,
    });
  }

  get hardwareId(): HardwareId {
    return this.#options.hardwareId;
  }

  get isLost(): boolean {
    return this.#connection === 'LOST';
  }

  /** Since when, and why as of now. Null: it is not lost. */
  get lost(): { readonly sinceMs: number; readonly detail: string } | null {
    return this.#lost;
  }

  /** Its session has ended. Resolves when everything is durable. */
  close(): Promise<void> {
    return this.#runs.close();
  }

  setRecording(enabled: boolean): void {
    if (enabled === this.#recordingEnabled) return;
    this.#recordingEnabled = enabled;
    if (enabled) this.#nextCause = 'RECORDING_ENABLED';
    else this.#runs.end('RECORDING_DISABLED', null);
    this.#preBuffer.clear();
    if (enabled && this.#isContinuous) this.#beginRun(this.#nextCause);
  }

  get policy(): RecordingPolicy {
    return this.#policy;
  }

  setPolicy(policy: RecordingPolicy): void {
    if (policy === this.#policy) return;
    const wasMode = this.#policy.mode;
    if (policy.mode !== wasMode) this.#runs.end('POLICY_SET', null);
    this.#policy = policy;
    this.#triggers = this.#triggers.filter(({ kind }) => heeds(policy, kind));
    if (policy.mode === wasMode) return;
    this.#preBuffer.clear();
    this.#nextCause = 'POLICY_SET';
    if (this.#isContinuous) this.#beginRun('POLICY_SET');
  }

  /** What comes before it is recorded at once, as far as it is held. */
  trigger(change: TriggerChange): void {
    this.#triggers = withTrigger(this.#triggers, change, this.#policy);
    const held = this.#preBuffer.span;
    if (this.#runs.isOpen || held === null) return;
    const trigger = triggerOf(this.#triggers, held);
    if (trigger !== null) this.#beginTriggered(trigger);
  }

  deviceSignal(signal: DeviceSignal, atMs: number): void {
    const { kind, source, active } = signal;
    if (kind === 'INPUT') this.#inputs.take(signal, atMs);
    const key = `camera ${kind} ${source}`;
    const cause = kind === 'MOTION' ? 'MOTION' : 'EVENT';
    this.#options.noticed(
      active ? { change: 'BEGAN', key, kind: cause, atMs, untilMs: null } : { change: 'ENDED', key, atMs },
    );
  }

  connected(atMs: number): void {
    const { hardwareId, recordingServerId } = this.#options;
    if (this.#connection === 'CONNECTED') return;
    this.#connection = 'CONNECTED';
    this.#lost = null;
    this.#reportConnection({
      type: 'HardwareConnected',
      data: { hardwareId, recordingServerId, atMs: Math.round(atMs) },
    });
  }

  capabilitiesFound(capabilities: HardwareCapabilities): void {
    const { hardwareId, recordingServerId, lastCapabilities } = this.#options;
    const last = this.#capabilities ?? lastCapabilities();
    this.#capabilities = capabilities;
    if (last !== null && isDeepStrictEqual(last, capabilities)) return;
    this.#reportConnection({
      type: 'HardwareCapabilitiesFound',
      data: { hardwareId, recordingServerId, capabilities },
    });
  }

  format(init: InitSegment): void {
    this.#init = init;
    this.#options.fanOut.format(init);
    if (this.#isContinuous) this.#beginRun(this.#nextCause);
  }

  liveFragment(fragment: Fragment): void {
    if (fragment.beginsWithKeyFrame && this.#init) this.#options.motion.keyFrame(this.#init, fragment);
    this.#options.fanOut.push(fragment);
  }

  recordedFragment(fragment: Fragment): void {
    if (!this.#recordingEnabled || this.#init === null) fragment.release?.();
    else if (this.#isContinuous) this.#runs.record(fragment);
    else this.#recordWhenTriggered(fragment);
  }

  #recordWhenTriggered(fragment: Fragment): void {
    const span = arrivalSpan(fragment);
    this.#triggers = withoutPast(this.#triggers, span.fromMs);
    const trigger = triggerOf(this.#triggers, span);
    if (trigger === null) {
      this.#runs.end(endCauseOf(this.#lastTrigger), null);
      this.#preBuffer.push(fragment, preBufferMsOf(this.#policy));
      return;
    }
    this.#lastTrigger = trigger.kind;
    if (!this.#runs.isOpen) this.#beginTriggered(trigger);
    this.#runs.record(fragment);
  }

  #beginTriggered({ kind, fromMs }: RecordingTriggers[number]): void {
    this.#lastTrigger = kind;
    this.#beginRun(kind, fromMs);
  }

  runEnded(cause: RecordingCause, atMs: number): void {
    this.#init = null;
    this.#options.motion.runEnded();
    this.#preBuffer.clear();
    this.#options.fanOut.runEnded();
    this.#nextCause = causeBehind(cause);
    this.#runs.end(cause, atMs);
  }

  accessUnitsLost(count: number, atMs: number): void {
    this.lostAccessUnitCount += count;
    this.#options.logger.debug({ hardwareId: this.#options.hardwareId, count, atMs }, 'access units lost');
  }

  connectionLost(cause: ConnectionLossCause, detail: string, atMs: number): void {
    const { hardwareId, recordingServerId } = this.#options;
    this.#connection = 'LOST';
    this.#lost = { sinceMs: this.#lost?.sinceMs ?? atMs, detail: `${cause}: ${detail}` };
    this.#reportConnection({
      type: 'HardwareConnectionLost',
      data: { hardwareId, recordingServerId, atMs: Math.round(atMs), cause, detail: detail.slice(0, 1000) },
    });
  }

  get #isContinuous(): boolean {
    return this.#policy.mode === 'CONTINUOUS';
  }

  /** `heldFromMs`: with what is held from then on. */
  #beginRun(cause: RecordingCause, heldFromMs: number | null = null): void {
    if (this.#recordingEnabled && this.#init) this.#runs.begin(cause, this.#init, heldFromMs);
  }

  #reportConnection(event: HoldfastEvent): void {
    this.#options.report(`hardware-connection-${this.#options.hardwareId}`, event);
  }
}

/** Why the run begins that follows one with this end. */
function causeBehind(end: RecordingCause): RecordingCause {
  return end === 'CAMERA_DISCONNECTED' ? 'CAMERA_CONNECTED' : end;
}
