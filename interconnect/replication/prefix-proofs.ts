import { consistencyRanges, edgeLengthOf, type LeafRange, type TreeEdge } from '@holdfast/core';
import type { SubtreeHashes } from './subtree-hashes.js';

/**
 * Proves that what is sent of a log is a prefix of what its site has signed (RFC 6962 §2.1.2), one batch after the other up to one
 * checkpoint. The leaf hashes up to there are read once for it.
 */
export class PrefixProofs {
  readonly #size: number;
  readonly #hashes: SubtreeHashes;
  /** Up to the signed end: of most proofs the last part, and of many the same. */
  #tail: LeafRange & { readonly hash: Uint8Array } = { from: 0, to: 0, hash: new Uint8Array(0) };

  /** `size`: of what is signed. */
  constructor(size: number, hashes: SubtreeHashes) {
    this.#size = size;
    this.#hashes = hashes;
  }

  /** The prefix by its edge. Throws `ProofUnavailableError` when the log does not reach the signed end. */
  async prove(prefix: {
    readonly size: number;
    readonly treeEdge: TreeEdge;
  }): Promise<readonly Uint8Array[]> {
    const proof: Uint8Array[] = [];
    for (const range of consistencyRanges(prefix.size, this.#size)) {
      // Before the prefix ends there are only its complete subtrees.
      const isBehind = range.to <= prefix.size;
      proof.push(isBehind ? prefix.treeEdge[edgeLengthOf(range.from)]! : await this.#hashOf(range));
    }
    return proof;
  }

  async #hashOf(range: LeafRange): Promise<Uint8Array> {
    const { from, to } = range;
    if (from === this.#tail.from && to === this.#tail.to) return this.#tail.hash;
    const hash = await this.#hashes.hashOf(range);
    if (to === this.#size) this.#tail = { from, to, hash };
    return hash;
  }
}
