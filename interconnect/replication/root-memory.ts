import {
  equalBytes,
  LogTruncatedError,
  ProofUnavailableError,
  rootOf,
  type Sha256,
  verifyConsistency,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { OfferedLog } from './offered-log.js';
import { PrefixProofs } from './prefix-proofs.js';
import type { EpochHead, WantFrame } from './replication-frame.js';
import { HashMemory, type ReadLeafHashes, SubtreeHashes } from './subtree-hashes.js';

/** Frame boundaries that are remembered, of all logs: what a parent holds is one of the last, unless it is new to us. */
const ROOTS_MAX = 4_096;
/** Large subtrees that are remembered, of all logs: enough for thirty million events that a parent does not have yet; some 20 MB. */
const SUBTREES_MAX = 65_536;

/**
 * The roots of our logs at places where a parent may stand. They tell at once whether a parent's history is ours when a link
 * is back; after a restart the leaf hashes of the log are read for it, over the shorter side of the place. How far that, or a
 * proof of what a relayed log's site has signed, has come when a link breaks is remembered too: the next session goes on there.
 */
export class RootMemory {
  readonly #roots = new HashMemory(ROOTS_MAX);
  readonly #subtrees = new HashMemory(SUBTREES_MAX);

  remember(at: {
    readonly origin: SiteId;
    readonly epoch: number;
    readonly position: number;
    readonly root: Uint8Array;
  }): void {
    this.#roots.set(`${at.origin}/${at.epoch}/${at.position}`, at.root);
  }

  /** The first `size` leaves of an epoch of one of our logs. */
  hashes(of: {
    readonly origin: SiteId;
    readonly epoch: number;
    readonly size: number;
    readonly read: ReadLeafHashes;
    readonly sha256: Sha256;
  }): SubtreeHashes {
    return new SubtreeHashes({ ...of, name: `${of.origin}/${of.epoch}`, lasting: this.#subtrees });
  }

  /** Whether the leaves 1..want.after of our log are those of the parent's edge. Throws `TreeEdgeError`. */
  async agrees(options: {
    readonly origin: SiteId;
    readonly want: Pick<WantFrame, 'epoch' | 'after' | 'treeEdge'>;
    /** Of our log. */
    readonly head: EpochHead;
    readonly log: Pick<OfferedLog, 'leafHashes' | 'epochs'>;
    readonly sha256: Sha256;
  }): Promise<boolean> {
    const { origin, want, head, log, sha256 } = options;
    const { epoch, after } = want;
    const theirs = rootOf(want.treeEdge, after, sha256);
    if (after === 0) return true;
    const end = epoch === head.epoch ? head : log.epochs().find(sealed => sealed.epoch === epoch);
    if (end !== undefined && after > end.size) return false;
    if (after === end?.size) return equalBytes(theirs, end.root);
    const known = this.#roots.get(`${origin}/${epoch}/${after}`);
    if (known !== undefined) return equalBytes(theirs, known);
    const agrees = await this.#compare({ ...options, theirs, end });
    if (agrees) this.remember({ origin, epoch, position: after, root: theirs });
    return agrees;
  }

  async #compare(options: {
    readonly origin: SiteId;
    readonly want: Pick<WantFrame, 'epoch' | 'after' | 'treeEdge'>;
    readonly theirs: Uint8Array;
    readonly end: Pick<EpochHead, 'size' | 'root'> | undefined;
    readonly log: Pick<OfferedLog, 'leafHashes'>;
    readonly sha256: Sha256;
  }): Promise<boolean> {
    const { origin, theirs, end, log, sha256 } = options;
    const { epoch, after, treeEdge } = options.want;
    const of = { origin, epoch, read: log.leafHashes, sha256 };
    try {
      if (end === undefined || after <= end.size - after) {
        try {
          return equalBytes(theirs, await this.hashes({ ...of, size: after }).hashOf({ from: 0, to: after }));
        } catch (error) {
          // The beginning was removed because others hold it: the rest tells as much, up to an end that is known.
          if (!(error instanceof LogTruncatedError) || end === undefined) throw error;
        }
      }
      const proofs = new PrefixProofs(end.size, this.hashes({ ...of, size: end.size }));
      const proof = await proofs.prove({ size: after, treeEdge });
      const claim = { oldSize: after, oldRoot: theirs, newSize: end.size, newRoot: end.root, proof };
      return verifyConsistency(claim, sha256);
    } catch (error) {
      // The epoch ends before.
      if (error instanceof ProofUnavailableError) return false;
      throw error;
    }
  }
}
