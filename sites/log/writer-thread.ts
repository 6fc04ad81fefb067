import { Worker } from 'node:worker_threads';
import {
  type AppendOutcome,
  SiteLogClosedError,
  type StoredReceipt,
  type StreamAppend,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { isCorrupt } from '../sqlite-result.js';
import { encodeAppendFrame, frameBytesBound } from './append-frame.js';
import type { WrittenAppend } from './append-group.js';
import { AppendRingSender, IN_FLIGHT_BYTES_MAX, newAppendRingMemory } from './append-ring.js';
import { SiteLogFileError } from './site-log-file.js';
import type { Cut } from './site-log-truncation.js';
import type { ToWriter, WriterOptions, WriterReport } from './writer-messages.js';

/** Events that the writer has been sent and not answered: one group being committed and one behind it. */
export const IN_FLIGHT_EVENTS_MAX = 1024;
/** Appends that wait behind those in flight. Callers await their appends, so more than this is a caller that does not. */
export const WAITING_APPENDS_MAX = 16_384;
/** The same in bytes. */
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;

/** So many appends wait for the disk that this one was not taken. Nothing of it was written; it may be tried again. */
export class SiteLogOverloadedError extends Error {
  override readonly name = 'SiteLogOverloadedError';
  readonly code = 'SITE_LOG_OVERLOADED';
}

/** The append was not committed: the disk is full. It may be tried again, with the same ids. */
export class SiteLogWriteError extends Error {
  override readonly name = 'SiteLogWriteError';
  readonly code = 'SITE_LOG_WRITE_FAILED';
}

interface PendingAppend {
  readonly byteLength: number;
  readonly eventCount: number;
  readonly caller: AppendCaller;
}

/** Who awaits the outcome of an append. */
export interface AppendCaller {
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly reject: (error: Error) => void;
}

interface WaitingAppend extends PendingAppend {
  readonly frame: Buffer<ArrayBuffer>;
}

/** Where the log ends; the edge as `encodeEdge` gives it. */
export interface WrittenEnd {
  readonly epoch: number;
  readonly size: number;
  readonly edge: Uint8Array;
}

interface WriterThreadOptions extends Omit<WriterOptions, 'ring'> {
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** After every commit. */
  readonly onGrown: (end: WrittenEnd) => void;
  readonly onIndexRebuilt: (detail: string) => void;
}

/** The caller's end of the writer thread: hands over appends, and hands each its outcome. */
export class WriterThread {
  readonly #worker: Worker;
  readonly #ring: AppendRingSender;
  readonly #file: string;
  readonly #site: SiteId;
  readonly #epoch: number;
  readonly #now: () => number;
  readonly #onGrown: (end: WrittenEnd) => void;
  readonly #onIndexRebuilt: (detail: string) => void;
  readonly #exited: Promise<void>;
  #waiting: WaitingAppend[] = [];
  #waitingByteLength = 0;
  /** Sent and not answered, oldest first. */
  readonly #inFlight: PendingAppend[] = [];
  #inFlightEventCount = 0;
  /** What was asked beside the appends and is not answered, oldest first. */
  readonly #asked: { resolve: (isMore: boolean) => void; reject: (error: Error) => void }[] = [];
  #isLargeInFlight = false;
  #isTurnOpen = false;
  #failure: Error | null = null;
  #drained: (() => void) | null = null;

  private constructor(
    worker: Worker,
    options: WriterThreadOptions & { readonly ring: AppendRingSender; readonly epoch: number },
  ) {
    this.#worker = worker;
    this.#ring = options.ring;
    this.#file = options.file;
    this.#site = options.site;
    this.#epoch = options.epoch;
    this.#now = options.now;
    this.#onGrown = options.onGrown;
    this.#onIndexRebuilt = options.onIndexRebuilt;
    this.#exited = new Promise(resolve => {
      worker.once('exit', () => {
        this.#fail(new SiteLogClosedError('the writer of the site log has ended'));
        resolve();
      });
    });
    worker.on('message', (report: WriterReport) => this.#receive(report));
    worker.on('error', cause => {
      const detail = cause instanceof Error ? cause.message : String(cause);
      const reason = `the writer of the site log has failed: ${detail}`;
      this.#fail(new SiteLogClosedError(reason, { cause: this.#damageIn(cause) ?? cause }));
    });
  }

  /** Resolves when the thread has ended and let go of the file, whatever ended it. */
  get ended(): Promise<void> {
    return this.#exited;
  }

  /** Why it takes nothing any more; null while it does. */
  get failure(): Error | null {
    return this.#failure;
  }

  /** Starts the thread and opens the file in it. Throws `SiteLogFileError`. */
  static async open(
    options: WriterThreadOptions,
  ): Promise<{ readonly thread: WriterThread; readonly opening: WrittenEnd }> {
    const { file, site, nowMs } = options;
    const memory = newAppendRingMemory();
    const worker = new Worker(new URL('./site-log.worker.js', import.meta.url), {
      workerData: { file, site, nowMs, ring: memory } satisfies WriterOptions,
      name: 'site-log-writer',
    });
    const report = await firstReport(worker);
    if (report.kind === 'OPENED') {
      const { epoch, size, edge } = report;
      const ring = new AppendRingSender(memory);
      return {
        thread: new WriterThread(worker, { ...options, ring, epoch }),
        opening: { epoch, size, edge },
      };
    }
    await worker.terminate();
    if (report.kind !== 'NOT_OPENED') throw new Error(`the writer began with ${report.kind}`);
    throw new SiteLogFileError(report.fault?.fault ?? 'UNREADABLE', file, report.reason, {
      ...(report.fault?.position == null ? {} : { position: report.fault.position }),
    });
  }

  /**
   * Answers the caller after the commit, or with `SiteLogWriteError` or `SiteLogClosedError`. Throws `EnvelopeError`,
   * `SiteLogOverloadedError` or `SiteLogClosedError`: then the append was not taken.
   */
  append(appends: readonly StreamAppend[], caller: AppendCaller): void {
    if (this.#failure !== null) throw this.#failure;
    let eventCount = 0;
    for (const { events } of appends) eventCount += events.length;
    const log = { site: this.#site, epoch: this.#epoch, nowMs: this.#now() };
    const bytesBound = frameBytesBound(appends);
    const offset = this.#waiting.length > 0 ? null : this.#reserve(bytesBound, eventCount);
    if (offset !== null) {
      const byteLength = encodeAppendFrame(appends, log, this.#ring.bytes, offset);
      this.#publish({ byteLength, eventCount, caller }, offset);
    } else {
      this.#assertRoomToWait(bytesBound);
      const memory = Buffer.allocUnsafeSlow(bytesBound);
      const byteLength = encodeAppendFrame(appends, log, memory);
      const frame = memory.subarray(0, byteLength);
      this.#waiting.push({ frame, byteLength, eventCount, caller });
      this.#waitingByteLength += byteLength;
      this.#sendWaiting();
    }
  }

  storeCheckpoint(checkpoint: Omit<Extract<ToWriter, { kind: 'CHECKPOINT' }>, 'kind'>): void {
    if (this.#failure === null) this.#post({ kind: 'CHECKPOINT', ...checkpoint });
  }

  /** Resolves when it is stored. Rejects with `SiteLogWriteError` or `SiteLogClosedError`. */
  async storeReceipt(receipt: StoredReceipt): Promise<void> {
    await this.#ask({ kind: 'RECEIPT', receipt });
  }

  /** Makes one slice of a cut. True when there is more of it. */
  truncateSlice(cut: Cut): Promise<boolean> {
    return this.#ask({ kind: 'TRUNCATE', cut });
  }

  /** Resolves when the index of streams is whole again. Rejects with `SiteLogWriteError`: then it is as it was. */
  async rebuildIndex(damage: string): Promise<void> {
    await this.#ask({ kind: 'REBUILD_INDEX', damage });
  }

  /** Resolves when every append that was taken has its outcome. */
  async drain(): Promise<void> {
    if (this.#waiting.length + this.#inFlight.length === 0) return;
    await new Promise<void>(resolve => {
      this.#drained = resolve;
    });
  }

  async close(): Promise<void> {
    if (this.#failure === null) this.#post({ kind: 'CLOSE' });
    await this.#exited;
  }

  #ask(message: ToWriter): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) throw this.#failure;
      this.#asked.push({ resolve, reject });
      this.#post(message);
    });
  }

  #reserve(byteLength: number, eventCount: number): number | null {
    if (this.#isLargeInFlight || this.#inFlightEventCount + eventCount > IN_FLIGHT_EVENTS_MAX) return null;
    return this.#ring.reserve(byteLength);
  }

  /**
   * The first of a turn wakes the writer, which begins while the callers are still preparing the rest of its group; the
   * end of the turn tells it that the group is complete.
   */
  #publish(pending: PendingAppend, offset: number): void {
    this.#ring.publish(offset, pending.byteLength);
    this.#inFlight.push(pending);
    this.#inFlightEventCount += pending.eventCount;
    if (this.#isTurnOpen) return;
    this.#isTurnOpen = true;
    this.#ring.signal();
    setImmediate(() => {
      this.#isTurnOpen = false;
      this.#ring.endTurn();
      this.#ring.signal();
    });
  }

  #assertRoomToWait(byteLength: number): void {
    if (
      this.#waiting.length < WAITING_APPENDS_MAX &&
      this.#waitingByteLength + byteLength <= WAITING_BYTES_MAX
    ) {
      return;
    }
    const waiting = `${this.#waiting.length} appends with ${this.#waitingByteLength} bytes wait for the disk`;
    throw new SiteLogOverloadedError(`${waiting}; this one was not taken`);
  }

  /** As many of those that wait as there is room for, in order. */
  #sendWaiting(): void {
    let count = 0;
    for (const waiting of this.#waiting) {
      if (waiting.byteLength > IN_FLIGHT_BYTES_MAX) {
        if (this.#inFlight.length > 0) break;
        this.#sendLarge(waiting);
      } else {
        const offset = this.#reserve(waiting.byteLength, waiting.eventCount);
        if (offset === null) break;
        this.#ring.bytes.set(waiting.frame, offset);
        this.#publish(waiting, offset);
      }
      count += 1;
      this.#waitingByteLength -= waiting.byteLength;
    }
    if (count > 0) this.#waiting.splice(0, count);
  }

  #sendLarge(pending: WaitingAppend): void {
    this.#isLargeInFlight = true;
    this.#inFlight.push(pending);
    this.#inFlightEventCount += pending.eventCount;
    this.#post({ kind: 'LARGE_APPEND', frame: pending.frame });
  }

  #post(message: ToWriter): void {
    this.#worker.postMessage(message);
    this.#ring.countMessage();
    this.#ring.signal();
  }

  #receive(report: WriterReport): void {
    if (report.kind === 'WRITTEN') {
      this.#onGrown({ epoch: this.#epoch, size: report.size, edge: report.edge });
      const answered = this.#answered(report.outcomes.length);
      for (const [index, pending] of answered.entries()) {
        pending.caller.resolve(outcomeOf(report.outcomes[index]!, pending.eventCount, this.#epoch));
      }
    } else if (report.kind === 'DONE') {
      const asked = this.#asked.shift();
      if (report.failure === null) asked?.resolve(report.isMore);
      else asked?.reject(new SiteLogWriteError(report.failure));
    } else if (report.kind === 'INDEX_REBUILT') {
      this.#onIndexRebuilt(report.detail);
    } else if (report.kind === 'NOT_WRITTEN') {
      const cause = report.isDamaged ? new SiteLogFileError('DAMAGED', this.#file, report.reason) : undefined;
      const error = report.isFatal
        ? new SiteLogClosedError(`the site log cannot be written: ${report.reason}`, { cause })
        : new SiteLogWriteError(report.reason);
      for (const { caller } of this.#answered(report.appendCount)) caller.reject(error);
      if (report.isFatal) this.#fail(error);
    }
    if (this.#failure === null) this.#sendWaiting();
    if (this.#waiting.length + this.#inFlight.length === 0) this.#drained?.();
  }

  /** That the pages of the file are damaged; a fault of the thread may come before its report. */
  #damageIn(error: unknown): SiteLogFileError | null {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      if (isCorrupt(cause)) return new SiteLogFileError('DAMAGED', this.#file, cause.message, { cause });
    }
    return null;
  }

  #answered(count: number): readonly PendingAppend[] {
    const answered = this.#inFlight.splice(0, count);
    for (const { eventCount } of answered) this.#inFlightEventCount -= eventCount;
    if (this.#isLargeInFlight) this.#isLargeInFlight = false;
    else this.#ring.free(count);
    return answered;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const lost = [...this.#inFlight.splice(0), ...this.#waiting.splice(0)];
    for (const { caller } of lost) caller.reject(this.#failure);
    for (const asked of this.#asked.splice(0)) asked.reject(this.#failure);
    this.#drained?.();
  }
}

function firstReport(worker: Worker): Promise<WriterReport> {
  return new Promise((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () =>
      reject(new SiteLogClosedError('the writer of the site log ended before it began')),
    );
  });
}

function outcomeOf(written: WrittenAppend, eventCount: number, epoch: number): AppendOutcome {
  if (typeof written === 'number') {
    const lastPosition = written + eventCount - 1;
    return { appended: true, epoch, firstPosition: written, lastPosition, replayed: false };
  }
  if ('refusal' in written) return { appended: false, refusal: written.refusal };
  const { firstPosition, lastPosition } = written;
  return { appended: true, epoch: written.epoch, firstPosition, lastPosition, replayed: true };
}
