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
  return hashesIn(new Uint8Array(bytes));
}

/** The hashes of one run of bytes, 32 for each, in place; a rest that is shorter is none. */
export function hashesIn(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.floor(bytes.length / HASH_BYTES) }, (_, index) =>
    bytes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES),
  );
}

/** Whether two runs of bytes are the same. Hashes are public here, so this need not take constant time. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  for (let index = 0; index < left.length; index += 1) if (left[index] !== right[index]) return false;
  return true;
}

/** RFC 6962 §2.1: the hash of a node over two subtrees. */
export function nodeHash(left: Uint8Array, right: Uint8Array, sha256: Sha256): Uint8Array {
  return sha256(NODE_PREFIX, left, right);
}

function assertEdge(edge: TreeEdge, size: number): void {
  if (edge.length === edgeLengthOf(size)) return;
  throw new TreeEdgeError(
    `${edge.length} hashes, but the edge over ${size} leaves has ${edgeLengthOf(size)}`,
  );
}

/** How many bits are set in `size`: bitwise operators would cut it to 32 of them. */
export function edgeLengthOf(size: number): number {
  if (!Number.isSafeInteger(size) || size < 0) throw new TreeEdgeError(`${size} is not a size of a tree`);
  let count = 0;
  for (let bits = size; bits > 0; bits = Math.floor(bits / 2)) count += bits % 2;
  return count;
}
