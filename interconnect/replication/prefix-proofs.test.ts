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
import { newSiteId, sha256 } from './replication.fixture.js';
import { RootMemory } from './root-memory.js';
import type { ReadLeafHashes } from './subtree-hashes.js';

const test = suite('prefix proofs');
const leaves = Array.from({ length: 9_000 }, (_, index) => sha256(Uint8Array.of(0, index >> 8, index & 255)));
const edges: TreeEdge[] = [[]];
for (const [size, leaf] of leaves.entries()) edges.push(extendEdge(edges[size]!, size, [leaf], sha256));
/** More than a link that breaks lasts for. */
const many = Array.from({ length: 20_000 }, (_, index) => leaves[index % leaves.length]!);
const newRoot = rootOf(extendEdge([], 0, many, sha256), many.length, sha256);
const head = { epoch: 1, size: many.length, root: newRoot };
const edgeAt = (size: number) => edges[size]!;
const rootAt = (size: number) => rootOf(edgeAt(size), size, sha256);

const origin = newSiteId();
const proofsOf = (size: number, read: ReadLeafHashes, roots = new RootMemory()) =>
  new PrefixProofs(size, roots.hashes({ origin, epoch: 1, size, read, sha256 }));

/** A log whose pages may be shorter than was asked for. */
function openProofs(newSize: number, pageMax = 1_024) {
  const reads: number[] = [];
  const signed = { epoch: 1, size: newSize, root: rootAt(newSize) };
  const proofs = proofsOf(newSize, async ({ after, limit }) => {
    reads.push(limit);
    return encodeEdge(leaves.slice(after.position, after.position + Math.min(limit, pageMax)));
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

/** Links that break after so many reads; says how many it takes until `work` is done. */
async function linksUntilDone(work: (read: ReadLeafHashes) => Promise<unknown>): Promise<number> {
  for (let links = 1; links < 20; links += 1) {
    let left = 6;
    const read: ReadLeafHashes = async ({ after, limit }) => {
      if (left === 0) throw new Error('the link broke');
      left -= 1;
      return encodeEdge(many.slice(after.position, after.position + limit));
    };
    const failed = await work(read).then(
      () => null,
      error => error,
    );
    if (failed === null) return links;
    assert.match(failed.message, 'the link broke');
  }
  throw new Error('no progress over 20 links');
}

test('a proof over a link that breaks again and again goes on where it was', async () => {
  const roots = new RootMemory();
  const links = await linksUntilDone(async read => {
    const treeEdge = extendEdge([], 0, many.slice(0, 350), sha256);
    const proof = await proofsOf(many.length, read, roots).prove({ size: 350, treeEdge });
    const claim = {
      oldSize: 350,
      oldRoot: rootOf(treeEdge, 350, sha256),
      newSize: many.length,
      newRoot,
      proof,
    };
    assert.ok(verifyConsistency(claim, sha256));
  });
  assert.ok(links > 1 && links <= 8, `${links}`);
});

test('histories that are compared over such a link are too, over either side, and once', async () => {
  for (const after of [many.length - 5_000, 9_000]) {
    const roots = new RootMemory();
    const edge = extendEdge([], 0, many.slice(0, after), sha256);
    const compare = (read: ReadLeafHashes, treeEdge: TreeEdge = edge) =>
      roots.agrees({
        ...{ origin, want: { epoch: 1, after, treeEdge }, head, sha256 },
        log: { epochs: () => [], leafHashes: read },
      });
    const links = await linksUntilDone(async read => assert.ok(await compare(read)));
    assert.ok(links <= 6, `${links}`);
    const never: ReadLeafHashes = () => Promise.reject(new Error('read again'));
    assert.ok(await compare(never));
    assert.not(await compare(never, [sha256(Uint8Array.of(1)), ...edge.slice(1)]));
  }
});

test('says when the log does not reach as far as was signed', async () => {
  const proofs = proofsOf(9, async () => new Uint8Array(0));
  const failed = await proofs.prove({ size: 5, treeEdge: edgeAt(5) }).catch(error => error);
  assert.instance(failed, ProofUnavailableError);
});

test.run();
