import type { Sha256 } from '../hash.js';

/** Bytes of a leaf hash, a node and a root. */
export const HASH_BYTES = 32;
/** RFC 6962 §2.1: inner nodes are hashed behind 0x01, leaves behind 0x00. */
const NODE_PREFIX = Uint8Array.of(0x01);
const nothing = new Uint8Array(0);

/**
 * The right edge (RFC 6962 compact range) of the Merkle tree over `size` leaves: the hashes of its complete subtrees,
 * largest first. There is one for every bit that is set in `size`, so at most 53 while positions are safe integers.
 */
export type TreeEdge = readonly Uint8Array[];

/** An edge that does not belong to its size, or that was stored wrongly. */
export class TreeEdgeError extends Error {
  override readonly name = 'TreeEdgeError';
  readonly code = 'TREE_EDGE_MALFORMED';
}

/** The edge of the tree over the `size` leaves before and these after them. The given edge is not changed. */
export function extendEdge(
  edge: TreeEdge,
  size: number,
  leafHashes: Iterable<Uint8Array>,
  sha256: Sha256,
): Uint8Array[] {
  assertEdge(edge, size);
  const stack = [...edge];
  let count = size;
  for (const leafHash of leafHashes) {
    if (leafHash.length !== HASH_BYTES) throw new TreeEdgeError(`a leaf hash of ${leafHash.length} bytes`);
    let node = leafHash;
    // Every trailing one of the count is a complete subtree that grows with this leaf.
    for (let bits = count; bits % 2 === 1; bits = Math.floor(bits / 2)) {
      node = nodeHash(stack.pop()!, node, sha256);
    }
    stack.push(node);
    count += 1;
  }
  return stack;
}

/** The RFC 6962 Merkle tree hash (§2.1) over the `size` leaves: SHA-256 of nothing when there are none. */
export function rootOf(edge: TreeEdge, size: number, sha256: Sha256): Uint8Array {
  assertEdge(edge, size);
  let root = edge.at(-1);
  if (root === undefined) return sha256(nothing);
  for (let index = edge.length - 2; index >= 0; index -= 1) root = nodeHash(edge[index]!, root, sha256);
  return root;
}

/** The edge as one run of bytes, 32 for each hash, largest subtree first. */
export function encodeEdge(edge: TreeEdge): Uint8Array {
  const bytes = new Uint8Array(edge.length * HASH_BYTES);
  edge.forEach((hash, index) => {
    bytes.set(hash, index * HASH_BYTES);
  });
  return bytes;
}

/** Throws `TreeEdgeError` when the bytes are not an edge of a tree of this size. */
export function decodeEdge(bytes: Uint8Array, size: number): Uint8Array[] {
  if (bytes.length !== edgeLengthOf(size) * HASH_BYTES) {
    throw new TreeEdgeError(
      `${bytes.length} bytes, but the edge over ${size} leaves has ${edgeLengthOf(size) * HASH_BYTES}`,
    );
  }
  return Array.from({ length: bytes.length / HASH_BYTES }, (_, index) =>
    bytes.slice(index * HASH_BYTES, (index + 1) * HASH_BYTES),
  );
}

/** The hashes that prove the leaf at `index` (0-based) to be in the tree over these leaves: RFC 6962 §2.1.1. */
export function inclusionProof(
  leafHashes: readonly Uint8Array[],
  index: number,
  sha256: Sha256,
): Uint8Array[] {
  if (!Number.isInteger(index) || index < 0 || index >= leafHashes.length) {
    throw new RangeError(`no leaf ${index} in a tree of ${leafHashes.length}`);
  }
  if (leafHashes.length === 1) return [];
  const split = largestPowerOfTwoBelow(leafHashes.length);
  const left = leafHashes.slice(0, split);
  const right = leafHashes.slice(split);
  return index < split
    ? [...inclusionProof(left, index, sha256), treeHash(right, sha256)]
    : [...inclusionProof(right, index - split, sha256), treeHash(left, sha256)];
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

/** The hashes that prove the tree over the first `oldSize` leaves to be a prefix of the one over all: RFC 6962 §2.1.2. */
export function consistencyProof(
  leafHashes: readonly Uint8Array[],
  oldSize: number,
  sha256: Sha256,
): Uint8Array[] {
  if (!Number.isInteger(oldSize) || oldSize < 1 || oldSize > leafHashes.length) {
    throw new RangeError(`no prefix of ${oldSize} in a tree of ${leafHashes.length}`);
  }
  return subtreeProof(leafHashes, oldSize, true, sha256);
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
  const proof = isPowerOfTwo(oldSize) ? [oldRoot, ...claim.proof] : claim.proof;
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

/** Whether two runs of bytes are the same. Hashes are public here, so this need not take constant time. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function subtreeProof(
  leafHashes: readonly Uint8Array[],
  oldSize: number,
  isWholeOldTree: boolean,
  sha256: Sha256,
): Uint8Array[] {
  if (oldSize === leafHashes.length) return isWholeOldTree ? [] : [treeHash(leafHashes, sha256)];
  const split = largestPowerOfTwoBelow(leafHashes.length);
  const left = leafHashes.slice(0, split);
  const right = leafHashes.slice(split);
  return oldSize <= split
    ? [...subtreeProof(left, oldSize, isWholeOldTree, sha256), treeHash(right, sha256)]
    : [...subtreeProof(right, oldSize - split, false, sha256), treeHash(left, sha256)];
}

function treeHash(leafHashes: readonly Uint8Array[], sha256: Sha256): Uint8Array {
  return rootOf(extendEdge([], 0, leafHashes, sha256), leafHashes.length, sha256);
}

function nodeHash(left: Uint8Array, right: Uint8Array, sha256: Sha256): Uint8Array {
  return sha256(NODE_PREFIX, left, right);
}

function assertEdge(edge: TreeEdge, size: number): void {
  if (edge.length === edgeLengthOf(size)) return;
  throw new TreeEdgeError(
    `${edge.length} hashes, but the edge over ${size} leaves has ${edgeLengthOf(size)}`,
  );
}

/** How many bits are set in `size`: bitwise operators would cut it to 32 of them. */
function edgeLengthOf(size: number): number {
  if (!Number.isSafeInteger(size) || size < 0) throw new TreeEdgeError(`${size} is not a size of a tree`);
  let count = 0;
  for (let bits = size; bits > 0; bits = Math.floor(bits / 2)) count += bits % 2;
  return count;
}

function isPowerOfTwo(size: number): boolean {
  return edgeLengthOf(size) === 1;
}

function largestPowerOfTwoBelow(size: number): number {
  let power = 1;
  while (power * 2 < size) power *= 2;
  return power;
}
