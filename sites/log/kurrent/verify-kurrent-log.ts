import type { KeyObject } from 'node:crypto';
import {
  CheckpointError,
  checkpointHead,
  equalBytes,
  extendEdge,
  HistoryProof,
  HistoryUnprovenError,
  LOG_START,
  type LogHead,
  type LogPlace,
  openCheckpoint,
  placeKey,
  placeOf,
  READ_BYTES_MAX,
  type RecordedEvent,
  rootOf,
  type StoredReceipt,
  SUBSCRIPTION_PAGE_EVENTS,
  type TreeEdge,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { rawPublicKey, verifyNote } from '../ed25519-notes.js';
import { sha256 } from '../sha256.js';
import { pinnedKeyIn } from '../trusted-keys.js';
import { cosignatureFault, type ReceiptDamage } from '../verify-receipts.js';
import { KurrentConnection } from './kurrent-connection.js';
import { KurrentLogError } from './kurrent-log-error.js';
import { KurrentLogStreams, logNameOf, readCatalogue } from './kurrent-log-streams.js';
import { untilAnswered } from './patience.js';

/** A proof gives up when the server does not answer for so long. */
const PATIENCE_MS = 30_000;

export interface KurrentLogDamage {
  readonly code:
    | 'LOG_UNPROVEN'
    | 'CHECKPOINT_ROOT_MISMATCH'
    | 'CHECKPOINT_BEYOND_END'
    | ReceiptDamage
    | 'RECEIPT_UNPROVEN'
    | KurrentLogError['fault'];
  readonly detail: string;
}

export interface KurrentLogVerification {
  /** What was proved; null when something is missing or damaged. */
  readonly head: LogHead | null;
  readonly eventCount: number;
  /** Those of them behind which the site's signature stands. */
  readonly signedCount: number;
  readonly signedUpTo: LogPlace;
  readonly damages: readonly KurrentLogDamage[];
}

/** A log on a server, for reading only and also beside the site that writes it. */
export class KurrentLogToProve implements AsyncDisposable {
  readonly #connection: KurrentConnection;
  readonly #site: SiteId;
  readonly #signal: AbortSignal;
  readonly #receipts: readonly StoredReceipt[];
  #streams: KurrentLogStreams | null = null;

  constructor(options: {
    readonly connectionString: string;
    readonly site: SiteId;
    readonly signal: AbortSignal;
    /** Those that the site has kept. */
    readonly receipts: readonly StoredReceipt[];
  }) {
    this.#connection = new KurrentConnection(options.connectionString);
    this.#site = options.site;
    this.#signal = options.signal;
    this.#receipts = options.receipts;
  }

  /** The next events behind a place, over all epochs; none when there are no more. Throws `KurrentLogError`. */
  async read(after: LogPlace): Promise<readonly RecordedEvent[]> {
    this.#streams ??= new KurrentLogStreams(
      this.#connection,
      this.#site,
      await this.#answered(() => readCatalogue(this.#connection, this.#site)),
    );
    const streams = this.#streams;
    let place = after.epoch < 1 ? { epoch: 1, position: 0 } : after;
    for (; place.epoch <= streams.epochs.length; place = { epoch: place.epoch + 1, position: 0 }) {
      const from = place;
      const limits = { count: SUBSCRIPTION_PAGE_EVENTS, bytesMax: READ_BYTES_MAX };
      const page = await this.#answered(() => streams.page(from, limits));
      if (page.length > 0) return page;
    }
    return [];
  }

  /** Proves every leaf, that each epoch names the end of the one before, the last root that the site has signed, and each receipt. */
  async verify(key: KeyObject | null): Promise<KurrentLogVerification> {
    const signed = key === null ? null : await this.#lastSigned(key);
    const proof = new HistoryProof({
      ...{ site: this.#site, common: { epoch: 0, size: 0, edge: [] }, recordedAt: 0n, sha256 },
    });
    let tree: { epoch: number; size: number; edge: TreeEdge } = { epoch: 0, size: 0, edge: [] };
    let [eventCount, signedCount] = [0, 0];
    let signedUpTo = LOG_START;
    const damages: KurrentLogDamage[] = [];
    const receipts = new ReceiptsToProve(this.#receipts, key);
    try {
      for (;;) {
        const page = await this.read({ epoch: tree.epoch, position: tree.size });
        if (page.length === 0) break;
        for (const event of page) {
          proof.take(event);
          if (event.epoch !== tree.epoch) tree = { epoch: event.epoch, size: 0, edge: [] };
          const edge = extendEdge(tree.edge, tree.size, [event.leafHash], sha256);
          tree = { epoch: event.epoch, size: event.position, edge };
          eventCount += 1;
          receipts.pass(event, () => rootOf(edge, event.position, sha256));
          if (signed?.epoch !== tree.epoch || signed.size !== tree.size) continue;
          if (equalBytes(signed.root, rootOf(edge, tree.size, sha256))) {
            signedCount = eventCount;
            signedUpTo = placeOf(event);
            continue;
          }
          const detail = `the root over ${tree.epoch}/${tree.size} is not the one that the site signed`;
          damages.push({ code: 'CHECKPOINT_ROOT_MISMATCH', detail });
        }
      }
    } catch (error) {
      if (error instanceof HistoryUnprovenError)
        damages.push({ code: 'LOG_UNPROVEN', detail: error.message });
      else if (error instanceof KurrentLogError) damages.push({ code: error.fault, detail: error.message });
      else throw error;
    }
    if (signed !== null && signedCount === 0 && damages.length === 0) {
      const detail = `the site signed ${signed.epoch}/${signed.size}, the log ends at ${tree.epoch}/${tree.size}`;
      damages.push({ code: 'CHECKPOINT_BEYOND_END', detail });
    }
    if (damages.length === 0) damages.push(...receipts.damages());
    const { epoch, size, edge } = tree;
    const isWhole = damages.length === 0 && size > 0;
    const head = isWhole ? { site: this.#site, epoch, size, root: rootOf(edge, size, sha256) } : null;
    return { head, eventCount, signedCount, signedUpTo, damages };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  /** Null when the last checkpoint is not by this key: then no signature stands behind anything. */
  async #lastSigned(key: KeyObject): Promise<LogHead | null> {
    const stream = `${logNameOf(this.#site)}-checkpoints`;
    const last = await this.#answered(() => this.#connection.lastNote(stream));
    const note = (last?.data as { readonly note?: unknown } | null | undefined)?.note;
    if (typeof note !== 'string') return null;
    try {
      return openCheckpoint(note, { publicKey: rawPublicKey(key), verify: verifyNote }, sha256);
    } catch (error) {
      if (error instanceof CheckpointError) return null;
      throw error;
    }
  }

  #answered<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    return untilAnswered(logNameOf(this.#site), ask, {
      ...{ signal: this.#signal, random: Math.random, onTrouble: () => undefined, patienceMs: PATIENCE_MS },
    });
  }
}

/** Receipts, held against the roots as they come by. */
class ReceiptsToProve {
  readonly #byPlace: ReadonlyMap<number, readonly StoredReceipt[]>;
  readonly #key: Parameters<typeof openCheckpoint>[1] | null;
  readonly #keysOf = new Map<string, Uint8Array[]>();
  readonly #proven = new Set<StoredReceipt>();
  readonly #receipts: readonly StoredReceipt[];

  constructor(receipts: readonly StoredReceipt[], key: KeyObject | null) {
    this.#receipts = receipts;
    this.#byPlace = Map.groupBy(receipts, ({ epoch, size }) => placeKey({ epoch, position: size }));
    this.#key = key === null ? null : { publicKey: rawPublicKey(key), verify: verifyNote };
  }

  pass(event: RecordedEvent, root: () => Uint8Array): void {
    if (event.type === 'LogKeyPinned') {
      const publicKey = pinnedKeyIn(event.data);
      const keys = this.#keysOf.get(event.stream) ?? [];
      if (publicKey !== null) this.#keysOf.set(event.stream, [...keys, publicKey]);
    }
    for (const receipt of this.#byPlace.get(placeKey(event)) ?? []) {
      if (this.#isOfRoot(receipt, root())) this.#proven.add(receipt);
    }
  }

  *damages(): Generator<KurrentLogDamage> {
    for (const receipt of this.#receipts) {
      const { witness, epoch, size } = receipt;
      const at = `receipt of ${witness} at ${epoch}/${size}`;
      if (!this.#proven.has(receipt)) {
        yield {
          code: 'RECEIPT_UNPROVEN',
          detail: `${at}: it is not a checkpoint that the site signed of this log`,
        };
        continue;
      }
      const fault = cosignatureFault(receipt, this.#keysOf.get(`log-key-${witness}`) ?? []);
      if (fault !== null) yield { code: fault.code, detail: `${at}: ${fault.detail}` };
    }
  }

  #isOfRoot({ note }: StoredReceipt, root: Uint8Array): boolean {
    try {
      const head = this.#key === null ? checkpointHead(note) : openCheckpoint(note, this.#key, sha256);
      return equalBytes(head.root, root);
    } catch (error) {
      if (error instanceof CheckpointError) return false;
      throw error;
    }
  }
}
