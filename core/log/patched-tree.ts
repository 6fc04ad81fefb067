import type { Sha256 } from '../hash.js';
import { extendEdge, nodeHash, rootOf, type TreeEdge } from './merkle-tree.js';

/** Leaves that stand together, by their positions (1..). */
export interface LeafSpan {
  readonly from: number;
  readonly to: number;
}

/**
 * The Merkle tree over leaves of which some are not known. What stands over such a leaf is not known either, unless it is a complete
 * subtree of an edge that was kept: its hash is taken from there, which proves nothing of the leaves below it.
 */
export class PatchedTree {
  readonly #sha256: Sha256;
  /** Subtrees of the edge that was kept, by the number of leaves before them. */
  readonly #kept = new Map<number, { readonly leafCount: number; readonly hash: Uint8Array }>();
  readonly #patches: LeafSpan[] = [];
  /** As a `TreeEdge`; null: not known. */
  #edge: (Uint8Array | null)[];
  #size: number;
  #isWhole = true;

  constructor(
    tree: { readonly size: number; readonly edge: TreeEdge },
    kept: { readonly size: number; readonly edge: TreeEdge },
    sha256: Sha256,
  ) {
    this.#sha256 = sha256;
    // Throws when the edge does not belong to the size.
    this.#edge = extendEdge(tree.edge, tree.size, [], sha256);
    this.#size = tree.size;
    let leafCount = 2 ** 52;
    let [before, left] = [0, kept.size];
    for (const hash of kept.edge) {
      while (leafCount > left) leafCount /= 2;
      this.#kept.set(before, { leafCount, hash });
      before += leafCount;
      left -= leafCount;
    }
  }

  get size(): number {
    return this.#size;
  }

  take(leafHash: Uint8Array): void {
    this.#push(leafHash, 1);
  }

  /** The next leaves are not known. */
  skip(count: number): void {
    this.#isWhole = false;
    for (let left = count; left > 0; ) {
      let leafCount = 1;
      while (this.#size % (2 * leafCount) === 0 && 2 * leafCount <= left) leafCount *= 2;
      this.#push(null, leafCount);
      left -= leafCount;
    }
  }

  /** Null when some leaf was not known. */
  wholeEdge(): TreeEdge | null {
    return this.#isWhole ? (this.#edge as Uint8Array[]) : null;
  }

  /** Null when it is not known. */
  edge(): TreeEdge | null {
    return this.#edge.includes(null) ? null : (this.#edge as Uint8Array[]);
  }

  /** Null when it is not known. */
  root(): Uint8Array | null {
    const edge = this.edge();
    return edge && rootOf(edge, this.#size, this.#sha256);
  }

  /** The leaves behind the first `after` that a root, when it is known, is computed of. */
  knownAfter(after: number): readonly LeafSpan[] {
    const known: LeafSpan[] = [];
    let from = after + 1;
    for (const patch of this.#patches) {
      if (patch.from > from) known.push({ from, to: patch.from - 1 });
      from = Math.max(from, patch.to + 1);
    }
    if (from <= this.#size) known.push({ from, to: this.#size });
    return known;
  }

  /** A complete subtree, in its place. */
  #push(hash: Uint8Array | null, leafCount: number): void {
    let node = this.#patched(hash, this.#size, leafCount);
    let grown = leafCount;
    // Every trailing one of the count is a complete subtree that grows with this one.
    for (let bits = this.#size / leafCount; bits % 2 === 1; bits = Math.floor(bits / 2)) {
      const left = this.#edge.pop()!;
      const before = this.#size + leafCount - 2 * grown;
      const joined = left === null || node === null ? null : nodeHash(left, node, this.#sha256);
      grown *= 2;
      node = this.#patched(joined, before, grown);
    }
    this.#edge.push(node);
    this.#size += leafCount;
  }

  #patched(hash: Uint8Array | null, before: number, leafCount: number): Uint8Array | null {
    if (hash !== null) return hash;
    const kept = this.#kept.get(before);
    if (kept?.leafCount !== leafCount) return null;
    this.#patches.push({ from: before + 1, to: before + leafCount });
    return kept.hash;
  }
}
