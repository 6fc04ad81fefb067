import {
  consistencyRanges,
  edgeLengthOf,
  extendEdge,
  HASH_BYTES,
  type LeafRange,
  type LogPlace,
  nodeHash,
  ProofUnavailableError,
  rootOf,
  type Sha256,
  type TreeEdge,
} from '@holdfast/core';
import type { EpochHead } from './replication-frame.js';

/** Leaves of the smallest subtree that is remembered; they are hashed anew for each proof that ends among them. */
const BLOCK_LEAVES = 256;
const READ_LEAVES = 4 * BLOCK_LEAVES;

/** At most `limit` leaf hashes of one epoch of a log after a place, in order, as one run of bytes; it may end earlier. */
export type ReadLeafHashes = (page: {
  readonly after: LogPlace;
  readonly limit: number;
}) => Promise<Uint8Array>;

/**
 * Proves that what is sent of a log is a prefix of what its site has signed (RFC 6962 §2.1.2), one batch after the other up to one
 * checkpoint. The leaf hashes up to there are read once for it, and not one event; of each 256 of them two hashes are
 * remembered until then.
 */
export class PrefixProofs {
  readonly #signed: EpochHead;
  readonly #read: ReadLeafHashes;
  readonly #sha256: Sha256;
  /** Complete subtrees of a block and more, by their first leaf and their size. */
  readonly #subtrees = new Map<string, Uint8Array>();
  /** Up to the signed end: of most proofs the last part, and of many the same. */
  #tail: LeafRange & { readonly hash: Uint8Array } = { from: 0, to: 0, hash: new Uint8Array(0) };
  /** What was read last. */
  #run: { readonly from: number; readonly hashes: Uint8Array } = { from: 0, hashes: new Uint8Array(0) };

  constructor(options: {
    readonly signed: EpochHead;
    readonly read: ReadLeafHashes;
    readonly sha256: Sha256;
  }) {
    this.#signed = options.signed;
    this.#read = options.read;
    this.#sha256 = options.sha256;
  }

  /** The prefix by its edge. Throws `ProofUnavailableError` when the log does not reach the signed end. */
  async prove(prefix: {
    readonly size: number;
    readonly treeEdge: TreeEdge;
  }): Promise<readonly Uint8Array[]> {
    const proof: Uint8Array[] = [];
    for (const range of consistencyRanges(prefix.size, this.#signed.size)) {
      // Before the prefix ends there are only its complete subtrees.
      const isBehind = range.to <= prefix.size;
      proof.push(isBehind ? prefix.treeEdge[edgeLengthOf(range.from)]! : await this.#hashOf(range));
    }
    return proof;
  }

  async #hashOf({ from, to }: LeafRange): Promise<Uint8Array> {
    if (from === this.#tail.from && to === this.#tail.to) return this.#tail.hash;
    const edge: Uint8Array[] = [];
    for (let at = from; at < to; ) {
      const size = 2 ** Math.floor(Math.log2(to - at));
      edge.push(await this.#subtree(at, size));
      at += size;
    }
    const hash = rootOf(edge, to - from, this.#sha256);
    if (to === this.#signed.size) this.#tail = { from, to, hash };
    return hash;
  }

  async #subtree(from: number, size: number): Promise<Uint8Array> {
    if (size < BLOCK_LEAVES) return this.#hashLeaves(from, size);
    const key = `${from}+${size}`;
    const known = this.#subtrees.get(key);
    if (known !== undefined) return known;
    const half = size / 2;
    const hash =
      size === BLOCK_LEAVES
        ? await this.#hashLeaves(from, size)
        : nodeHash(await this.#subtree(from, half), await this.#subtree(from + half, half), this.#sha256);
    this.#subtrees.set(key, hash);
    return hash;
  }

  async #hashLeaves(from: number, size: number): Promise<Uint8Array> {
    let edge: TreeEdge = [];
    for (let count = 0; count < size; ) {
      const some = (await this.#leavesFrom(from + count)).slice(0, size - count);
      edge = extendEdge(edge, count, some, this.#sha256);
      count += some.length;
    }
    return rootOf(edge, size, this.#sha256);
  }

  /** One at least, and not beyond the signed end. */
  async #leavesFrom(from: number): Promise<readonly Uint8Array[]> {
    const isRead = () =>
      from >= this.#run.from && from < this.#run.from + this.#run.hashes.length / HASH_BYTES;
    if (!isRead()) {
      const { epoch, size } = this.#signed;
      const limit = Math.min(READ_LEAVES, size - from);
      this.#run = { from, hashes: await this.#read({ after: { epoch, position: from }, limit }) };
      if (!isRead()) throw new ProofUnavailableError(`leaf ${from} of ${epoch}/${size} is not there`);
    }
    const { hashes } = this.#run;
    const leaves: Uint8Array[] = [];
    for (let at = (from - this.#run.from) * HASH_BYTES; at < hashes.length; at += HASH_BYTES)
      leaves.push(hashes.subarray(at, at + HASH_BYTES));
    return leaves;
  }
}
