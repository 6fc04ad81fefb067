import { type Fragment, fragmentByteLength, type InitSegment, keyFrameFragment } from '@holdfast/core';
import type { DeviceId, HoldfastEvent, RecordingCause, RecordingServerId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { inTime } from '../in-time.js';
import type { MediaDatabase } from '../media-database/media-database.js';
import type { PreBuffer } from '../pre-buffer/pre-buffer.js';
import type { RecordingStop } from './site-view.js';

/** At the end of a camera's session, what is claimed and still waits is recorded for so long: what ends it waits for that. */
export const CLAIMED_AT_END_MS_MAX = 10_000;

export interface RecordedRunsOptions {
  readonly deviceId: DeviceId;
  readonly recordingServerId: RecordingServerId;
  readonly database: MediaDatabase;
  readonly preBuffer: PreBuffer;
  readonly report: (stream: string, event: HoldfastEvent) => void;
  readonly lastStop: () => RecordingStop | null;
  /** Whether only key frames are recorded, as of now. */
  readonly keyFramesOnly: () => boolean;
  readonly logger: Logger;
}

interface Run {
  readonly cause: RecordingCause;
  readonly init: InitSegment;
  /** The database knows of it. */
  begun: boolean;
  /** Its first fragment is recorded. */
  started: boolean;
  toMs: number;
  /** While it waits: the last group in the pre-buffer that is of it. */
  lastNumber: number;
  end: {
    readonly cause: RecordingCause;
    readonly atMs: number | null;
    readonly keyFramesOnly: boolean;
  } | null;
}

/**
 * The runs of recording of one device. What comes is given to the database at once, unless something that came before it is still
 * on the disk of the pre-buffer: then it waits behind that, as do the ends and beginnings of runs, until all of it is recorded.
 */
export class RecordedRuns {
  readonly #options: RecordedRunsOptions;
  /** The one that what comes belongs to. */
  #open: Run | null = null;
  /** Those of which something is in the pre-buffer, the oldest first. Only the last one may be open. */
  #waiting: Run[] = [];
  #isRecordingWaiting = false;
  #recordedWaiting: Promise<unknown> = Promise.resolve();
  #settled: Promise<unknown> = Promise.resolve();
  #isAbandoned = false;

  constructor(options: RecordedRunsOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#open !== null;
  }

  /** `heldFromMs`: with what the pre-buffer shows from then on; null: without. */
  begin(cause: RecordingCause, init: InitSegment, heldFromMs: number | null): void {
    const { preBuffer } = this.#options;
    if (this.#open !== null && this.#isWaiting(this.#open)) this.end(cause, null);
    const run: Run = { cause, init, begun: false, started: false, toMs: 0, lastNumber: 0, end: null };
    this.#open = run;
    const isDirect = this.#waiting.length === 0 && (heldFromMs === null || preBuffer.isInMemory(heldFromMs));
    if (isDirect) {
      this.#beginInDatabase(run);
      if (heldFromMs !== null) for (const group of preBuffer.takeFrom(heldFromMs)) this.#record(run, group);
      return;
    }
    if (heldFromMs !== null) run.lastNumber = preBuffer.claimFrom(heldFromMs);
    this.#waiting.push(run);
    if (!this.#isRecordingWaiting) this.#recordedWaiting = this.#recordWaiting();
  }

  record(group: Fragment): void {
    const run = this.#open;
    if (run === null) group.release?.();
    else if (this.#isWaiting(run)) run.lastNumber = this.#options.preBuffer.pushClaimed(group);
    else this.#record(run, group);
  }

  /** `atMs` null: where the last fragment ends. */
  end(cause: RecordingCause, atMs: number | null): void {
    const run = this.#open;
    if (run === null) return;
    this.#open = null;
    run.end = { cause, atMs, keyFramesOnly: this.#options.keyFramesOnly() };
    if (!this.#isWaiting(run)) this.#finish(run);
  }

  /** Nothing comes any more. Resolves when what ended is durable; what waits for too long by then is lost. */
  async close(): Promise<void> {
    await inTime(this.#recordedWaiting, { ms: CLAIMED_AT_END_MS_MAX, late: undefined });
    if (this.#waiting.length > 0) this.#abandon();
    await this.#settled;
    await this.#options.preBuffer[Symbol.asyncDispose]();
  }

  #abandon(): void {
    const { deviceId, logger, preBuffer } = this.#options;
    this.#isAbandoned = true;
    const groupCount = preBuffer.clearAll();
    logger.warn({ deviceId, groupCount }, 'the end came before all of a pre-buffer was recorded');
    for (const run of this.#waiting.splice(0)) this.#finish(run);
  }

  #isWaiting(run: Run): boolean {
    return this.#waiting.at(-1) === run;
  }

  async #recordWaiting(): Promise<void> {
    const { deviceId, logger, preBuffer } = this.#options;
    const lostBefore = preBuffer.lostCount;
    this.#isRecordingWaiting = true;
    for (let run = this.#waiting[0]; run !== undefined; run = this.#waiting[0]) {
      if (!run.begun) this.#beginWaiting(run);
      while (!this.#isAbandoned && preBuffer.holdsUpTo(run.lastNumber)) await this.#recordNext(run);
      if (this.#isAbandoned) return;
      // In the turn in which there was nothing more of it: what comes next goes to the database at once.
      this.#waiting.shift();
      if (run.end !== null) this.#finish(run);
    }
    this.#isRecordingWaiting = false;
    const groupCount = preBuffer.lostCount - lostBefore;
    if (groupCount > 0) logger.warn({ deviceId, groupCount }, 'not all of a pre-buffer could be recorded');
  }

  async #recordNext(run: Run): Promise<void> {
    const { database, deviceId, logger, preBuffer } = this.#options;
    const group = await preBuffer.shift();
    if (group === null) return;
    await database.whenRoom(deviceId, fragmentByteLength(group));
    if (this.#isAbandoned) return group.release?.();
    try {
      this.#record(run, group);
    } catch (error) {
      logger.error({ err: error, deviceId }, 'a group of pictures of a pre-buffer cannot be recorded');
    }
  }

  #beginWaiting(run: Run): void {
    const { deviceId, logger } = this.#options;
    try {
      this.#beginInDatabase(run);
    } catch (error) {
      logger.error({ err: error, deviceId }, 'what a pre-buffer holds cannot be recorded');
    }
  }

  #beginInDatabase(run: Run): void {
    const { database, deviceId, lastStop } = this.#options;
    run.begun = true;
    database.beginRun({ deviceId, init: run.init, cause: run.cause, previousEnd: lastStop() });
  }

  #record(run: Run, group: Fragment): void {
    const { database, deviceId, recordingServerId, report, keyFramesOnly } = this.#options;
    const isReduced = run.end?.keyFramesOnly ?? keyFramesOnly();
    const fragment = isReduced ? keyFrameFragment(group) : group;
    if (fragment !== group) group.release?.();
    if (fragment === null || !database.append(deviceId, fragment).accepted) return;
    run.toMs = Math.round(fragment.toMs);
    if (run.started) return;
    run.started = true;
    const { cause } = run;
    report(`recording-${deviceId}`, {
      type: 'RecordingStarted',
      data: { deviceId, recordingServerId, atMs: Math.round(fragment.fromMs), cause },
    });
  }

  #finish(run: Run): void {
    const { database, deviceId, recordingServerId, report } = this.#options;
    if (run.end === null || !run.begun) return;
    const { cause, atMs } = run.end;
    this.#settled = Promise.all([this.#settled, database.endRun({ deviceId, cause })]);
    if (!run.started) return;
    report(`recording-${deviceId}`, {
      type: 'RecordingStopped',
      data: { deviceId, recordingServerId, atMs: atMs === null ? run.toMs : Math.round(atMs), cause },
    });
  }
}
