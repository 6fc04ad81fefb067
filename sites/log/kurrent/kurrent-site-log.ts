import type { KeyObject } from 'node:crypto';
import {
  type AppendOutcome,
  CheckpointError,
  checkAppends,
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
  READ_BYTES_MAX,
  type RecordedEvent,
  rootOf,
  type SealedEpoch,
  type SignedCheckpoint,
  SiteLogClosedError,
  type StreamAppend,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { CHECKPOINT_INTERVAL_MS, CheckpointKeeper } from '../checkpoint-keeper.js';
import type { DurableSiteLog } from '../durable-site-log.js';
import { noteSigner, rawPublicKey, verifyNote } from '../ed25519-notes.js';
import { sha256 } from '../sha256.js';
import { KurrentConnection } from './kurrent-connection.js';
import { KurrentLogError } from './kurrent-log-error.js';
import { KurrentLogIndex } from './kurrent-log-index.js';
import { KurrentLogStreams } from './kurrent-log-streams.js';
import { KurrentLogWriter } from './kurrent-log-writer.js';
import { type PatienceOptions, untilAnswered } from './patience.js';
import { runsOf } from './stream-runs.js';

/** Opening gives up after this long without an answer: who starts the process should hear of it. */
const OPEN_PATIENCE_MS = 60_000;
/** A read gives up after this long; a subscription never does, and begins again where it was. */
const READ_PATIENCE_MS = 60_000;
/** Closing waits this long for appends whose outcome is not known yet. */
const CLOSE_MS_MAX = 10_000;

export interface KurrentSiteLogOptions {
  /** `esdb://…`, as the client takes it. */
  readonly connectionString: string;
  readonly site: SiteId;
  /** Where the index is kept, so that opening reads only what is new. `null`: in memory. */
  readonly indexFile: string | null;
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
 * it has acknowledged, the server has committed. Throws `KurrentLogError`.
 */
export async function openKurrentSiteLog(options: KurrentSiteLogOptions): Promise<DurableSiteLog> {
  const { site, indexFile, now, random, onTrouble } = options;
  const index = KurrentLogIndex.open(indexFile, site);
  if (index === null) {
    throw new KurrentLogError('IN_USE', `holdfast-${site}`, `another process writes this log (${indexFile})`);
  }
  const closing = new AbortController();
  const growth = new LogGrowth(LOG_START);
  const connection = new KurrentConnection(options.connectionString);
  const streams = new KurrentLogStreams(connection, site);
  const onGrown = () => growth.grow(endOf(index.end));
  const patience = { signal: closing.signal, random, onTrouble };
  const writer = new KurrentLogWriter({ connection, streams, index, now, patience, onGrown });
  try {
    await untilAnswered(
      streams.epoch(index.end.epoch),
      async () => {
        await writer.claim();
        await assertContinued(streams, index);
        await writer.catchUp();
        await assertSigned(connection, streams, index, options.signingKey);
      },
      { ...patience, patienceMs: OPEN_PATIENCE_MS },
    );
    if (index.end.size === 0) await writer.append([firstEventOf(site, now(), sha256)]);
  } catch (error) {
    closing.abort();
    await connection[Symbol.asyncDispose]();
    index[Symbol.dispose]();
    throw error;
  }
  onGrown();
  return new KurrentSiteLog({ ...options, connection, streams, index, writer, growth, patience, closing });
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
  const stored = (await connection.lastNote(streams.checkpoints)) as { readonly note?: unknown } | null;
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
  readonly #connection: KurrentConnection;
  readonly #streams: KurrentLogStreams;
  readonly #index: KurrentLogIndex;
  readonly #writer: KurrentLogWriter;
  readonly #growth: LogGrowth;
  readonly #patience: PatienceOptions;
  readonly #abort: AbortController;
  readonly #keeper: CheckpointKeeper;
  readonly #storing = new Set<Promise<void>>();
  readonly #epochs: readonly SealedEpoch[];
  #head: LogHead | null = null;
  #closing: Promise<void> | null = null;

  constructor(
    options: KurrentSiteLogOptions & {
      readonly connection: KurrentConnection;
      readonly streams: KurrentLogStreams;
      readonly index: KurrentLogIndex;
      readonly writer: KurrentLogWriter;
      readonly growth: LogGrowth;
      readonly patience: PatienceOptions;
      readonly closing: AbortController;
    },
  ) {
    this.#connection = options.connection;
    this.#streams = options.streams;
    this.#index = options.index;
    this.#writer = options.writer;
    this.#growth = options.growth;
    this.#patience = options.patience;
    this.#abort = options.closing;
    this.#epochs = options.index.epochs();
    this.#keeper = new CheckpointKeeper({
      head: () => this.head(),
      signer: noteSigner(options.signingKey),
      now: options.now,
      intervalMs: options.checkpointIntervalMs ?? CHECKPOINT_INTERVAL_MS,
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

  async read(options: {
    readonly after: LogPlace;
    readonly limit: number;
  }): Promise<readonly RecordedEvent[]> {
    this.#assertOpen();
    return this.#read(options, READ_PATIENCE_MS);
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
        const page = await this.#page(after, run.last - after.position, READ_PATIENCE_MS);
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
        return await this.#read(page, Number.POSITIVE_INFINITY);
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

  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#growth.end();
    const impatience = setTimeout(() => this.#abort.abort(), CLOSE_MS_MAX);
    await this.#writer.drain();
    this.#keeper.store();
    this.#keeper[Symbol.dispose]();
    await Promise.all(this.#storing);
    clearTimeout(impatience);
    this.#abort.abort();
    this.#writer.fail(new SiteLogClosedError());
    await this.#connection[Symbol.asyncDispose]();
    this.#index[Symbol.dispose]();
  }

  async #read(
    { after, limit }: { readonly after: LogPlace; readonly limit: number },
    patienceMs: number,
  ): Promise<readonly RecordedEvent[]> {
    checkReadLimit(limit);
    const { epoch, size } = this.#index.end;
    let place = after.epoch < 1 ? { epoch: 1, position: 0 } : after;
    for (; place.epoch < epoch; place = { epoch: place.epoch + 1, position: 0 }) {
      const page = await this.#page(place, limit, patienceMs);
      if (page.length > 0) return page;
    }
    // What is on the server and not acknowledged yet is nobody's to read.
    const count = Math.min(limit, size - place.position);
    return place.epoch > epoch || count <= 0 ? [] : this.#page(place, count, patienceMs);
  }

  /** Events of one epoch, proved to be what was acknowledged. */
  async #page(after: LogPlace, count: number, patienceMs: number): Promise<readonly RecordedEvent[]> {
    const stream = this.#streams.epoch(after.epoch);
    const limits = { count, bytesMax: READ_BYTES_MAX };
    const page = await untilAnswered(stream, () => this.#streams.page(after, limits), {
      ...this.#patience,
      patienceMs,
    });
    const leafHashes = this.#index.leafHashesAfter(after, page.length);
    for (const [index, event] of page.entries()) {
      const known = leafHashes[index];
      if (known !== undefined && equalBytes(known, event.leafHash)) continue;
      throw new KurrentLogError('FORKED', stream, `position ${event.position} is another event than it was`);
    }
    if (page.length === 0 && after.epoch === this.#index.end.epoch) {
      const detail = `position ${after.position + 1}, which was acknowledged, is not there any more`;
      throw new KurrentLogError('LOST_EVENTS', stream, detail);
    }
    return page;
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
