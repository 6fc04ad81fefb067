import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { encodeEdge } from '@holdfast/core';
import { isCorrupt, primaryCodeOf, sqliteResult } from '../sqlite-result.js';
import { type AppendFrame, decodeAppendFrame } from './append-frame.js';
import { AppendRingReceiver } from './append-ring.js';
import { SiteLogFileError } from './site-log-file.js';
import {
  GROUP_MS_MAX,
  GroupNotWrittenError,
  openSiteLogWriter,
  type SiteLogWriter,
} from './site-log-writer.js';
import type { ToWriter, WriterOptions, WriterReport } from './writer-messages.js';

const isDamage = (error: unknown) => isCorrupt(error) || error instanceof SiteLogFileError;
/** On a full disk: the next append may find room. After any other fault, the file is not trusted. */
const isPassing = (error: unknown) => primaryCodeOf(error) === sqliteResult.FULL;

/**
 * Those who have just been answered are most likely about to append again. For so long after the answer the next commit
 * waits for them: a commit for one half of the callers and another for the other costs more than the wait. Who appends
 * alone is never waited for.
 */
const RETURN_MS_MAX = 1;
/** While commits are quicker than that, waiting longer than one takes would not pay. */
const RETURN_MS_MIN = 0.25;
/** Share of the newest commit in the average. */
const COMMIT_MS_WEIGHT = 0.2;

/** Commits what comes through the ring in groups as large as the number of callers. Never goes back to the event loop. */
class WriterLoop {
  readonly #writer: SiteLogWriter;
  readonly #port: MessagePort;
  readonly #ring: AppendRingReceiver;
  /** Appends that were answered last, and those that had come meanwhile: as many as can be in the next group. */
  #expectedCount = 1;
  #returnUntilMs = 0;
  #commitMs = 0;

  constructor(writer: SiteLogWriter, port: MessagePort, options: WriterOptions) {
    this.#writer = writer;
    this.#port = port;
    this.#ring = new AppendRingReceiver(options.ring);
  }

  /** Until the log is closed. Throws what makes the file no longer to be trusted. */
  run(): void {
    for (;;) {
      const { signalCount } = this.#ring;
      if (this.#ring.takeMessageCount()) {
        const message = receiveMessageOnPort(this.#port)?.message as ToWriter | undefined;
        if (message?.kind === 'CLOSE') return;
        if (message?.kind === 'CHECKPOINT') this.#storeCheckpoint(message);
        if (message?.kind === 'RECEIPT') this.#do(() => this.#writer.storeReceipt(message.receipt));
        if (message?.kind === 'TRUNCATE') this.#do(() => this.#writer.truncateSlice(message.cut));
        if (message?.kind === 'REBUILD_INDEX') this.#rebuildIndex(message.damage);
        if (message?.kind === 'LARGE_APPEND') this.#commitAlone(message.frame);
      } else if (this.#ring.waitingCount > 0) {
        this.#commitGathered();
      } else {
        this.#ring.sleep(signalCount);
      }
    }
  }

  /** What stands beside the appends: a full disk is told to who asked, and the log goes on. */
  #do(task: () => boolean, isHarmless = isPassing): void {
    try {
      report({ kind: 'DONE', failure: null, isMore: task() });
    } catch (error) {
      const failure = error instanceof Error ? error.message : String(error);
      report({ kind: 'DONE', failure, isMore: false });
      if (!isHarmless(error)) throw error;
    }
  }

  /** For who reads. Where it fails, the file is as it was: the next append may do without what is damaged. */
  #rebuildIndex(damage: string): void {
    const rebuild = () => {
      this.#writer.rebuildStreamIndex(damage);
      return false;
    };
    this.#do(rebuild, () => true);
  }

  #storeCheckpoint(checkpoint: Extract<ToWriter, { kind: 'CHECKPOINT' }>): void {
    try {
      this.#writer.storeCheckpoint(checkpoint);
    } catch (error) {
      // The next one will cover the same events; that the disk is full, every append says for itself.
      if (!isPassing(error)) throw error;
    }
  }

  #commitAlone({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>): void {
    const frames = [decodeAppendFrame(Buffer.from(buffer, byteOffset, byteLength))];
    this.#commitGroup(() => frames.shift());
  }

  #commitGathered(): void {
    const untilMs = performance.now() + GROUP_MS_MAX;
    let count = 0;
    this.#commitGroup(() => {
      const frame = this.#ring.take() ?? this.#awaitFrame(count, untilMs);
      count += 1;
      return frame;
    });
  }

  /** The next frame of a group that is not complete, or undefined when it is to be committed as it is. */
  #awaitFrame(count: number, untilMs: number): AppendFrame | undefined {
    while (count < this.#expectedCount) {
      const { signalCount } = this.#ring;
      const frame = this.#ring.take();
      if (frame !== undefined) return frame;
      const leftMs = (this.#ring.isTurnOver ? this.#returnUntilMs : untilMs) - performance.now();
      if (leftMs <= 0) return undefined;
      this.#ring.sleep(signalCount, leftMs);
    }
    return undefined;
  }

  #commitGroup(next: () => AppendFrame | undefined): void {
    try {
      const { outcomes, size, edge, commitMs } = this.#writer.commitGroup(next);
      report({ kind: 'WRITTEN', outcomes, size, edge: encodeEdge(edge) });
      this.#commitMs += (commitMs - this.#commitMs) * COMMIT_MS_WEIGHT;
      this.#expectedCount = outcomes.length + this.#ring.waitingCount;
      const returnMs = Math.min(RETURN_MS_MAX, Math.max(RETURN_MS_MIN, this.#commitMs));
      this.#returnUntilMs = performance.now() + returnMs;
    } catch (error) {
      if (!(error instanceof GroupNotWrittenError)) throw error;
      const isFatal = !isPassing(error.cause);
      const isDamaged = isDamage(error.cause);
      report({
        kind: 'NOT_WRITTEN',
        ...{ appendCount: error.appendCount, reason: error.message, isFatal, isDamaged },
      });
      if (isFatal) throw error;
    }
    this.#writer.indexStreams();
  }
}

function report(message: WriterReport): void {
  parentPort?.postMessage(message);
}

function open(options: WriterOptions): SiteLogWriter | null {
  try {
    return openSiteLogWriter({
      ...options,
      monotonicMs: () => performance.now(),
      onIndexRebuilt: detail => report({ kind: 'INDEX_REBUILT', detail }),
    });
  } catch (error) {
    const ofFile = error instanceof SiteLogFileError ? error : null;
    const reason = ofFile?.detail ?? (error instanceof Error ? error.message : String(error));
    const damaged = isCorrupt(error) ? ({ fault: 'DAMAGED', position: null } as const) : null;
    const fault = ofFile === null ? damaged : { fault: ofFile.fault, position: ofFile.position };
    report({ kind: 'NOT_OPENED', reason, fault });
    return null;
  }
}

const options = workerData as WriterOptions;
const writer = open(options);
if (writer !== null && parentPort !== null) {
  const { epoch, size, edge } = writer.state;
  report({ kind: 'OPENED', epoch, size, edge: encodeEdge(edge) });
  try {
    new WriterLoop(writer, parentPort, options).run();
  } finally {
    writer[Symbol.dispose]();
  }
}
