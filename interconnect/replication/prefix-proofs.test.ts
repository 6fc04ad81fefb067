import {
  encodeEdge,
  extendEdge,
  ProofUnavailableError,
  rootOf,
  type TreeEdge,
  verifyConsistency,
} from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PrefixProofs } from './prefix-proofs.js';
import { sha256 } from './replication.fixture.js';

const test = suite('prefix proofs');
const leaves = Array.from({ length: 9_000 }, (_, index) => sha256(Uint8Array.of(0, index >> 8, index & 255)));
const edges: TreeEdge[] = [[]];
for (const [size, leaf] of leaves.entries()) edges.push(extendEdge(edges[size]!, size, [leaf], sha256));
const edgeAt = (size: number) => edges[size]!;
const rootAt = (size: number) => rootOf(edgeAt(size), size, sha256);

/** A log whose pages may be shorter than was asked for. */
function openProofs(newSize: number, pageMax = 1_024) {
  const reads: number[] = [];
  const signed = { epoch: 1, size: newSize, root: rootAt(newSize) };
  const proofs = new PrefixProofs({
    signed,
    read: async ({ after, limit }) => {
      reads.push(limit);
      return encodeEdge(leaves.slice(after.position, after.position + Math.min(limit, pageMax)));
    },
    sha256,
  });
  const prove = async (oldSize: number) => {
    const proof = await proofs.prove({ size: oldSize, treeEdge: edgeAt(oldSize) });
    const claim = { oldSize, oldRoot: rootAt(oldSize), newSize, newRoot: signed.root, proof };
    assert.ok(verifyConsistency(claim, sha256), `${oldSize} in ${newSize}`);
    assert.not(verifyConsistency({ ...claim, oldRoot: rootAt(oldSize + 1) }, sha256));
  };
  return { prove, reads };
}

test('proves prefixes of any size, within a block and over many', async () => {
  for (const pageMax of [100, 1_024]) {
    const { prove } = openProofs(8_200, pageMax);
    for (const size of [1, 2, 3, 255, 256, 257, 350, 1_023, 1_024, 1_025, 4_095, 4_096, 5_000, 8_192, 8_199])
      await prove(size);
  }
  for (const end of [2, 3, 9, 1_024, 1_025, 2_048, 8_999]) {
    const { prove } = openProofs(end);
    for (const size of [1, end >> 1, end - 1]) await prove(size);
  }
});

test('reads what lies ahead once, however many batches it is sent in', async () => {
  const { prove, reads } = openProofs(8_200);
  await prove(350);
  const first = reads.length;
  assert.ok(first <= 10, `${first} reads of 1,024 leaf hashes for 8,200`);
  for (let size = 700; size < 8_200; size += 350) await prove(size);
  const count = reads.length - first;
  assert.ok(count <= 24, `${count} reads for 22 batches`);
});

test('says when the log does not reach as far as was signed', async () => {
  const signed = { epoch: 1, size: 9, root: rootAt(9) };
  const proofs = new PrefixProofs({ signed, read: async () => new Uint8Array(0), sha256 });
  const failed = await proofs.prove({ size: 5, treeEdge: edgeAt(5) }).catch(error => error);
  assert.instance(failed, ProofUnavailableError);
});

test.run();
