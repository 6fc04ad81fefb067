import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { extendEdge, rootOf } from './merkle-tree.js';
import { PatchedTree } from './patched-tree.js';
import { referenceSha256 as sha256 } from './sha256.reference.js';

const test = suite('patched tree');
const leaves = Array.from({ length: 70 }, (_, index) => sha256(Uint8Array.of(0, index)));
const edgeOver = (size: number) => extendEdge([], 0, leaves.slice(0, size), sha256);
const NOTHING = { size: 0, edge: [] };

/** Over the first leaves but those missing (from 1), patched by the edge over all that are kept. */
function grow(
  to: number,
  { missing, kept, from = 0 }: { missing: readonly number[]; kept: number; from?: number },
) {
  const start = { size: from, edge: edgeOver(from) };
  const tree = new PatchedTree(start, { size: kept, edge: edgeOver(kept) }, sha256);
  while (tree.size < to) {
    let end = tree.size;
    while (missing.includes(end + 1) && end < to) end += 1;
    if (end > tree.size) tree.skip(end - tree.size);
    else tree.take(leaves[end]!);
  }
  return tree;
}

test('knows the root over what is missing by the edge that was kept, and says what that root proves', () => {
  const sizes = fc.tuple(fc.nat(70), fc.nat(70), fc.nat(70)).map(all => all.toSorted((a, b) => a - b));
  let knownCount = 0;
  fc.assert(
    fc.property(sizes, fc.array(fc.integer({ min: 1, max: 70 }), { maxLength: 4 }), (numbers, missing) => {
      const [from, to, kept] = numbers as [number, number, number];
      const tree = grow(to, { missing, kept, from });
      assert.is(tree.size, to);
      const root = tree.root();
      const isHoled = missing.some(leaf => leaf > from && leaf <= to);
      assert.is(tree.wholeEdge() === null, isHoled);
      if (root === null) return assert.ok(isHoled);
      assert.equal(root, rootOf(edgeOver(to), to, sha256));
      if (isHoled) knownCount += 1;
      for (const { from: first, to: last } of tree.knownAfter(from)) {
        assert.ok(first > from && first <= last && last <= to);
        assert.not.ok(missing.some(leaf => leaf >= first && leaf <= last));
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(knownCount > 0);
});

test('of a tree of 41 leaves of which the 20th is lost, the last nine are proved and none below the patch', () => {
  const tree = grow(41, { missing: [20], kept: 41 });
  assert.equal(tree.root(), rootOf(edgeOver(41), 41, sha256));
  assert.equal(tree.knownAfter(11), [{ from: 33, to: 41 }]);
  // An older root needs a subtree that nobody kept.
  assert.is(grow(31, { missing: [20], kept: 41 }).root(), null);
  const other = new PatchedTree(NOTHING, { size: 41, edge: edgeOver(41) }, sha256);
  other.skip(32);
  for (const leaf of leaves.slice(33, 42)) other.take(leaf);
  assert.not.equal(other.root(), tree.root(), 'other leaves have another root');
});

test('passes over any number of leaves in a few steps', () => {
  const tree = new PatchedTree(NOTHING, NOTHING, sha256);
  tree.take(leaves[0]!);
  tree.skip(2 ** 40);
  assert.equal([tree.size, tree.root()], [2 ** 40 + 1, null]);
});

test.run();
