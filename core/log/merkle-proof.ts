import type { Sha256 } from '../hash.js';
import { edgeLengthOf, equalBytes, extendEdge, nodeHash, rootOf, type TreeEdge } from './merkle-tree.js';

/** Leaves `from` (0-based) up to and without `to`: a subtree whose hash is part of a proof. */
export interface LeafRange {
  readonly from: number;
  readonly to: number;
}

/** The subtrees whose hashes prove the leaf at `index` (0-based) to be in the tree over `size` leaves: RFC 6962 §2.1.1. */
export function inclusionRanges(index: number, size: number): readonly LeafRange[] {
  if (!Number.isSafeInteger(index) || index < 0 || !Number.isSafeInteger(size) || index >= size) {
    throw new RangeError(`no leaf ${index} in a tree of ${size}`);
  }
  const ranges: LeafRange[] = [];
  let subtree: LeafRange = { from: 0, to: size };
  while (subtree.to - subtree.from > 1) {
    const [left, right] = halves(subtree);
    ranges.push(index < right.from ? right : left);
    subtree = index < right.from ? left : right;
  }
  return ranges.reverse();
}

/** The subtrees whose hashes prove the tree over the first `oldSize` leaves to be a prefix of the one over `size`: §2.1.2. */
export function consistencyRanges(oldSize: number, size: number): readonly LeafRange[] {
  if (!Number.isSafeInteger(oldSize) || oldSize < 1 || !Number.isSafeInteger(size) || oldSize > size) {
    throw new RangeError(`no prefix of ${oldSize} in a tree of ${size}`);
  }
  const ranges: LeafRange[] = [];
  let subtree: LeafRange = { from: 0, to: size };
  while (subtree.to !== oldSize) {
    const [left, right] = halves(subtree);
    ranges.push(oldSize <= right.from ? right : left);
    subtree = oldSize <= right.from ? left : right;
  }
  // The verifier knows the hash of the whole old tree, but not that of a part of it.
  if (subtree.from > 0) ranges.push(subtree);
  return ranges.reverse();
}

/** A proof needs leaves that were not given. */
export class ProofUnavailableError extends Error {
  override readonly name = 'ProofUnavailableError';
  readonly code = 'PROOF_UNAVAILABLE';
}

interface Part extends LeafRange {
  edge: TreeEdge;
  count: number;
}

/**
 * Computes the hashes of a proof while the leaves of the log stream by. It holds one edge for each subtree of the proof,
 * some kilobytes, whatever the size of the log.
 */
export class MerkleProofBuilder {
  readonly #sha256: Sha256;
  /** In the order of the proof. */
  readonly #parts: readonly Part[];
  /** In the order of the log. */
  readonly #pending: Part[];
  #next: number;

  constructor(ranges: readonly LeafRange[], sha256: Sha256) {
    this.#sha256 = sha256;
    this.#parts = ranges.map(range => ({ ...range, edge: [], count: 0 }));
    this.#pending = this.#parts
      .filter(({ from, to, count }) => from + count < to)
      .sort((left, right) => left.from - right.from);
    const [first] = this.#pending;
    this.#next = first?.from ?? 0;
  }

  /** The index (0-based) of the leaf that is taken next, or null when no more is needed. */
  get next(): number | null {
    return this.#pending.length === 0 ? null : this.#next;
  }

  /** Takes the next leaf hashes, without a gap. Those behind the last one that is needed are ignored. */
  take(leafHashes: readonly Uint8Array[]): void {
    let offset = 0;
    while (offset < leafHashes.length) {
      const [part] = this.#pending;
      if (part === undefined) return;
      const at = this.#next + offset;
      const needed = part.from + part.count;
      if (at < needed) {
        offset += needed - at;
        continue;
      }
      const some = leafHashes.slice(offset, offset + part.to - needed);
      part.edge = extendEdge(part.edge, part.count, some, this.#sha256);
      part.count += some.length;
      offset += some.length;
      if (part.from + part.count === part.to) this.#pending.shift();
    }
    this.#next += leafHashes.length;
  }

  /** The hashes in the order of the RFC. Throws when leaves are missing. */
  finish(): readonly Uint8Array[] {
    const [missing] = this.#pending;
    if (missing !== undefined) throw new ProofUnavailableError(`leaf ${this.#next} is not there`);
    return this.#parts.map(({ edge, count }) => rootOf(edge, count, this.#sha256));
  }
}

/** Whether `proof` shows the leaf at `index` (0-based) to be in the tree of this size and root: RFC 9162 §2.1.3.2. */
export function verifyInclusion(
  claim: {
    readonly leafHash: Uint8Array;
    readonly index: number;
    readonly size: number;
    readonly root: Uint8Array;
    readonly proof: readonly Uint8Array[];
  },
  sha256: Sha256,
): boolean {
  let { index } = claim;
  let last = claim.size - 1;
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(last) || index < 0 || index > last) return false;
  let hash = claim.leafHash;
  for (const sibling of claim.proof) {
    if (last === 0) return false;
    if (index % 2 === 1 || index === last) {
      hash = nodeHash(sibling, hash, sha256);
      while (index % 2 === 0 && index !== 0) {
        index /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      hash = nodeHash(hash, sibling, sha256);
    }
    index = Math.floor(index / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(hash, claim.root);
}

/** Whether `proof` shows the old tree to be a prefix of the new one: RFC 9162 §2.1.4.2. */
export function verifyConsistency(
  claim: {
    readonly oldSize: number;
    readonly oldRoot: Uint8Array;
    readonly newSize: number;
    readonly newRoot: Uint8Array;
    readonly proof: readonly Uint8Array[];
  },
  sha256: Sha256,
): boolean {
  const { oldSize, newSize, oldRoot, newRoot } = claim;
  if (!Number.isSafeInteger(oldSize) || !Number.isSafeInteger(newSize)) return false;
  if (oldSize < 1 || oldSize > newSize) return false;
  if (oldSize === newSize) return claim.proof.length === 0 && equalBytes(oldRoot, newRoot);
  const proof = edgeLengthOf(oldSize) === 1 ? [oldRoot, ...claim.proof] : claim.proof;
  const first = proof[0];
  if (first === undefined) return false;
  let index = oldSize - 1;
  let last = newSize - 1;
  while (index % 2 === 1) {
    index = Math.floor(index / 2);
    last = Math.floor(last / 2);
  }
  let oldHash = first;
  let newHash = first;
  for (const sibling of proof.slice(1)) {
    if (last === 0) return false;
    if (index % 2 === 1 || index === last) {
      oldHash = nodeHash(sibling, oldHash, sha256);
      newHash = nodeHash(sibling, newHash, sha256);
      while (index % 2 === 0 && index !== 0) {
        index /= 2;
        last = Math.floor(last / 2);
      }
    } else {
      newHash = nodeHash(newHash, sibling, sha256);
    }
    index = Math.floor(index / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 && equalBytes(oldHash, oldRoot) && equalBytes(newHash, newRoot);
}

function halves({ from, to }: LeafRange): readonly [LeafRange, LeafRange] {
  let split = 1;
  while (split * 2 < to - from) split *= 2;
  return [
    { from, to: from + split },
    { from: from + split, to },
  ];
}
