import {
  comparePlaces,
  extendEdge,
  LOG_START,
  type LogPlace,
  LogTruncatedError,
  type RecordedEvent,
  rootOf,
  type Sha256,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { Timers } from '../transport/timers.js';
import type { ReceivedCredit } from './credit-window.js';
import { cutIntoFrames, packEvents } from './event-frame.js';
import { GatheredPages } from './gathered-pages.js';
import type { OfferedLog } from './offered-log.js';
import { PrefixProofs } from './prefix-proofs.js';
import type { ChildFrame, EpochHead, ReplicationRefusal, WantFrame } from './replication-frame.js';
import type { RootMemory } from './root-memory.js';
import type { ReadLeafHashes } from './subtree-hashes.js';

export interface LogSenderOptions {
  readonly origin: SiteId;
  readonly log: OfferedLog;
  /** The end that was offered. */
  readonly offered: EpochHead;
  readonly roots: RootMemory;
  /** Of the whole session. */
  readonly credit: ReceivedCredit;
  readonly sha256: Sha256;
  readonly timers: Timers;
  readonly now: () => number;
  readonly random: () => number;
  readonly mayCompress: () => boolean;
  /** Resolves when the stream takes more. */
  readonly send: (frame: ChildFrame) => Promise<void>;
}

/** Sends one log in a session: what the parent wants of it, and then every new event as soon as it is there. */
export class LogSender {
  readonly #options: LogSenderOptions;
  readonly #over = new AbortController();
  readonly #gathered: GatheredPages;
  #epoch = 0;
  #position = 0;
  #treeEdge: readonly Uint8Array[] = [];
  /** The newest checkpoint that was sent; no frame crosses it. */
  #stated: EpochHead | null = null;
  /** Null where what was sent ends there. */
  #proofs: PrefixProofs | null = null;
  #isProving = false;
  #isWanted = false;
  readonly #compared = Promise.withResolvers<void>();
  #isCompared = false;
  #acknowledged: LogPlace = LOG_START;
  #moreAcknowledged = Promise.withResolvers<void>();

  constructor(options: LogSenderOptions) {
    this.#options = options;
    const { offered, timers, now, random } = options;
    const told = { epoch: offered.epoch, position: offered.size };
    this.#gathered = new GatheredPages({ timers, now, random, told });
  }

  get log(): OfferedLog {
    return this.#options.log;
  }

  get isStopped(): boolean {
    return this.#over.signal.aborted;
  }

  get isWanted(): boolean {
    return this.#isWanted;
  }

  get isCompared(): boolean {
    return this.#isCompared;
  }

  /** Resolves when it is known whether the parent holds the same history. */
  get compared(): Promise<void> {
    return this.#compared.promise;
  }

  /** What has been sent. */
  get place(): LogPlace {
    return { epoch: this.#epoch, position: this.#position };
  }

  /** The parent has something that it has not acknowledged in this session; while a proof is made here, it waits for us. */
  get isAwaited(): boolean {
    const mayBe = this.#isWanted && !this.#isProving && !this.isStopped;
    return mayBe && comparePlaces(this.place, this.#acknowledged) > 0;
  }

  acknowledge(upTo: LogPlace): void {
    if (comparePlaces(upTo, this.#acknowledged) <= 0) return;
    this.#acknowledged = upTo;
    this.#wake();
  }

  /** Resolves when the parent has acknowledged this much in this session, whatever it said in others, or it is stopped. */
  async acknowledgedUpTo(place: LogPlace): Promise<void> {
    while (!this.isStopped && comparePlaces(this.#acknowledged, place) < 0)
      await this.#moreAcknowledged.promise;
  }

  #wake(): void {
    this.#moreAcknowledged.resolve();
    this.#moreAcknowledged = Promise.withResolvers();
  }

  /** Reads nothing more once the sender is stopped: the histories of logs may be long. */
  readonly #leafHashes: ReadLeafHashes = async page => {
    this.#over.signal.throwIfAborted();
    return this.#options.log.leafHashes(page);
  };

  /** Why the parent cannot have what it asks for; null when it can, or the sender was stopped. Throws `TreeEdgeError`. */
  async want(want: WantFrame): Promise<ReplicationRefusal | null> {
    this.#isWanted = true;
    try {
      const refusal = await this.#compare(want);
      if (refusal !== null) this.stop();
      return refusal;
    } finally {
      this.#isCompared = true;
      this.#compared.resolve();
    }
  }

  async #compare(want: WantFrame): Promise<ReplicationRefusal | null> {
    const { log, offered, origin, roots, sha256 } = this.#options;
    const theirs = `${want.epoch}/${want.after}`;
    if (want.epoch > offered.epoch || (want.epoch === offered.epoch && want.after > offered.size)) {
      const detail = `asked for what follows ${theirs} of ${offered.epoch}/${offered.size}`;
      return { code: 'AHEAD', detail };
    }
    if (offered.epoch === LOG_START.epoch) {
      const detail = 'nothing of this log is held here, and its site no longer has its beginning';
      return { code: 'TRUNCATED', detail };
    }
    try {
      const compared = { epochs: () => log.epochs(), leafHashes: this.#leafHashes };
      if (!(await roots.agrees({ origin, want, head: offered, log: compared, sha256 }))) {
        return { code: 'FORK', detail: `the parent holds another history up to ${theirs}` };
      }
      await log.read({ after: { epoch: want.epoch, position: want.after }, limit: 1 });
    } catch (error) {
      if (this.isStopped) return null;
      if (!(error instanceof LogTruncatedError)) throw error;
      return { code: 'TRUNCATED', detail: `asked for what follows ${theirs}: ${error.message}` };
    }
    this.#epoch = want.epoch;
    this.#position = want.after;
    this.#treeEdge = want.treeEdge;
    return null;
  }

  /** Until it is stopped or the log is closed. */
  async run(): Promise<void> {
    const { signal } = this.#over;
    const pages = this.#options.log.subscribe({ after: this.place, signal });
    for await (const page of this.#gathered.of(pages)) {
      for (let from = 0; from < page.length && !signal.aborted; ) from += await this.#sendFrom(page, from);
      if (signal.aborted) return;
    }
  }

  /** The parent was told that the log reaches as far as that. */
  told(place: LogPlace): void {
    this.#gathered.tell(place);
  }

  stop(): void {
    this.#over.abort();
    this.#wake();
  }

  /** Sends what lies before the next checkpoint or epoch; says how many events that was. */
  async #sendFrom(page: readonly RecordedEvent[], from: number): Promise<number> {
    const { epoch } = page[from]!;
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#position = 0;
      this.#treeEdge = [];
    }
    const stated = this.#stated;
    const room = stated?.epoch === epoch ? stated.size - this.#position : 0;
    const end = page.findIndex((event, index) => index > from && event.epoch !== epoch);
    const events = page.slice(
      from,
      Math.min(end < 0 ? page.length : end, room > 0 ? from + room : page.length),
    );
    for (const frame of cutIntoFrames(events)) {
      if (this.#over.signal.aborted || !(await this.#sendFrame(frame))) break;
      // The checkpoint that went with it may lie beyond: the rest is cut anew, so that a frame ends there.
      if (room <= 0 && this.#stated!.size > this.#position) return frame.length;
    }
    return events.length;
  }

  /** False when the sender was stopped while there was no credit. */
  async #sendFrame(events: readonly RecordedEvent[]): Promise<boolean> {
    const { credit, log, mayCompress, origin, roots, send, sha256 } = this.#options;
    const packed = packEvents(events, mayCompress());
    if (!(await credit.take(packed.rawByteLength, this.#over.signal))) return false;
    const leafHashes = events.map(event => event.leafHash);
    const [epoch, firstPosition] = [this.#epoch, this.#position + 1];
    this.#treeEdge = extendEdge(this.#treeEdge, this.#position, leafHashes, sha256);
    this.#position += events.length;
    const root = rootOf(this.#treeEdge, this.#position, sha256);
    let checkpoint: string | null = null;
    if (this.#stated?.epoch !== epoch || this.#stated.size < this.#position) {
      const signed = await log.checkpointFor({ site: origin, epoch, size: this.#position, root });
      if (this.#over.signal.aborted) return false;
      this.#stated = signed.head;
      this.#proofs = null;
      checkpoint = signed.note;
    }
    const consistency = await this.#prove(this.#stated);
    if (this.#over.signal.aborted) return false;
    roots.remember({ origin, epoch, position: this.#position, root });
    await send({ kind: 'batch', origin, epoch, firstPosition, root, checkpoint, consistency, ...packed });
    return true;
  }

  /** That what is sent leads to the checkpoint that was stated, where it ends short of it. */
  async #prove(stated: EpochHead): Promise<readonly Uint8Array[]> {
    if (this.#position >= stated.size) {
      this.#proofs = null;
      return [];
    }
    const { origin, roots, sha256 } = this.#options;
    const { epoch, size } = stated;
    const signed = { origin, epoch, size, read: this.#leafHashes, sha256 };
    this.#proofs ??= new PrefixProofs(size, roots.hashes(signed));
    this.#isProving = true;
    try {
      return await this.#proofs.prove({ size: this.#position, treeEdge: this.#treeEdge });
    } catch (error) {
      if (!this.isStopped) throw error;
      return [];
    } finally {
      this.#isProving = false;
    }
  }
}
