import {
  comparePlaces,
  type EpochTree,
  endOf,
  equalBytes,
  extendEdge,
  HistoryProof,
  hashesIn,
  type LogHead,
  type LogPlace,
  type NoteVerifier,
  type PulledHistory,
  type RecordedEvent,
  rootOf,
  type SealedEpoch,
  type Sha256,
  type SignedCheckpoint,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { findLostHistory, type HistoryHolder, type LostHistoryOptions } from './lost-history.js';
import { checkCheckpoint, type OriginKey } from './origin-checkpoint.js';
import type { ReplacingTail, ReplicaCursor, ReplicaMender, ReplicaReader } from './replica-intake.js';
import type { HistoryFrame } from './replication-frame.js';
import type { RecoveryOutcome } from './replication-options.js';

const LEAVES_READ_AT_ONCE = 10_000;

export interface ReplicaRecoveryOptions {
  readonly replicas: ReplicaReader;
  readonly mender: ReplicaMender;
  /** By which the log of a site below is believed; null: none is known. */
  readonly keyOf: (origin: SiteId) => Promise<Uint8Array | null>;
  /** Whether the site is there at the moment, and its log reaches at least as far as `held`: what is replaced here it records again. */
  readonly isThere: (origin: SiteId, held: LogPlace) => Promise<boolean>;
  /** Reads what is pulled to its end, before anything that others wait for is locked. */
  readonly keep: (history: PulledHistory) => Promise<PulledHistory & AsyncDisposable>;
  readonly verify: NoteVerifier;
  readonly sha256: Sha256;
}

/**
 * Makes what is held of a log below the history that the parent holds, where this site was restored from an old copy. Had the log's own
 * site been restored with it, it learns that it has lost something when it dials next, and repairs its log as below any parent:
 * what it said meanwhile, and is replaced here, it records again.
 */
export class ReplicaRecovery {
  readonly #options: ReplicaRecoveryOptions;
  /** How far logs were held that turned out to be no more than the beginning of what the parent holds. */
  readonly #behind = new Map<SiteId, LogPlace>();

  constructor(options: ReplicaRecoveryOptions) {
    this.#options = options;
  }

  /** The holder has the log up to `held`. Throws `HistoryNotOursError` and `HistoryUnprovenError`. */
  async takeBack(
    origin: SiteId,
    holder: HistoryHolder & { readonly held: LogPlace },
  ): Promise<RecoveryOutcome> {
    const { keep, keyOf, mender, sha256, verify } = this.#options;
    const [cursor, publicKey] = await Promise.all([mender.cursor(origin), keyOf(origin)]);
    if (cursor === null || publicKey === null) return 'NOTHING';
    const log = await this.#logOf(origin, cursor);
    const epochs = new EpochCheckpoints({ origin, publicKey, verify, sha256 });
    const history = await findLostHistory({
      ...{ site: origin, log, publicKey, verify, sha256 },
      holder: { name: holder.name, ask: async (...question) => epochs.seen(await holder.ask(...question)) },
    });
    const end = endOf(history.checkpoint.head);
    const isMore = comparePlaces(end, history.common) > 0;
    // What is held there beyond what the site has signed cannot be proved: behind less, its next epoch would be a fork again.
    if (!isMore || comparePlaces(end, holder.held) !== 0) return 'NOTHING';
    const isBeginning = comparePlaces(history.common, cursor) === 0;
    const hasToWait = isBeginning
      ? this.#mayBeBrought(origin, cursor)
      : !(await this.#options.isThere(origin, cursor));
    if (hasToWait) return 'NOTHING';
    await using kept = await keep(history);
    return await this.#replaceTail(cursor, kept, await epochs.signed());
  }

  /** A site that has all of it brings it itself: only what did not grow since it was last found to be too little is taken from above. */
  #mayBeBrought(origin: SiteId, held: LogPlace): boolean {
    const before = this.#behind.get(origin);
    this.#behind.set(origin, held);
    return before === undefined || comparePlaces(before, held) !== 0;
  }

  async #replaceTail(
    held: ReplicaCursor,
    history: PulledHistory,
    signed: readonly SignedCheckpoint[],
  ): Promise<RecoveryOutcome> {
    const { mender, sha256 } = this.#options;
    const { common, checkpoint } = history;
    const { site } = checkpoint.head;
    const proof = new HistoryProof({ ...(await this.#beginningOf(site, common)), site, sha256 });
    const events: ReplacingTail['events'] = (async function* () {
      for await (const page of history.events) yield page.map(event => proof.take(event));
      proof.finish(checkpoint.head);
    })();
    const proven = () => {
      const { trees } = proof;
      const { epoch, size: position, edge: treeEdge } = trees.at(-1)!;
      const before = signed.filter(({ head }) => trees.slice(0, -1).some(tree => isOf(tree, head, sha256)));
      return { end: { epoch, position, treeEdge }, checkpoints: [...before, checkpoint] };
    };
    const outcome = await mender.replaceTail({ site, common, held, events, proven });
    this.#behind.delete(site);
    return outcome === 'EXTENDED' || outcome === 'REPLACED' ? outcome : 'NOTHING';
  }

  async #logOf(site: SiteId, cursor: ReplicaCursor): Promise<LostHistoryOptions['log']> {
    const { replicas, sha256 } = this.#options;
    const { epoch, position: size, treeEdge } = cursor;
    const before: SealedEpoch[] = [];
    for (let earlier = 1; earlier < epoch; earlier += 1) {
      const checkpoint = await replicas.checkpoint(site, earlier);
      if (checkpoint !== null) before.push(checkpoint.head);
    }
    return {
      head: () => ({ site, epoch, size, root: rootOf(treeEdge, size, sha256) }),
      epochs: () => before,
      read: page => replicas.read({ ...page, site }),
    };
  }

  /** The tree up to a place, and the clock there. */
  async #beginningOf(
    site: SiteId,
    { epoch, position }: LogPlace,
  ): Promise<{ readonly common: EpochTree; readonly recordedAt: bigint }> {
    const { replicas, sha256 } = this.#options;
    if (position === 0) return { common: { epoch: 0, size: 0, edge: [] }, recordedAt: 0n };
    let edge: readonly Uint8Array[] = [];
    for (let size = 0; size < position; ) {
      const limit = Math.min(LEAVES_READ_AT_ONCE, position - size);
      const bytes = await replicas.leafHashes({ site, after: { epoch, position: size }, limit });
      const leaves = hashesIn(bytes);
      if (leaves.length === 0) throw new RangeError(`${site} ${epoch}/${size + 1} is not held any more`);
      edge = extendEdge(edge, size, leaves, sha256);
      size += leaves.length;
    }
    const [last] = await replicas.read({ site, after: { epoch, position: position - 1 }, limit: 1 });
    return { common: { epoch, size: position, edge }, recordedAt: (last as RecordedEvent).recordedAt };
  }
}

/** What the holder says that the site has signed of each epoch. */
class EpochCheckpoints {
  readonly #key: OriginKey;
  readonly #notes = new Map<number, string>();

  constructor(key: OriginKey) {
    this.#key = key;
  }

  seen(frame: HistoryFrame): HistoryFrame {
    const { epochCheckpoint, events } = frame;
    if (epochCheckpoint !== null && events !== null) this.#notes.set(events.epoch, epochCheckpoint);
    return frame;
  }

  async signed(): Promise<readonly SignedCheckpoint[]> {
    const verdicts = await Promise.all(
      [...this.#notes.values()].map(note => checkCheckpoint(note, this.#key)),
    );
    return verdicts.flatMap(verdict => (verdict.accepted ? verdict.signed : []));
  }
}

function isOf({ epoch, size, edge }: EpochTree, head: LogHead, sha256: Sha256): boolean {
  return epoch === head.epoch && size === head.size && equalBytes(rootOf(edge, size, sha256), head.root);
}
