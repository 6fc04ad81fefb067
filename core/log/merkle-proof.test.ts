import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  consistencyRanges,
  inclusionRanges,
  type LeafRange,
  MerkleProofBuilder,
  ProofUnavailableError,
  verifyConsistency,
  verifyInclusion,
} from './merkle-proof.js';
import { extendEdge, rootOf } from './merkle-tree.js';
import { referenceSha256 as sha256 } from './sha256.reference.js';

const test = suite('merkle proof');
const leaves = Array.from({ length: 70 }, (_, index) => sha256(Uint8Array.of(0, index)));
const rootAt = (size: number) => rootOf(extendEdge([], 0, leaves.slice(0, size), sha256), size, sha256);

/** Feeds what a log would, in pages. */
function prove(ranges: readonly LeafRange[], size: number, page = 7): readonly Uint8Array[] {
  const builder = new MerkleProofBuilder(ranges, sha256);
  for (let next = builder.next; next !== null; next = builder.next) {
    assert.ok(next < size, 'asks only for leaves that are there');
    builder.take(leaves.slice(next, Math.min(next + page, size)));
  }
  return builder.finish();
}
const inclusionProof = (index: number, size: number) => prove(inclusionRanges(index, size), size);
const consistencyProof = (oldSize: number, size: number) => prove(consistencyRanges(oldSize, size), size);

test('proves each leaf to be in the tree, and nothing else', () => {
  for (const size of [1, 2, 3, 7, 8, 13, 64, 70]) {
    const root = rootAt(size);
    for (let index = 0; index < size; index += 1) {
      const proof = inclusionProof(index, size);
      const claim = { leafHash: leaves[index]!, index, size, root, proof };
      assert.ok(verifyInclusion(claim, sha256), `leaf ${index} of ${size}`);
      assert.not(verifyInclusion({ ...claim, leafHash: leaves[(index + 1) % 70]! }, sha256));
      assert.not(verifyInclusion({ ...claim, index: index + 1 }, sha256));
      assert.not(verifyInclusion({ ...claim, proof: [...proof, root] }, sha256));
      if (proof.length > 0) assert.not(verifyInclusion({ ...claim, proof: proof.slice(1) }, sha256));
    }
  }
});

test('proves each tree to be a prefix of each later one, and nothing else', () => {
  for (let newSize = 1; newSize <= 20; newSize += 1) {
    const newRoot = rootAt(newSize);
    for (let oldSize = 1; oldSize <= newSize; oldSize += 1) {
      const oldRoot = rootAt(oldSize);
      const proof = consistencyProof(oldSize, newSize);
      const claim = { oldSize, oldRoot, newSize, newRoot, proof };
      assert.ok(verifyConsistency(claim, sha256), `${oldSize} in ${newSize}`);
      assert.not(verifyConsistency({ ...claim, oldRoot: leaves[69]! }, sha256));
      assert.not(verifyConsistency({ ...claim, newRoot: leaves[69]! }, sha256));
      assert.not(verifyConsistency({ ...claim, proof: [...proof, newRoot] }, sha256));
      if (proof.length > 0) assert.not(verifyConsistency({ ...claim, proof: proof.slice(0, -1) }, sha256));
    }
  }
});

test('proves the same in pages of any length', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 69 }),
      fc.nat(),
      fc.integer({ min: 1, max: 20 }),
      (size, a, page) => {
        const index = a % size;
        const proof = prove(inclusionRanges(index, size), size, page);
        assert.equal(proof, inclusionProof(index, size));
        const oldSize = 1 + index;
        assert.equal(prove(consistencyRanges(oldSize, size), size, page), consistencyProof(oldSize, size));
      },
    ),
  );
});

test('says when leaves are missing', () => {
  const isUnavailable = (error: unknown) => error instanceof ProofUnavailableError;
  const short = new MerkleProofBuilder(inclusionRanges(3, 20), sha256);
  short.take(leaves.slice(0, 19));
  assert.throws(() => short.finish(), isUnavailable);
});

test('names no leaf and no tree that cannot be', () => {
  for (const [index, size] of [
    [3, 3],
    [-1, 3],
    [0.5, 3],
    [0, 0],
  ]) {
    assert.throws(() => inclusionRanges(index!, size!), RangeError);
  }
  for (const [oldSize, size] of [
    [0, 3],
    [4, 3],
    [1.5, 3],
  ]) {
    assert.throws(() => consistencyRanges(oldSize!, size!), RangeError);
  }
});

test.run();
