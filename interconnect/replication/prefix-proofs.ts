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

/** Leaves of the smallest subtree that is remembered; read at once, and hashed anew for each proof that ends among them. */
const BLOCK_LEAVES = 1_024;

const noTail: LeafRange & { readonly hash: Uint8Array } = { from: 0, to: 0, hash: new Uint8Array(0) };
const noRun: { readonly from: number; readonly hashes: Uint8Array } = { from: 0, hashes: new Uint8Array(0) };

/** At most `limit` leaf hashes of one epoch of a log after a place, in order, as one run of bytes; it may end earlier. */
export type ReadLeafHashes = (page: {
  readonly after: LogPlace;
  readonly limit: number;
}) => Promise<Uint8Array>;

/**
 * Proves that what is sent of a log is a prefix of what its site has signed (RFC 6962 §2.1.2), one batch after the other. The leaf
 * hashes up to the signed end are read once for it, and not one event; of each 1,024 of them two hashes are remembered.
 */
export class PrefixProofs {
  readonly #read: ReadLeafHashes;
  readonly #sha256: Sha256;
  #epoch = 0;
  /** Complete subtrees of a block and more, by their first leaf and their size. */
  readonly #subtrees = new Map<string, Uint8Array>();
  /** Up to the signed end: of most proofs the last part, and of many the same. */
  #tail = noTail;
  /** What was read last. */
  #run = noRun;

  constructor(read: ReadLeafHashes, sha256: Sha256) {
    this.#read = read;
    this.#sha256 = sha256;
  }

  /** The prefix by its edge. Throws `ProofUnavailableError` when the log does not reach the signed end. */
  async prove(
    prefix: { readonly size: number; readonly treeEdge: TreeEdge },
    signed: EpochHead,
  ): Promise<readonly Uint8Array[]> {
    if (signed.epoch !== this.#epoch) {
      this.#epoch = signed.epoch;
      this.#subtrees.clear();
      this.#tail = noTail;
      this.#run = noRun;
    }
    const proof: Uint8Array[] = [];
    for (const range of consistencyRanges(prefix.size, signed.size)) {
      // Before the prefix ends there are only its complete subtrees.
      const isBehind = range.to <= prefix.size;
      proof.push(
        isBehind ? prefix.treeEdge[edgeLengthOf(range.from)]! : await this.#hashOf(range, signed.size),
      );
    }
    return proof;
  }

  async #hashOf({ from, to }: LeafRange, end: number): Promise<Uint8Array> {
    if (from === this.#tail.from && to === this.#tail.to) return this.#tail.hash;
    const edge: Uint8Array[] = [];
    for (let at = from; at < to; ) {
      const size = 2 ** Math.floor(Math.log2(to - at));
      edge.push(await this.#subtree(at, size, end));
      at += size;
    }
    const hash = rootOf(edge, to - from, this.#sha256);
    if (to === end) this.#tail = { from, to, hash };
    return hash;
  }

  async #subtree(from: number, size: number, end: number): Promise<Uint8Array> {
    if (size < BLOCK_LEAVES) return this.#hashLeaves(from, size, end);
    const key = `${from}+${size}`;
    const known = this.#subtrees.get(key);
    if (known !== undefined) return known;
    const half = size / 2;
    const hash =
      size === BLOCK_LEAVES
        ? await this.#hashLeaves(from, size, end)
        : nodeHash(
            await this.#subtree(from, half, end),
            await this.#subtree(from + half, half, end),
            this.#sha256,
          );
    this.#subtrees.set(key, hash);
    return hash;
  }

  async #hashLeaves(from: number, size: number, end: number): Promise<Uint8Array> {
    let edge: TreeEdge = [];
    for (let count = 0; count < size; ) {
      const some = (await this.#leavesFrom(from + count, end)).slice(0, size - count);
      edge = extendEdge(edge, count, some, this.#sha256);
      count += some.length;
    }
    return rootOf(edge, size, this.#sha256);
  }

  /** One at least, and not beyond the end. */
  async #leavesFrom(from: number, end: number): Promise<readonly Uint8Array[]> {
    const isRead = () =>
      from >= this.#run.from && from < this.#run.from + this.#run.hashes.length / HASH_BYTES;
    if (!isRead()) {
      const after = { epoch: this.#epoch, position: from };
      this.#run = { from, hashes: await this.#read({ after, limit: Math.min(BLOCK_LEAVES, end - from) }) };
      if (!isRead()) throw new ProofUnavailableError(`leaf ${from} of ${this.#epoch}/${end} is not there`);
    }
    const { hashes } = this.#run;
    const leaves: Uint8Array[] = [];
    for (let at = (from - this.#run.from) * HASH_BYTES; at < hashes.length; at += HASH_BYTES)
      leaves.push(hashes.subarray(at, at + HASH_BYTES));
    return leaves;
  }
}
