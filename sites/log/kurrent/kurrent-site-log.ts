import type { KeyObject } from 'node:crypto';
import { renameSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type AppendOutcome,
  CheckpointError,
  checkAppends,
  checkpointHead,
  checkReadLimit,
  endOf,
  equalBytes,
  firstEventOf,
  followLog,
  LOG_START,
  LogGrowth,
  type LogHead,
  type LogPlace,
  openCheckpoint,
  type PulledHistory,
  READ_BYTES_MAX,
  type RecordedEvent,
  type ReopenOutcome,
  rootOf,
  type SealedEpoch,
  type SignedCheckpoint,
  SiteLogClosedError,
  type StoredReceipt,
  type StreamAppend,
} from '@holdfast/core';
import { makeFolder } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { CHECKPOINT_INTERVAL_MS, CheckpointKeeper } from '../checkpoint-keeper.js';
import type { DurableSiteLog } from '../durable-site-log.js';
import { noteSigner, rawPublicKey, verifyNote } from '../ed25519-notes.js';
import { lockFile } from '../file-lock.js';
import { sha256 } from '../sha256.js';
import { KurrentConnection } from './kurrent-connection.js';
import { KurrentLogError } from './kurrent-log-error.js';
import { KurrentLogIndex, removeKurrentIndex } from './kurrent-log-index.js';
import { KurrentLogStreams, logNameOf, readCatalogue, writersStreamOf } from './kurrent-log-streams.js';
import { claimLog, KurrentLogWriter } from './kurrent-log-writer.js';
import { KurrentReceipts } from './kurrent-receipts.js';
import { type PatienceOptions, untilAnswered } from './patience.js';
import { reopenKurrentLog } from './reopen-kurrent-log.js';
import { ServerPresence } from './server-presence.js';
import { runsOf } from './stream-runs.js';

/** Opening a log of which the site holds no copy gives up after this long without an answer: who starts the process should hear of it. */
const OPEN_PATIENCE_MS = 60_000;
/** Where it holds a copy, the site begins with that instead, and its cameras are recorded soon. */
const AWAY_AFTER_MS = 2_000;
/** A read waits so long for a server that may only be slow, then is answered from the copy. */
const READ_PATIENCE_MS = 1_000;
/** A server may be a moment behind itself: what it does not show after so many questions, some seconds, is lost. */
const MISSING_ANSWERS = 8;
const MISSING_PAUSE_MS = 500;
/** Who waits for the server to be there looks so often. */
const PRESENCE_LOOK_MS = 250;
/** Closing waits this long for appends whose outcome is not known yet. */
const CLOSE_MS_MAX = 10_000;

export interface KurrentSiteLogOptions {
  /** `esdb://…`, as the client takes it. */
  readonly connectionString: string;
  readonly site: SiteId;
  /** Where the index is kept, so that opening reads only what is new. `null`: in memory. */
  readonly indexFile: string | null;
  /** Where receipts are kept: nothing can make them again. Absent: in memory. */
  readonly receiptFile?: string;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly random: () => number;
  /** The site's Ed25519 private key. */
  readonly signingKey: KeyObject;
  readonly checkpointIntervalMs?: number;
  /** Told when the server does not answer, at most a few times a second. */
  readonly onTrouble: (detail: string) => void;
}

/**
 * Opens a site's log on a server of EventStoreDB or KurrentDB, or creates it with `LogEpochOpened` as its first event. What
 * it has acknowledged, the server has committed. When the server does not answer and the site holds a copy of its log, it begins
 * with that: what is appended waits until the server is there and holds what the copy does. Throws `KurrentLogError`.
 */
export async function openKurrentSiteLog(options: KurrentSiteLogOptions): Promise<DurableSiteLog> {
  const { site, indexFile, now, random, signingKey } = options;
  const closing = new AbortController();
  await using opened = new AsyncDisposableStack();
  opened.use(lockIndex(indexFile, site));
  const connection = opened.use(new KurrentConnection(options.connectionString));
  opened.defer(() => closing.abort());
  const presence = new ServerPresence({
    ...{ now, signal: closing.signal, onTrouble: options.onTrouble },
    probe: () => connection.lastNote(writersStreamOf(site)),
  });
  const patience = {
    ...{ signal: closing.signal, random },
    ...{ onTrouble: presence.trouble, onAnswer: presence.answered },
  };
  const answered = <Answer>(ask: () => Promise<Answer>, patienceMs: number) =>
    untilAnswered(logNameOf(site), ask, { ...patience, patienceMs });
  const claim = async () => ({
    writerId: await claimLog(connection, site),
    catalogue: await readCatalogue(connection, site),
  });
  const held = KurrentLogIndex.catalogueIn(indexFile, site);
  const firstPatienceMs = held === null ? OPEN_PATIENCE_MS : AWAY_AFTER_MS;
  const claimed = await answered(claim, firstPatienceMs).catch(unlessAway(held));
  const catalogue = claimed?.catalogue ?? held ?? [];
  const index = opened.use(KurrentLogIndex.open(indexFile, site, catalogue));
  const streams = new KurrentLogStreams(connection, site, catalogue);
  const growth = new LogGrowth(LOG_START);
  const onGrown = () => growth.grow(endOf(index.end));
  const { promise: begun, ...beginning } = Promise.withResolvers<string>();
  const writer = new KurrentLogWriter({ connection, streams, index, now, patience, onGrown, begun });
  const prove = async (writerId: string) => {
    await assertContinued(streams, index);
    await writer.catchUp();
    await assertSigned(connection, streams, index, signingKey);
    return writerId;
  };
  const proven =
    claimed && (await answered(() => prove(claimed.writerId), firstPatienceMs).catch(unlessAway(held)));
  if (proven !== null) beginning.resolve(proven);
  else {
    const later = async () => {
      const { writerId, catalogue: found } = await claim();
      if (found.join() === catalogue.join()) return prove(writerId);
      const detail = 'its history was written anew while this site could not reach it: start the site again';
      throw new KurrentLogError('FORKED', logNameOf(site), detail);
    };
    answered(later, Number.POSITIVE_INFINITY).then(beginning.resolve, beginning.reject);
  }
  if (index.end.size === 0) await writer.append([firstEventOf(site, now(), sha256)]);
  onGrown();
  const receipts = opened.use(KurrentReceipts.open(options.receiptFile ?? null));
  const resources = opened.move();
  return new KurrentSiteLog({
    ...{ options, connection, streams, index, writer, growth, patience, presence, begun, receipts },
    held: resources,
    giveUp: () => closing.abort(),
  });
}

/** No answer is null where the site can begin with its copy. */
function unlessAway(held: readonly string[] | null): (error: unknown) => null {
  return error => {
    if (held !== null && isUnreachable(error)) return null;
    throw error;
  };
}

function isUnreachable(error: unknown): boolean {
  return error instanceof KurrentLogError && error.fault === 'UNREACHABLE';
}

/** Another process with this index would be superseded without having been asked. */
function lockIndex(indexFile: string | null, site: SiteId): Disposable | null {
  if (indexFile === null) return null;
  makeFolder(path.dirname(path.resolve(indexFile)));
  const lock = lockFile(`${indexFile}.lock`);
  if (lock !== null) return lock;
  throw new KurrentLogError('IN_USE', logNameOf(site), `another process writes this log (${indexFile})`);
}

/** The server still has the event that this site knows to be the last one. */
async function assertContinued(streams: KurrentLogStreams, index: KurrentLogIndex): Promise<void> {
  const { epoch, size } = index.end;
  if (size === 0) return;
  const [last] = await streams.page({ epoch, position: size - 1 }, { count: 1, bytesMax: READ_BYTES_MAX });
  if (last === undefined) {
    const detail = `it ends before position ${size}, which was acknowledged: an older copy was restored`;
    throw new KurrentLogError('LOST_EVENTS', streams.epoch(epoch), detail);
  }
  const [known] = index.leafHashesAfter({ epoch, position: size - 1 }, 1);
  if (known !== undefined && equalBytes(known, last.leafHash)) return;
  throw new KurrentLogError('FORKED', streams.epoch(epoch), `position ${size} is another event than it was`);
}

/** The log is at least as long as the site has signed that it is; at that very size its root is the one that was signed. */
async function assertSigned(
  connection: KurrentConnection,
  streams: KurrentLogStreams,
  index: KurrentLogIndex,
  signingKey: KeyObject,
): Promise<void> {
  const last = await connection.lastNote(streams.checkpoints);
  const stored = last?.data as { readonly note?: unknown } | null | undefined;
  if (typeof stored?.note !== 'string') return;
  let signed: LogHead;
  try {
    const key = { publicKey: rawPublicKey(signingKey), verify: verifyNote };
    signed = openCheckpoint(stored.note, key, sha256);
  } catch (error) {
    // Signed by an older key of the site, or by nobody: it says nothing.
    if (error instanceof CheckpointError) return;
    throw error;
  }
  const { epoch, size, edge } = index.end;
  if (signed.site !== streams.site || signed.epoch !== epoch) return;
  if (signed.size > size) {
    const detail = `it ends at ${size}, the site has signed ${signed.size}: an older copy was restored`;
    throw new KurrentLogError('LOST_EVENTS', streams.epoch(epoch), detail);
  }
  if (signed.size === size && !equalBytes(signed.root, rootOf(edge, size, sha256))) {
    throw new KurrentLogError('FORKED', streams.epoch(epoch), `the root over ${size} is not the signed one`);
  }
}

class KurrentSiteLog implements DurableSiteLog {
  readonly #options: KurrentSiteLogOptions;
  readonly #connection: KurrentConnection;
  readonly #streams: KurrentLogStreams;
  readonly #index: KurrentLogIndex;
  readonly #writer: KurrentLogWriter;
  readonly #growth: LogGrowth;
  readonly #patience: PatienceOptions;
  readonly #presence: ServerPresence;
  readonly #receipts: KurrentReceipts;
  readonly #openedMs: number;
  readonly #giveUp: () => void;
  readonly #held: AsyncDisposable;
  readonly #keeper: CheckpointKeeper;
  readonly #storing = new Set<Promise<void>>();
  readonly #epochs: readonly SealedEpoch[];
  #head: LogHead | null = null;
  #closing: Promise<void> | null = null;
  #hasBegun = false;

  constructor(parts: {
    readonly options: KurrentSiteLogOptions;
    readonly connection: KurrentConnection;
    readonly streams: KurrentLogStreams;
    readonly index: KurrentLogIndex;
    readonly writer: KurrentLogWriter;
    readonly growth: LogGrowth;
    readonly patience: PatienceOptions;
    readonly presence: ServerPresence;
    readonly receipts: KurrentReceipts;
    /** Resolves when the server holds what the copy does. */
    readonly begun: Promise<unknown>;
    /** Ends what still waits for the server. */
    readonly giveUp: () => void;
    /** What is open. */
    readonly held: AsyncDisposable;
  }) {
    this.#options = parts.options;
    this.#connection = parts.connection;
    this.#streams = parts.streams;
    this.#index = parts.index;
    this.#writer = parts.writer;
    this.#growth = parts.growth;
    this.#patience = parts.patience;
    this.#presence = parts.presence;
    this.#receipts = parts.receipts;
    this.#openedMs = parts.options.now();
    parts.begun.then(
      () => {
        this.#hasBegun = true;
      },
      () => undefined,
    );
    this.#giveUp = parts.giveUp;
    this.#held = parts.held;
    this.#epochs = parts.index.epochs();
    this.#keeper = new CheckpointKeeper({
      head: () => this.head(),
      signer: noteSigner(parts.options.signingKey),
      now: parts.options.now,
      intervalMs: parts.options.checkpointIntervalMs ?? CHECKPOINT_INTERVAL_MS,
      store: checkpoint => this.#storeCheckpoint(checkpoint),
    });
  }

  async append(appends: readonly StreamAppend[]): Promise<AppendOutcome> {
    this.#assertOpen();
    const refusal = checkAppends(appends);
    if (refusal !== null) return { appended: false, refusal };
    return this.#writer.append(appends);
  }

  head(): LogHead {
    const { epoch, size, edge } = this.#index.end;
    if (this.#head?.size !== size || this.#head.epoch !== epoch) {
      this.#head = { site: this.#streams.site, epoch, size, root: rootOf(edge, size, sha256) };
    }
    return this.#head;
  }

  epochs(): readonly SealedEpoch[] {
    return this.#epochs;
  }

  away(): { readonly sinceMs: number; readonly reason: string } | null {
    const { failure } = this.#writer;
    const { away } = this.#presence;
    const sinceMs = away?.sinceMs ?? this.#openedMs;
    if (failure !== null) return { sinceMs, reason: failure.message };
    return away ?? (this.#hasBegun ? null : { sinceMs, reason: 'it is being compared with the copy' });
  }

  async whenThere(signal: AbortSignal): Promise<void> {
    while (this.away() !== null && !signal.aborted) {
      await delay(PRESENCE_LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async read(options: {
    readonly after: LogPlace;
    readonly limit: number;
  }): Promise<readonly RecordedEvent[]> {
    this.#assertOpen();
    return this.#read(options);
  }

  async readStream(options: {
    readonly stream: string;
    readonly afterRevision: number | null;
    readonly limit: number;
  }): Promise<readonly RecordedEvent[]> {
    this.#assertOpen();
    checkReadLimit(options.limit);
    const places = this.#index.placesOf(options.stream, options.afterRevision ?? -1, options.limit);
    const events: RecordedEvent[] = [];
    let byteLength = 0;
    for (const run of runsOf(places)) {
      let after: LogPlace = { epoch: run.epoch, position: run.first - 1 };
      while (after.position < run.last) {
        const page = await this.#page(after, run.last - after.position);
        for (const event of page) {
          if (event.stream !== options.stream) continue;
          events.push(event);
          byteLength += event.data.length;
          if (byteLength >= READ_BYTES_MAX) return events;
        }
        after = { epoch: run.epoch, position: page.at(-1)!.position };
      }
    }
    return events;
  }

  subscribe(options: {
    readonly after: LogPlace;
    readonly signal: AbortSignal;
  }): AsyncIterable<readonly RecordedEvent[]> {
    this.#assertOpen();
    const read = async (page: { readonly after: LogPlace; readonly limit: number }) => {
      try {
        return await this.#read(page);
      } catch (error) {
        // A subscription ends without an error when its log is closed.
        if (this.#growth.ended) return [];
        throw error;
      }
    };
    return followLog({ ...options, read, growth: this.#growth });
  }

  async signedCheckpoint(): Promise<SignedCheckpoint> {
    this.#assertOpen();
    return this.#keeper.signed();
  }

  async storeReceipt({ witness, note }: { readonly witness: SiteId; readonly note: string }): Promise<void> {
    this.#assertOpen();
    const { site, epoch, size } = checkpointHead(note);
    if (site !== this.#streams.site || epoch > this.#index.end.epoch) {
      throw new CheckpointError(
        'MALFORMED_BODY',
        `a receipt of ${site}, epoch ${epoch}, is none of this log`,
      );
    }
    this.#receipts.store({ witness, epoch, size, note, receivedAtMs: Math.floor(this.#options.now()) });
  }

  async receipts(): Promise<readonly StoredReceipt[]> {
    this.#assertOpen();
    return this.#receipts.all();
  }

  async reopenAs(history: PulledHistory): Promise<ReopenOutcome<DurableSiteLog>> {
    this.#assertOpen();
    const closed = Promise.withResolvers<void>();
    this.#closing = closed.promise;
    const { site, indexFile, now, signingKey } = this.#options;
    const nextIndexFile = indexFile === null ? null : `${indexFile}.reopening`;
    try {
      await this.#settle();
      const refusal = await reopenKurrentLog({
        ...{ connection: this.#connection, streams: this.#streams, index: this.#index, history },
        ...{ nowMs: now(), signingKey, patience: this.#patience },
        openIndex: catalogue => KurrentLogIndex.open(nextIndexFile, site, catalogue),
      });
      if (refusal === null) this.#receipts.cut(history.common);
      await this.#release();
      if (refusal === null && nextIndexFile !== null) renameSync(nextIndexFile, indexFile!);
      const log = await openKurrentSiteLog(this.#options);
      return refusal === null ? { reopened: true, log } : { reopened: false, log, refusal };
    } finally {
      await this.#release();
      // Of what failed: it may be what there was no room for.
      if (nextIndexFile !== null) removeKurrentIndex(nextIndexFile);
      closed.resolve();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#settle().then(() => this.#release());
    return this.#closing;
  }

  /** Every append that was taken has its outcome, and the checkpoint of what they made is stored. */
  async #settle(): Promise<void> {
    this.#growth.end();
    const impatience = setTimeout(this.#giveUp, this.away() === null ? CLOSE_MS_MAX : 0);
    await this.#writer.drain();
    this.#keeper.store();
    this.#keeper[Symbol.dispose]();
    await Promise.all(this.#storing);
    clearTimeout(impatience);
    this.#writer.fail(new SiteLogClosedError());
  }

  async #release(): Promise<void> {
    await this.#held[Symbol.asyncDispose]();
  }

  async #read({
    after,
    limit,
  }: {
    readonly after: LogPlace;
    readonly limit: number;
  }): Promise<readonly RecordedEvent[]> {
    checkReadLimit(limit);
    const events: RecordedEvent[] = [];
    let place = after.epoch < 1 ? { epoch: 1, position: 0 } : after;
    for (; place.epoch <= this.#index.end.epoch; place = { epoch: place.epoch + 1, position: 0 }) {
      // What is on the server and not acknowledged yet is nobody's to read.
      const left = this.#index.sizeOf(place.epoch) - place.position;
      const count = Math.min(limit - events.length, left);
      if (count <= 0) continue;
      const page = await this.#page(place, count);
      events.push(...page);
      if (page.length < left) break;
    }
    return events;
  }

  /** Events of one epoch, proved to be what was acknowledged; from the copy while the server is away. */
  async #page(after: LogPlace, count: number): Promise<readonly RecordedEvent[]> {
    const limits = { count, bytesMax: READ_BYTES_MAX };
    if (this.#presence.away !== null) return this.#index.page(after, limits);
    const stream = this.#streams.epoch(after.epoch);
    let page: readonly RecordedEvent[];
    try {
      page = await this.#pageOfServer(after, limits);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      return this.#index.page(after, limits);
    }
    const leafHashes = this.#index.leafHashesAfter(after, page.length);
    for (const [index, event] of page.entries()) {
      const known = leafHashes[index];
      if (known !== undefined && equalBytes(known, event.leafHash)) continue;
      throw new KurrentLogError('FORKED', stream, `position ${event.position} is another event than it was`);
    }
    return page;
  }

  async #pageOfServer(
    after: LogPlace,
    limits: { readonly count: number; readonly bytesMax: number },
  ): Promise<readonly RecordedEvent[]> {
    const stream = this.#streams.epoch(after.epoch);
    const ask = () => this.#streams.page(after, limits);
    for (let answers = 1; ; answers += 1) {
      const page = await untilAnswered(stream, ask, { ...this.#patience, patienceMs: READ_PATIENCE_MS });
      if (page.length > 0) return page;
      const detail = `position ${after.position + 1}, which was acknowledged, is not there`;
      if (answers === MISSING_ANSWERS) throw new KurrentLogError('LOST_EVENTS', stream, detail);
      const { signal } = this.#patience;
      await delay(MISSING_PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  #storeCheckpoint({ head, note, signedAtMs }: SignedCheckpoint & { readonly signedAtMs: number }): void {
    const storing = this.#connection
      .note(this.#streams.checkpoints, 'CheckpointSigned', {
        ...{ epoch: head.epoch, size: head.size, note, signedAtMs },
      })
      // The next one covers the same events.
      .catch(error => this.#patience.onTrouble(`a checkpoint was not stored: ${error}`))
      .finally(() => this.#storing.delete(storing));
    this.#storing.add(storing);
  }

  #assertOpen(): void {
    if (this.#closing !== null) throw new SiteLogClosedError();
  }
}
