import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { encodeEdge } from '@holdfast/core';
import { type AppendFrame, decodeAppendFrames } from './append-frame.js';
import { SiteLogFileError } from './site-log-file.js';
import {
  GroupNotWrittenError,
  openSiteLogWriter,
  primaryCodeOf,
  type SiteLogWriter,
} from './site-log-writer.js';
import type { ToWriter, WriterOptions, WriterReport } from './writer-messages.js';

/** SQLite's primary result code for a full disk: the next append may find room. After any other, the file is not trusted. */
const SQLITE_FULL = 13;

/**
 * While a group is smaller than the one before, its commit waits this long for the callers who were in that one: most
 * of them are about to append again, and a sync for each half of them costs more than the wait. A lone caller never waits.
 */
const GATHER_MS_MAX = 0.25;

/** Takes messages in order and commits the appends among them in groups that are as large as what is waiting. */
class WriterLoop {
  readonly #writer: SiteLogWriter;
  readonly #port: MessagePort;
  #frames: Iterator<AppendFrame, void> | null = null;
  /** A message that came while a group was open and is no append: it is handled after the commit. */
  #postponed: Exclude<ToWriter, { readonly kind: 'APPENDS' }> | null = null;
  readonly #sentCount: Int32Array<SharedArrayBuffer>;
  #nowMs: number;
  #groupAppendCount = 0;
  #previousAppendCount = 0;

  constructor(writer: SiteLogWriter, port: MessagePort, options: WriterOptions) {
    this.#writer = writer;
    this.#port = port;
    this.#sentCount = options.sentCount;
    this.#nowMs = options.nowMs;
  }

  handle(message: ToWriter): void {
    if (message.kind === 'APPENDS') {
      this.#take(message);
      while (this.#frames !== null) {
        this.#commitGroup();
        if (this.#frames === null && this.#postponed === null) this.#linger();
      }
    } else {
      this.#postponed = message;
    }
    const postponed = this.#postponed;
    this.#postponed = null;
    if (postponed?.kind === 'CHECKPOINT') this.#storeCheckpoint(postponed);
    if (postponed?.kind === 'CLOSE') {
      this.#writer[Symbol.dispose]();
      this.#port.close();
    }
  }

  #storeCheckpoint(checkpoint: Extract<ToWriter, { readonly kind: 'CHECKPOINT' }>): void {
    try {
      this.#writer.storeCheckpoint(checkpoint);
    } catch (error) {
      // The next one will cover the same events; that the disk is full, every append says for itself.
      if (primaryCodeOf(error) !== SQLITE_FULL) throw error;
    }
  }

  #take(message: Extract<ToWriter, { readonly kind: 'APPENDS' }>): void {
    this.#frames = decodeAppendFrames(message.frames);
    this.#nowMs = message.nowMs;
  }

  #next(): AppendFrame | undefined {
    while (this.#frames !== null) {
      const next = this.#frames.next();
      if (!next.done) {
        this.#groupAppendCount += 1;
        return next.value;
      }
      this.#frames = null;
      if (this.#postponed !== null) return undefined;
      this.#accept(this.#receive());
    }
    return undefined;
  }

  /** After a group of several the next is about to come: meeting it here spares the way through the event loop. */
  #linger(): void {
    if (this.#previousAppendCount <= 1) return;
    this.#groupAppendCount = 0;
    this.#accept(this.#receive());
  }

  #accept(received: ToWriter | undefined): void {
    if (received?.kind === 'APPENDS') this.#take(received);
    else this.#postponed = received ?? null;
  }

  /** The next message; waits for it, for a bounded time, while the group is smaller than the one before. */
  #receive(): ToWriter | undefined {
    const untilMs = performance.now() + GATHER_MS_MAX;
    for (;;) {
      const seenCount = Atomics.load(this.#sentCount, 0);
      const received = receiveMessageOnPort(this.#port);
      if (received !== undefined) return received.message as ToWriter;
      const leftMs = untilMs - performance.now();
      if (this.#groupAppendCount >= this.#previousAppendCount || leftMs <= 0) return undefined;
      Atomics.wait(this.#sentCount, 0, seenCount, leftMs);
    }
  }

  #commitGroup(): void {
    this.#groupAppendCount = 0;
    try {
      const { outcomes, size, edge } = this.#writer.commitGroup(() => this.#next(), this.#nowMs);
      this.#previousAppendCount = outcomes.length;
      if (outcomes.length > 0) report({ kind: 'WRITTEN', outcomes, size, edge: encodeEdge(edge) });
    } catch (error) {
      if (!(error instanceof GroupNotWrittenError)) throw error;
      const isFatal = primaryCodeOf(error.cause) !== SQLITE_FULL;
      report({ kind: 'NOT_WRITTEN', appendCount: error.appendCount, reason: error.message, isFatal });
      if (isFatal) throw error;
    }
  }
}

function report(message: WriterReport): void {
  parentPort?.postMessage(message);
}

function open(options: WriterOptions): SiteLogWriter | null {
  try {
    return openSiteLogWriter({ ...options, monotonicMs: () => performance.now() });
  } catch (error) {
    const fault = error instanceof SiteLogFileError ? { fault: error.fault, position: error.position } : null;
    report({ kind: 'NOT_OPENED', reason: error instanceof Error ? error.message : String(error), fault });
    return null;
  }
}

const options = workerData as WriterOptions;
const writer = open(options);
if (writer !== null && parentPort !== null) {
  const loop = new WriterLoop(writer, parentPort, options);
  parentPort.on('message', (message: ToWriter) => loop.handle(message));
  const { epoch, size, edge } = writer.state;
  report({ kind: 'OPENED', epoch, size, edge: encodeEdge(edge) });
}
