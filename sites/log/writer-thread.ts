import { Worker } from 'node:worker_threads';
import { decodeEdge, SiteLogClosedError, type TreeEdge } from '@holdfast/core';
import type { WrittenAppend } from './append-group.js';
import { SiteLogFileError } from './site-log-file.js';
import type { ToWriter, WriterOptions, WriterReport } from './writer-messages.js';

/** Events that the writer has been sent and not answered: one group being committed and one behind it. */
export const IN_FLIGHT_EVENTS_MAX = 1024;
/** The same in bytes. One append is always sent, however large. */
export const IN_FLIGHT_BYTES_MAX = 2 * 1024 * 1024;
/** Appends that wait behind those in flight. Callers await their appends, so more than this is a caller that does not. */
export const WAITING_APPENDS_MAX = 16_384;
/** The same in bytes. */
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;

/**
 * So many appends are sent at once without waiting for the end of the turn: the writer wakes up and begins while the
 * callers are still preparing the rest of its group.
 */
const SENT_AT_ONCE_APPENDS = 4;

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
  readonly frame: Uint8Array;
  readonly eventCount: number;
  readonly resolve: (written: WrittenAppend) => void;
  readonly reject: (error: Error) => void;
}

export interface WriterOpening {
  readonly epoch: number;
  readonly size: number;
  readonly edge: TreeEdge;
}

/** The caller's end of the writer thread: gathers appends, sends them together, and hands each its outcome. */
export class WriterThread {
  readonly #worker: Worker;
  readonly #sentCount: Int32Array<SharedArrayBuffer>;
  readonly #now: () => number;
  readonly #onGrown: (size: number, edge: TreeEdge) => void;
  readonly #exited: Promise<void>;
  #waiting: PendingAppend[] = [];
  #waitingByteLength = 0;
  /** Sent and not answered, oldest first. */
  readonly #inFlight: PendingAppend[] = [];
  #inFlightEventCount = 0;
  #inFlightByteLength = 0;
  #isSendScheduled = false;
  #failure: Error | null = null;
  #drained: (() => void) | null = null;

  private constructor(
    worker: Worker,
    options: Pick<WriterOptions, 'sentCount'> & {
      readonly now: () => number;
      readonly onGrown: (size: number, edge: TreeEdge) => void;
    },
  ) {
    this.#worker = worker;
    this.#sentCount = options.sentCount;
    this.#now = options.now;
    this.#onGrown = options.onGrown;
    this.#exited = new Promise(resolve => {
      worker.once('exit', () => {
        this.#fail(new SiteLogClosedError('the writer of the site log has ended'));
        resolve();
      });
    });
    worker.on('message', (report: WriterReport) => this.#receive(report));
    worker.on('error', cause => {
      const reason = `the writer of the site log has failed: ${cause instanceof Error ? cause.message : cause}`;
      this.#fail(new SiteLogClosedError(reason, { cause }));
    });
  }

  /** Starts the thread and opens the file in it. Throws `SiteLogFileError`. */
  static async open(
    options: Omit<WriterOptions, 'sentCount'> & {
      readonly now: () => number;
      readonly onGrown: (size: number, edge: TreeEdge) => void;
    },
  ): Promise<{ readonly thread: WriterThread; readonly opening: WriterOpening }> {
    const { file, site, nowMs } = options;
    const sentCount = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
    const worker = new Worker(new URL('./site-log.worker.js', import.meta.url), {
      workerData: { file, site, nowMs, sentCount } satisfies WriterOptions,
      name: 'site-log-writer',
    });
    const report = await firstReport(worker);
    if (report.kind === 'OPENED') {
      const { epoch, size } = report;
      const thread = new WriterThread(worker, { ...options, sentCount });
      return { thread, opening: { epoch, size, edge: decodeEdge(report.edge, size) } };
    }
    await worker.terminate();
    if (report.kind !== 'NOT_OPENED') throw new Error(`the writer began with ${report.kind}`);
    throw new SiteLogFileError(report.fault?.fault ?? 'UNREADABLE', file, report.reason, {
      ...(report.fault?.position == null ? {} : { position: report.fault.position }),
    });
  }

  /** Resolves after the commit. Rejects with `SiteLogOverloadedError`, `SiteLogWriteError` or `SiteLogClosedError`. */
  append(frame: Uint8Array, eventCount: number): Promise<WrittenAppend> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (
      this.#waiting.length >= WAITING_APPENDS_MAX ||
      this.#waitingByteLength + frame.length > WAITING_BYTES_MAX
    ) {
      const waiting = `${this.#waiting.length} appends with ${this.#waitingByteLength} bytes wait for the disk`;
      return Promise.reject(new SiteLogOverloadedError(`${waiting}; this one was not taken`));
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ frame, eventCount, resolve, reject });
      this.#waitingByteLength += frame.length;
      if (this.#waiting.length >= SENT_AT_ONCE_APPENDS) this.#send();
      else this.#scheduleSend();
    });
  }

  storeCheckpoint(checkpoint: Omit<Extract<ToWriter, { kind: 'CHECKPOINT' }>, 'kind'>): void {
    if (this.#failure === null) this.#post({ kind: 'CHECKPOINT', ...checkpoint });
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

  /** After this turn of the event loop, so that all who append in it travel together. */
  #scheduleSend(): void {
    if (this.#isSendScheduled) return;
    this.#isSendScheduled = true;
    setImmediate(() => {
      this.#isSendScheduled = false;
      this.#send();
    });
  }

  #send(): void {
    let count = 0;
    let byteLength = 0;
    for (const { frame, eventCount } of this.#waiting) {
      const isFull =
        this.#inFlightEventCount + eventCount > IN_FLIGHT_EVENTS_MAX ||
        this.#inFlightByteLength + frame.length > IN_FLIGHT_BYTES_MAX;
      if (isFull && this.#inFlightEventCount > 0) break;
      count += 1;
      byteLength += frame.length;
      this.#inFlightEventCount += eventCount;
      this.#inFlightByteLength += frame.length;
    }
    if (count === 0) return;
    const frames = new Uint8Array(byteLength);
    let offset = 0;
    for (const pending of this.#waiting.splice(0, count)) {
      frames.set(pending.frame, offset);
      offset += pending.frame.length;
      this.#inFlight.push(pending);
    }
    this.#waitingByteLength -= byteLength;
    this.#post({ kind: 'APPENDS', frames, nowMs: this.#now() }, [frames.buffer]);
  }

  #post(message: ToWriter, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
    Atomics.add(this.#sentCount, 0, 1);
    Atomics.notify(this.#sentCount, 0);
  }

  #receive(report: WriterReport): void {
    if (report.kind === 'WRITTEN') {
      this.#onGrown(report.size, decodeEdge(report.edge, report.size));
      const answered = this.#answered(report.outcomes.length);
      for (const [index, pending] of answered.entries()) pending.resolve(report.outcomes[index]!);
    } else if (report.kind === 'NOT_WRITTEN') {
      const error = report.isFatal
        ? new SiteLogClosedError(`the site log cannot be written: ${report.reason}`)
        : new SiteLogWriteError(report.reason);
      for (const pending of this.#answered(report.appendCount)) pending.reject(error);
      if (report.isFatal) this.#fail(error);
    }
    if (this.#waiting.length > 0) this.#scheduleSend();
    else if (this.#inFlight.length === 0) this.#drained?.();
  }

  #answered(count: number): readonly PendingAppend[] {
    const answered = this.#inFlight.splice(0, count);
    for (const { frame, eventCount } of answered) {
      this.#inFlightEventCount -= eventCount;
      this.#inFlightByteLength -= frame.length;
    }
    return answered;
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    const lost = [...this.#inFlight.splice(0), ...this.#waiting.splice(0)];
    for (const pending of lost) pending.reject(this.#failure);
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
