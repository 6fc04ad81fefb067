import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { TriggerChange } from '@holdfast/core';
import type { DeviceId, HoldfastEvent, RecordingServerId } from '@holdfast/schema';
import type { LiveViewers } from '../camera/live-viewers.js';
import { OverloadWatch } from './overload-watch.js';

const sampleMs = 1_000;
/** Nothing was dropped for so long: the overflow is over. */
const overflowQuietMs = 10_000;
/** Recordings that wait longer are late because of the disk, not because one camera sends too much. */
const diskIsLateMs = 5_000;
/** A write that failed so long ago says nothing about now. */
const failureMs = 30_000;
/** The same bad news is an alarm again after this. */
const alarmQuietMs = 10 * 60_000;
/** A camera that restarts, or is unplugged for a moment, is nobody's business. */
export const CAMERA_LOST_ALARM_MS = 60_000;
/** Something that moves again within this time has not stopped: a branch in the wind is one event, not thousands. */
export const MOTION_REST_MS = 30_000;

export interface WatchedCamera {
  readonly hardwareName: string;
  readonly deviceId: DeviceId;
  /** Null: it is not lost. */
  readonly lost: { readonly sinceMs: number; readonly detail: string } | null;
}

export interface RecorderHealthOptions {
  readonly recordingServerId: RecordingServerId;
  readonly now: () => number;
  readonly report: (stream: string, event: HoldfastEvent) => unknown;
  readonly alarm: (alarm: { readonly name: string; readonly message: string }) => void;
  readonly cameras: () => readonly WatchedCamera[];
  /** Of the group of pictures that waits longest for the disk. */
  readonly waitingMs: () => number;
  readonly diskIsSlow: () => boolean;
  readonly viewers: Pick<LiveViewers, 'shed' | 'counts'>;
}

interface Overflow {
  droppedFragmentCount: number;
  droppedByteLength: number;
  lastMs: number;
}

interface Motion {
  readonly keys: Set<string>;
  /** Since when nothing moves. Null: something does. */
  restsSinceMs: number | null;
}

/** Makes events of what a recording server notices about itself and its cameras, and alarms of what a person must act on. */
export class RecorderHealth {
  readonly #options: RecorderHealthOptions;
  readonly #overload = new OverloadWatch();
  readonly #overflows = new Map<DeviceId, Overflow>();
  readonly #motion = new Map<DeviceId, Motion>();
  readonly #lostAlarmed = new Set<DeviceId>();
  readonly #alarmedMs = new Map<string, number>();
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: 20 });
  #writeFailedMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #eventLoopMs = 0;

  constructor(options: RecorderHealthOptions) {
    this.#options = options;
  }

  get isOverloaded(): boolean {
    return this.#overload.isOverloaded;
  }

  /** The worst hundredth of the last second. */
  get eventLoopMs(): number {
    return this.#eventLoopMs;
  }

  get overflowCount(): number {
    return this.#overflows.size;
  }

  start(): void {
    this.#delay.enable();
    this.#timer = setInterval(() => this.sample(), sampleMs);
    this.#timer.unref();
  }

  /** Nothing that was told as begun stays open in the log. */
  stop(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#delay.disable();
    for (const deviceId of this.#overflows.keys()) this.#endOverflow(deviceId);
    for (const [deviceId, { restsSinceMs }] of this.#motion) this.#endMotion(deviceId, restsSinceMs);
    if (this.isOverloaded) this.#report({ type: 'RecordingServerOverloadEnded', data: this.#ofServer() });
  }

  /** Once a second. */
  sample(): void {
    const nowMs = this.#options.now();
    this.#eventLoopMs = this.#delay.percentile(99) / 1e6;
    this.#delay.reset();
    this.#judgeLoad();
    for (const [deviceId, { lastMs }] of this.#overflows) {
      if (apartMs(nowMs, lastMs) >= overflowQuietMs) this.#endOverflow(deviceId);
    }
    for (const [deviceId, { restsSinceMs }] of this.#motion) {
      if (restsSinceMs !== null && apartMs(nowMs, restsSinceMs) >= MOTION_REST_MS) {
        this.#endMotion(deviceId, restsSinceMs);
      }
    }
    this.#alarmOfLost(nowMs);
  }

  dropped(drop: {
    readonly deviceId: DeviceId;
    readonly fragmentCount: number;
    readonly byteLength: number;
    readonly cause: 'QUEUE_FULL' | 'HALTED' | 'CLOSED';
  }): void {
    // What is dropped while recording is halted, or when the server stops, is told with that.
    if (drop.cause !== 'QUEUE_FULL') return;
    const { deviceId } = drop;
    let overflow = this.#overflows.get(deviceId);
    if (overflow === undefined) {
      overflow = { droppedFragmentCount: 0, droppedByteLength: 0, lastMs: 0 };
      this.#overflows.set(deviceId, overflow);
      this.#beginOverflow(deviceId);
    }
    overflow.droppedFragmentCount += drop.fragmentCount;
    overflow.droppedByteLength += drop.byteLength;
    overflow.lastMs = this.#options.now();
  }

  writeFailed(): void {
    this.#writeFailedMs = this.#options.now();
  }

  diskSlow(writeMs: number): void {
    this.#report({ type: 'DiskSlowed', data: { ...this.#ofServer(), writeMs } });
    const message = `The disk of the recordings needs ${Math.round(writeMs)} ms for a write. What it does not keep up with is lost.`;
    this.#alarm('disk', { name: 'Disk slow', message });
  }

  diskFast(writeMs: number): void {
    this.#report({ type: 'DiskRecovered', data: { ...this.#ofServer(), writeMs } });
  }

  /** Of all that may want a device recorded, motion is heeded here. */
  noticed(deviceId: DeviceId, change: TriggerChange): void {
    const motion = this.#motion.get(deviceId);
    if (change.change === 'ENDED') {
      if (motion?.keys.delete(change.key) && motion.keys.size === 0) motion.restsSinceMs = change.atMs;
      return;
    }
    if (change.kind !== 'MOTION') return;
    if (motion !== undefined) {
      motion.keys.add(change.key);
      motion.restsSinceMs = null;
      return;
    }
    this.#motion.set(deviceId, { keys: new Set([change.key]), restsSinceMs: null });
    const data = { ...this.#ofDevice(deviceId), atMs: Math.round(change.atMs) };
    this.#tell(deviceId, { type: 'MotionBegan', data });
  }

  #judgeLoad(): void {
    const load = { writeQueueMs: this.#options.waitingMs(), eventLoopMs: this.#eventLoopMs };
    const change = this.#overload.sample(load);
    if (change === 'ENDED') {
      this.#options.viewers.shed('NONE');
      this.#report({ type: 'RecordingServerOverloadEnded', data: this.#ofServer() });
    } else if (change !== null) {
      const { overloaded: cause } = change;
      const { viewers } = this.#options;
      const { viewerCount: shedViewerCount } = viewers.counts();
      viewers.shed('KEY_FRAMES');
      const delayMs = cause === 'WRITE_QUEUE' ? load.writeQueueMs : load.eventLoopMs;
      this.#report({
        type: 'RecordingServerOverloaded',
        data: { ...this.#ofServer(), cause, delayMs, shedViewerCount },
      });
      const late = cause === 'WRITE_QUEUE' ? 'The disk of the recordings' : 'The recording server';
      const message = `${late} is ${Math.round(delayMs / 1000)} s late. So that recording goes on, ${shedViewerCount} live viewers get key frames only, or nothing.`;
      this.#alarm('overload', { name: 'Recording server overloaded', message });
    } else if (this.#overload.isStillLate) this.#options.viewers.shed('CLOSED');
  }

  #beginOverflow(deviceId: DeviceId): void {
    const failsMs = apartMs(this.#options.now(), this.#writeFailedMs);
    const isLate = this.#options.diskIsSlow() || this.#options.waitingMs() >= diskIsLateMs;
    const cause = failsMs < failureMs ? 'DISK_UNAVAILABLE' : isLate ? 'DISK_SLOW' : 'CAMERA_FLOODS';
    this.#tell(deviceId, { type: 'DeviceOverflowBegan', data: { ...this.#ofDevice(deviceId), cause } });
    const camera = this.#options.cameras().find(({ deviceId: id }) => id === deviceId);
    const name = camera?.hardwareName ?? deviceId;
    if (cause === 'CAMERA_FLOODS') {
      const message = `${name} sends more than the recording server takes of one camera. Parts of its recording are missing.`;
      this.#alarm(`flood ${deviceId}`, { name: 'Camera sends too much', message });
    } else {
      const message = `The disk does not keep up, or fails. Parts of recordings are missing, first of ${name}.`;
      this.#alarm('overflow', { name: 'Recordings are lost', message });
    }
  }

  #endOverflow(deviceId: DeviceId): void {
    const { droppedFragmentCount, droppedByteLength, lastMs } = this.#overflows.get(deviceId)!;
    this.#overflows.delete(deviceId);
    const data = { ...this.#ofDevice(deviceId), atMs: Math.round(lastMs) };
    this.#tell(deviceId, {
      type: 'DeviceOverflowEnded',
      data: { ...data, droppedFragmentCount, droppedByteLength },
    });
  }

  #endMotion(deviceId: DeviceId, atMs: number | null): void {
    this.#motion.delete(deviceId);
    const data = { ...this.#ofDevice(deviceId), atMs: Math.round(atMs ?? this.#options.now()) };
    this.#tell(deviceId, { type: 'MotionEnded', data });
  }

  /** A switch that fails takes many cameras with it: that is one alarm. */
  #alarmOfLost(nowMs: number): void {
    const fresh: string[] = [];
    for (const { deviceId, hardwareName, lost } of this.#options.cameras()) {
      if (lost === null) this.#lostAlarmed.delete(deviceId);
      else if (apartMs(nowMs, lost.sinceMs) >= CAMERA_LOST_ALARM_MS && !this.#lostAlarmed.has(deviceId)) {
        this.#lostAlarmed.add(deviceId);
        fresh.push(`${hardwareName} since ${new Date(lost.sinceMs).toISOString()} (${lost.detail})`);
      }
    }
    if (fresh.length === 0) return;
    const name = fresh.length === 1 ? 'Camera lost' : `${fresh.length} cameras lost`;
    this.#options.alarm({ name, message: `Not recorded: ${fresh.join('; ')}`.slice(0, 4000) });
  }

  #alarm(key: string, alarm: { readonly name: string; readonly message: string }): void {
    const nowMs = this.#options.now();
    if (apartMs(nowMs, this.#alarmedMs.get(key) ?? Number.NEGATIVE_INFINITY) < alarmQuietMs) return;
    this.#alarmedMs.set(key, nowMs);
    this.#options.alarm(alarm);
  }

  #report(event: HoldfastEvent): void {
    this.#options.report(`recording-server-health-${this.#options.recordingServerId}`, event);
  }

  #tell(deviceId: DeviceId, event: HoldfastEvent): void {
    this.#options.report(`device-health-${deviceId}`, event);
  }

  #ofServer() {
    return {
      recordingServerId: this.#options.recordingServerId,
      atMs: Math.round(this.#options.now()),
    };
  }

  #ofDevice(deviceId: DeviceId) {
    return { deviceId, ...this.#ofServer() };
  }
}

/** A clock that was set back far has left what was before behind: else nothing would be over, or an alarm, until it is there again. */
function apartMs(nowMs: number, thenMs: number): number {
  return Math.abs(nowMs - thenMs);
}
