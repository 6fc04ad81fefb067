import type { KeyObject } from 'node:crypto';
import {
  type AppendOutcome,
  CheckpointError,
  type CheckpointSource,
  checkAppends,
  checkpointHead,
  comparePlaces,
  decodeEdge,
  endOf,
  followLog,
  hexOf,
  LOG_START,
  LOG_STREAM,
  LogGrowth,
  type LogHead,
  type LogPlace,
  type LogTruncation,
  logStreamEvent,
  type NoteSigner,
  type OverTheCut,
  type PulledHistory,
  type ReceiptStore,
  type RecordedEvent,
  type ReopenableLog,
  type ReopenOutcome,
  rootOf,
  type SealedEpoch,
  type SignedCheckpoint,
  SiteLogClosedError,
  type StoredReceipt,
  type StreamAppend,
  type TruncatableLog,
} from '@holdfast/core';
import { passingEventTypes, type SiteId } from '@holdfast/schema';
import { untilAborted } from '../until-aborted.js';
import { CHECKPOINT_INTERVAL_MS, CheckpointKeeper } from './checkpoint-keeper.js';
import { noteSigner } from './ed25519-notes.js';
import { reopenSiteLogFile } from './reopen-site-log.js';
import { sha256 } from './sha256.js';
import { SiteLogFileError } from './site-log-file.js';
import { SiteLogReader } from './site-log-reader.js';
import type { Cut } from './site-log-truncation.js';
import { isIndexDamage } from './stream-index.js';
import { SiteLogWriteError, WriterThread, type WrittenEnd } from './writer-thread.js';

export interface SqliteSiteLogOptions {
  /** The log's file; its directory is created when it is missing. */
  readonly file: string;
  readonly site: SiteId;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** The site's Ed25519 private key. */
  readonly signingKey: KeyObject;
  readonly checkpointIntervalMs?: number;
  /** The index of streams was damaged, how it showed, and was built anew from the events. Nothing else is wrong with the log. */
  readonly onIndexRebuilt?: (detail: string) => void;
}

/** A durable site log: what it has acknowledged survives a power cut. */
export interface SqliteSiteLog extends ReopenableLog, CheckpointSource, ReceiptStore, TruncatableLog {
  failure(signal: AbortSignal): Promise<Error | null>;
  release(): Promise<SignedCheckpoint>;
  reopenAs(history: PulledHistory): Promise<ReopenOutcome<SqliteSiteLog>>;
}

/**
 * Opens a site's log, or creates it with `LogEpochOpened` as its first event. Throws `SiteLogFileError` when another process
 * writes it, when it is another site's, or when its tail is damaged.
 */
export async function openSqliteSiteLog(options: SqliteSiteLogOptions): Promise<SqliteSiteLog> {
  const signer = noteSigner(options.signingKey);
  const growth = new LogGrowth(LOG_START);
  const tail: LogTail = { size: 0, edge: new Uint8Array(0) };
  const onGrown = ({ epoch, size, edge }: WrittenEnd) => {
    tail.size = size;
    tail.edge = edge;
    growth.grow(endOf({ epoch, size }));
  };
  const { file, site, now, onIndexRebuilt = () => undefined } = options;
  const { thread, opening } = await WriterThread.open({
    ...{ file, site, now, nowMs: now() },
    ...{ onGrown, onIndexRebuilt },
  });
  onGrown(opening);
  try {
    const reader = new SiteLogReader(file);
    const log = new SqliteSiteLogOnThread({
      ...options,
      epoch: opening.epoch,
      thread,
      reader,
      growth,
      tail,
      signer,
    });
    await log.resumeTruncation();
    return log;
  } catch (error) {
    await thread.close();
    throw error;
  }
}

/** Where the log stands, as far as it is acknowledged. */
interface LogTail {
  size: number;
  /** As `encodeEdge` gives it: read only by whom the head matters to. */
  edge: Uint8Array;
}

class SqliteSiteLogOnThread implements SqliteSiteLog {
  readonly #options: SqliteSiteLogOptions;
  readonly #site: SiteId;
  readonly #epoch: number;
  readonly #epochs: readonly SealedEpoch[];
  readonly #now: () => number;
  readonly #thread: WriterThread;
  readonly #reader: SiteLogReader;
  readonly #growth: LogGrowth;
  readonly #tail: LogTail;
  readonly #signer: NoteSigner;
  readonly #keeper: CheckpointKeeper;
  #head: LogHead | null = null;
  #closing: Promise<void> | null = null;
  readonly #stop = new AbortController();
  #resuming: Promise<void> = Promise.resolve();
  readonly #damaged = Promise.withResolvers<Error>();
  #mending: Promise<void> | null = null;
  #isBeyondMending = false;

  constructor(
    options: SqliteSiteLogOptions & {
      readonly epoch: number;
      readonly thread: WriterThread;
      readonly reader: SiteLogReader;
      readonly growth: LogGrowth;
      readonly tail: LogTail;
      readonly signer: NoteSigner;
    },
  ) {
    this.#options = options;
    this.#site = options.site;
    this.#epoch = options.epoch;
    this.#now = options.now;
    this.#thread = options.thread;
    this.#reader = options.reader;
    this.#epochs = options.reader.epochs();
    this.#growth = options.growth;
    this.#tail = options.tail;
    this.#signer = options.signer;
    this.#keeper = new CheckpointKeeper({
      ...{ head: () => this.head(), signer: options.signer, now: options.now },
      intervalMs: options.checkpointIntervalMs ?? CHECKPOINT_INTERVAL_MS,
      store: ({ head, note, signedAtMs }) =>
        this.#thread.storeCheckpoint({ size: head.size, note, signedAtMs }),
    });
  }

  append(appends: readonly StreamAppend[]): Promise<AppendOutcome> {
    // One promise from here to the writer and back: this is the busiest way through the log.
    return new Promise((resolve, reject) => {
      this.#assertOpen();
      const refusal = checkAppends(appends);
      if (refusal === null) this.#thread.append(appends, { resolve, reject });
      else resolve({ appended: false, refusal });
    });
  }

  head(): LogHead {
    const { size, edge } = this.#tail;
    if (this.#head?.size !== size) {
      this.#head = {
        site: this.#site,
        epoch: this.#epoch,
        size,
        root: rootOf(decodeEdge(edge, size), size, sha256),
      };
    }
    return this.#head;
  }

  epochs(): readonly SealedEpoch[] {
    return this.#epochs;
  }

  async read(
    options: {
      readonly after: LogPlace;
      readonly limit: number;
      readonly without?: readonly string[];
    } & OverTheCut,
  ): Promise<readonly RecordedEvent[]> {
    this.#assertOpen();
    return this.#read(options);
  }

  async readStream(
    options: {
      readonly stream: string;
      readonly afterRevision: number | null;
      readonly limit: number;
    } & OverTheCut,
  ): Promise<readonly RecordedEvent[]> {
    this.#assertOpen();
    return this.#mendingIndex(() => this.#reader.readStream(options));
  }

  /** Reads once more when the index of streams is whole again. Where that was of no use, it is not done again for the next. */
  async #mendingIndex<T>(read: () => T): Promise<T> {
    try {
      return read();
    } catch (error) {
      if (!isIndexDamage(error) || this.#isBeyondMending) throw this.#noted(error);
      this.#mending ??= this.#thread.rebuildIndex(error.message).finally(() => {
        this.#mending = null;
      });
      try {
        await this.#mending;
        this.#assertOpen();
        return read();
      } catch (again) {
        const isUnmended = again instanceof SiteLogWriteError;
        this.#isBeyondMending ||= isUnmended || isIndexDamage(again);
        throw this.#noted(isUnmended ? error : again);
      }
    }
  }

  subscribe(
    options: {
      readonly after: LogPlace;
      readonly signal: AbortSignal;
    } & OverTheCut,
  ): AsyncIterable<readonly RecordedEvent[]> {
    this.#assertOpen();
    const { carried = false } = options;
    const read = async (page: { readonly after: LogPlace; readonly limit: number }) =>
      this.#read({ ...page, carried });
    return followLog({ ...options, read, growth: this.#growth });
  }

  async signedCheckpoint(): Promise<SignedCheckpoint> {
    this.#assertOpen();
    return this.#keeper.signed();
  }

  async storeReceipt({ witness, note }: { readonly witness: SiteId; readonly note: string }): Promise<void> {
    this.#assertOpen();
    const { site, epoch, size } = checkpointHead(note);
    if (site !== this.#site || epoch > this.#epoch) {
      throw new CheckpointError(
        'MALFORMED_BODY',
        `a receipt of ${site}, epoch ${epoch}, is none of this log`,
      );
    }
    await this.#thread.storeReceipt({ witness, epoch, size, note, receivedAtMs: Math.floor(this.#now()) });
  }

  async receipts(): Promise<readonly StoredReceipt[]> {
    this.#assertOpen();
    return this.#reader.receipts();
  }

  keptAfter(): LogPlace {
    this.#assertOpen();
    return this.#reader.keptAfter();
  }

  lastRecordedBefore(ms: number): LogPlace | null {
    this.#assertOpen();
    return this.#reader.lastRecordedBefore(ms);
  }

  async truncate(plan: LogTruncation, signal: AbortSignal): Promise<void> {
    this.#assertOpen();
    const { keptAfter, acknowledgedBy, recordedBeforeMs } = plan;
    if (comparePlaces(keptAfter, this.#reader.keptAfter()) <= 0) return;
    const edge = await this.#reader.edgeAt(keptAfter, signal);
    const root = hexOf(rootOf(edge, keptAfter.position, sha256));
    const { epoch, position } = keptAfter;
    const cut = { to: keptAfter, passingTypes: passingEventTypes };
    const { count, root: carriedRoot } = await this.#reader.carriedTreeAhead(cut, signal);
    const carried = { passingTypes: [...passingEventTypes], count, root: hexOf(carriedRoot) };
    const data = {
      ...{ epoch, firstKeptPosition: position + 1, root },
      ...{ acknowledgedBy, recordedBeforeMs, carried },
    };
    const context = { site: this.#site, nowMs: this.#now(), sha256 };
    const event = logStreamEvent({ type: 'LogTruncated', data }, `${epoch} ${position}`, context);
    const outcome = await this.append([{ stream: LOG_STREAM, expected: 'any', events: [event] }]);
    if (!outcome.appended) throw new Error(`LogTruncated was refused: ${outcome.refusal.code}`);
    await this.#make(cut, signal);
  }

  /** Goes on with what was cut off by a kill. */
  async resumeTruncation(): Promise<void> {
    let truncation: ReturnType<SiteLogReader['lastTruncation']>;
    try {
      truncation = await this.#mendingIndex(() => this.#reader.lastTruncation());
    } catch (error) {
      // Whoever reads the damaged event is told of it; it is no reason to take no more facts.
      if (!(error instanceof SiteLogFileError)) throw error;
      return;
    }
    if (truncation === null) return;
    const to = { epoch: truncation.epoch, position: truncation.firstKeptPosition - 1 };
    if (comparePlaces(this.#reader.keptAfter(), to) >= 0) return;
    // What was said to be carried is carried, also by software that judges otherwise.
    const cut = { to, passingTypes: truncation.carried?.passingTypes ?? passingEventTypes };
    // It fails only together with the log, or for want of room: then the next opening goes on.
    this.#resuming = this.#make(cut, this.#stop.signal).catch(() => undefined);
  }

  async #make(cut: Cut, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.#stop.signal.aborted && (await this.#thread.truncateSlice(cut)));
  }

  async reopenAs(history: PulledHistory): Promise<ReopenOutcome<SqliteSiteLog>> {
    this.#assertOpen();
    const { file, site, now, onIndexRebuilt } = this.#options;
    await this[Symbol.asyncDispose]();
    const refusal = await reopenSiteLogFile({
      ...{ file, site, signer: this.#signer, nowMs: now(), history, onIndexRebuilt },
    });
    const log = await openSqliteSiteLog(this.#options);
    return refusal === null ? { reopened: true, log } : { reopened: false, log, refusal };
  }

  async failure(signal: AbortSignal): Promise<Error | null> {
    const found = Promise.withResolvers<Error | null>();
    const ended = this.#thread.ended.then(() => found.resolve(this.#thread.failure));
    const damaged = this.#damaged.promise.then(found.resolve);
    await untilAborted(Promise.race([ended, damaged]), signal);
    return signal.aborted || this.#closing !== null ? null : found.promise;
  }

  failedBecause(): string | null {
    return this.#thread.failure?.message ?? null;
  }

  async release(): Promise<SignedCheckpoint> {
    await this.#thread.drain();
    this.#keeper.store();
    await this.#thread.close();
    return this.#keeper.signed();
  }

  #read(page: Parameters<SiteLogReader['read']>[0]): readonly RecordedEvent[] {
    try {
      return this.#reader.read(page);
    } catch (error) {
      throw this.#noted(error);
    }
  }

  /** What nobody can read is a failure of the log, not only of whoever came upon it. */
  #noted(error: unknown): unknown {
    if (error instanceof SiteLogFileError && error.fault === 'DAMAGED') this.#damaged.resolve(error);
    return error;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    await this.#resuming;
    this.#keeper[Symbol.dispose]();
    this.#growth.end();
    await this.#thread.drain();
    this.#keeper.store();
    this.#reader[Symbol.dispose]();
    await this.#thread.close();
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new SiteLogClosedError();
  }
}
