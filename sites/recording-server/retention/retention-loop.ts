import { setTimeout as delay } from 'node:timers/promises';
import type { ClockReading, Storage } from '@holdfast/core';
import type { HoldfastEvent, RecordingServerId, StorageId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { untilAborted } from '../../until-aborted.js';
import type { MediaDatabase } from '../media-database/media-database.js';
import { MediaDirectory } from '../media-database/media-directory.js';
import type { SiteView } from '../recorder/site-view.js';
import { KeptRetentionClock } from './kept-retention-clock.js';
import type { Halt } from './retention-executor.js';
import type { StorageKeeper } from './storage-keeper.js';

const intervalMsDefault = 60_000;
/** While recording is halted it is looked for room, or for the disk, more often. */
const haltedIntervalMs = 5_000;
/** Halts and unhalts, and alarms, that wait for room to be told: more than a few in one full disk say nothing new. */
const untoldMax = 16;

interface Alarm {
  readonly name: string;
  readonly message: string;
}

/** A round waits so long for its alarms: where the log is away they come later, and room is made meanwhile. */
const alarmWaitMsMax = 1_000;

export interface RetentionLoopOptions {
  readonly recordingServerId: RecordingServerId;
  /** The directory of the media database, where the time of retention is kept. */
  readonly dir: string;
  readonly database: MediaDatabase;
  readonly view: SiteView;
  readonly storages: StorageKeeper;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Milliseconds of a clock that is never set. */
  readonly monotonicMs: () => number;
  /** The log hears that something is there before it hears that it is gone. */
  readonly composeSealed: () => void;
  /** What is held for evidence locks, as far as it is due. */
  readonly tellOfLocks: () => void;
  /** What is in the storages, as far as it is due. */
  readonly tellOfRoom: () => Promise<void>;
  /** False when the fact could not be kept. */
  readonly report: (stream: string, event: HoldfastEvent) => boolean;
  /** What retention has put into the index goes to the log. */
  readonly sendSoon: () => void;
  readonly raiseAlarm: (alarm: Alarm) => Promise<void>;
  readonly logger: Logger;
  readonly retentionIntervalMs?: number;
}

/**
 * Applies retention at intervals and as soon as a write fails, halts the recordings of a storage that has no room and lets them
 * go on when it has, and tells the log and the operators of it.
 */
export class RetentionLoop {
  readonly #options: RetentionLoopOptions;
  readonly #clock: KeptRetentionClock;
  readonly #ending = new AbortController();
  /** On a full disk a halt can be told only when there is room again; then it still is. */
  readonly #untold: HoldfastEvent[] = [];
  readonly #alarmsNotRaised: Alarm[] = [];
  #raising: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  #writesFail: 'FOR_ROOM' | 'OTHERWISE' | null = null;
  #clockIsDoubted = false;

  constructor(options: RetentionLoopOptions) {
    this.#options = options;
    const { database, dir, now, monotonicMs } = options;
    this.#clock = new KeptRetentionClock({
      file: new MediaDirectory(dir).retentionClockFile,
      reading: (): ClockReading => ({ wallMs: now(), monotonicMs: monotonicMs() }),
      newestRecordingMs: () => newestRecordingMs(database),
    });
  }

  /** Is raised soon. */
  alarm(alarm: Alarm): void {
    this.#alarmsNotRaised.push(alarm);
    this.#wake?.();
  }

  onWriteFailed(code: string): void {
    if (code === 'ENOSPC' || code === 'EDQUOT') this.#writesFail = 'FOR_ROOM';
    else this.#writesFail ??= 'OTHERWISE';
    this.#wake?.();
  }

  /** Nothing is begun any more. */
  end(): void {
    this.#ending.abort();
  }

  /** Rounds at intervals, until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const wake = new AbortController();
      this.#wake = () => wake.abort();
      if (this.#writesFail === null) {
        const either = AbortSignal.any([signal, wake.signal]);
        const intervalMs = this.#options.retentionIntervalMs ?? intervalMsDefault;
        const untilMs = this.#options.view.halted ? Math.min(intervalMs, haltedIntervalMs) : intervalMs;
        await delay(untilMs, undefined, { signal: either }).catch(() => undefined);
      }
      if (!signal.aborted) await this.apply();
    }
  }

  /** One round. What fails is logged: the next round tries again. */
  async apply(): Promise<void> {
    const writesFail = this.#writesFail;
    this.#writesFail = null;
    try {
      this.#options.composeSealed();
      const { signal } = this.#ending;
      await this.#obey(await this.#options.storages.apply(this.#nowMs(), { writesFail, signal }));
      this.#options.tellOfLocks();
      await this.#options.tellOfRoom();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'retention failed');
    }
    this.#options.sendSoon();
  }

  /** Says once that the clock has jumped ahead, and keeps what time it is. */
  #nowMs(): number {
    const time = this.#clock.read();
    const isDoubted = time.aheadMs > 0;
    if (isDoubted !== this.#clockIsDoubted) {
      this.#clockIsDoubted = isDoubted;
      const { nowMs, aheadMs } = time;
      if (!isDoubted) this.#options.logger.info({ nowMs }, 'the clock is believed again');
      else {
        const message = `The clock of this server is ${Math.round(aheadMs / 60_000)} minutes ahead of what it should be. Until it is right, or has gone on evenly for a day, recordings and evidence locks are judged by ${new Date(nowMs).toISOString()}.`;
        this.#options.logger.error({ nowMs, aheadMs }, message);
        this.#alarmsNotRaised.push({ name: 'Clock jumped ahead', message });
      }
    }
    try {
      this.#clock.keep(time);
    } catch (error) {
      this.#options.logger.debug({ err: error }, 'the time of retention could not be kept');
    }
    return time.nowMs;
  }

  async #obey(halts: ReadonlyMap<string, Halt>): Promise<void> {
    if (halts.size < this.#options.storages.liveStages().size) this.#options.database.retryWrites();
    // Not awaited: what cannot be sealed now is sealed when there is room.
    if (halts.size > 0) void this.#options.database.halt(this.#options.storages.halts());
    else if (this.#options.view.halted) this.#options.database.unhalt();
    this.#reportChanges(halts);
    await this.#tell();
  }

  /** Each storage by itself; what was told of all of them at once, or of one that is no more, is taken back first. */
  #reportChanges(halts: ReadonlyMap<string, Halt>): void {
    const { storages } = this.#options.storages;
    const { haltedStorages } = this.#options.view;
    const known = new Set<string | null>(storages.map(({ storageId }) => storageId));
    for (const storageId of [...haltedStorages]) if (!known.has(storageId)) this.#unhalt(storageId);
    for (const storage of storages) {
      const storageId = storage.storageId as StorageId;
      const halt = halts.get(storage.live.stage);
      if ((halt !== undefined) === haltedStorages.has(storageId)) continue;
      if (halt === undefined) this.#unhalt(storageId);
      else this.#halt(storage, halt);
    }
  }

  #halt({ storageId, name }: Storage, { cause, detail }: Halt): void {
    this.#options.logger.error({ storage: name, cause, detail }, 'recording is halted');
    this.#say({
      type: 'RecordingHalted',
      data: { ...this.#ofStorage(storageId as StorageId), cause, detail: detail.slice(0, 1000) },
    });
    const which = this.#options.storages.storages.length > 1 ? `storage ${name}: ` : '';
    this.#alarmsNotRaised.push({ name: 'Recording halted', message: `${which}${cause}: ${detail}` });
  }

  #unhalt(storageId: StorageId | null): void {
    this.#say({ type: 'RecordingUnhalted', data: this.#ofStorage(storageId) });
  }

  #ofStorage(storageId: StorageId | null) {
    return { recordingServerId: this.#options.recordingServerId, storageId, atMs: this.#options.now() };
  }

  /** The log says the same when there is room to tell it. */
  #say(event: HoldfastEvent): void {
    this.#untold.push(event);
    this.#options.view.apply(event);
  }

  async #tell(): Promise<void> {
    const stream = `recording-server-${this.#options.recordingServerId}`;
    while (this.#untold[0] && this.#options.report(stream, this.#untold[0])) this.#untold.shift();
    this.#untold.splice(untoldMax);
    this.#alarmsNotRaised.splice(untoldMax);
    this.#raising ??= this.#raiseAlarms().finally(() => {
      this.#raising = null;
    });
    await untilAborted(this.#raising, AbortSignal.timeout(alarmWaitMsMax));
  }

  async #raiseAlarms(): Promise<void> {
    try {
      for (let alarm = this.#alarmsNotRaised[0]; alarm; alarm = this.#alarmsNotRaised[0]) {
        await this.#options.raiseAlarm(alarm);
        this.#alarmsNotRaised.shift();
      }
    } catch (error) {
      this.#options.logger.error({ err: error }, 'an alarm could not be raised yet');
    }
  }
}

/** The end of the newest recording, whatever device; null when there is none. */
function newestRecordingMs(database: MediaDatabase): number | null {
  const ends = database.devices().map(deviceId => database.newestEndMs(deviceId) ?? 0);
  return ends.length === 0 ? null : Math.max(...ends);
}
