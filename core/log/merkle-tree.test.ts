import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeEdge,
  edgeLengthOf,
  encodeEdge,
  equalBytes,
  extendEdge,
  rootOf,
  TreeEdgeError,
} from './merkle-tree.js';
import { referenceSha256 as sha256 } from './sha256.reference.js';

const test = suite('merkle tree');
const hex = (bytes: Uint8Array) => [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
const bytesOf = (text: string) => Uint8Array.from(text.match(/../g) ?? [], pair => Number.parseInt(pair, 16));

/** RFC 6962 §2.1 word for word: the definition, not the algorithm. */
function definedRoot(leafHashes: readonly Uint8Array[]): Uint8Array {
  if (leafHashes.length === 0) return sha256();
  if (leafHashes.length === 1) return leafHashes[0]!;
  let split = 1;
  while (split * 2 < leafHashes.length) split *= 2;
  const left = definedRoot(leafHashes.slice(0, split));
  return sha256(Uint8Array.of(1), left, definedRoot(leafHashes.slice(split)));
}

const leaves = Array.from({ length: 70 }, (_, index) => sha256(Uint8Array.of(0, index)));

test('has the roots of the published test vectors of Certificate Transparency', () => {
  const entries = [
    '',
    '00',
    '10',
    '2021',
    '3031',
    '40414243',
    '5051525354555657',
    '606162636465666768696a6b6c6d6e6f',
  ];
  const roots = [
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];
  const hashes = entries.map(entry => sha256(Uint8Array.of(0), bytesOf(entry)));
  roots.forEach((root, index) => {
    const prefix = hashes.slice(0, index + 1);
    assert.is(hex(rootOf(extendEdge([], 0, prefix, sha256), prefix.length, sha256)), root);
  });
});

test('has the same root and edge however the leaves arrive', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(9), { maxLength: 12 }), steps => {
      let edge: readonly Uint8Array[] = [];
      let size = 0;
      for (const step of steps) {
        const batch = leaves.slice(size, Math.min(size + step, leaves.length));
        edge = decodeEdge(encodeEdge(extendEdge(edge, size, batch, sha256)), size + batch.length);
        size += batch.length;
      }
      assert.is(hex(rootOf(edge, size, sha256)), hex(definedRoot(leaves.slice(0, size))));
    }),
  );
});

test('keeps count beyond 32 bits', () => {
  const size = 2 ** 40 + 3;
  const edge = [leaves[0]!, leaves[1]!, leaves[2]!];
  const extended = extendEdge(edge, size, [leaves[3]!], sha256);
  assert.is(extended.length, 2);
  assert.is(hex(extended[0]!), hex(leaves[0]!));
});

test('refuses an edge that does not belong to its size', () => {
  const isEdgeError = (error: unknown) => error instanceof TreeEdgeError;
  assert.throws(() => extendEdge([leaves[0]!], 3, [], sha256), isEdgeError);
  assert.throws(() => rootOf([], 1, sha256), isEdgeError);
  assert.throws(() => decodeEdge(new Uint8Array(33), 1), isEdgeError);
  assert.throws(() => extendEdge([], 0, [new Uint8Array(31)], sha256), isEdgeError);
});

test('bytes are the same only in full', () => {
  assert.ok(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
  for (const other of [[], [1], [1, 3], [2, 2], [1, 2, 3]]) {
    assert.not(equalBytes(Uint8Array.of(1, 2), Uint8Array.from(other)));
    assert.not(equalBytes(Uint8Array.from(other), Uint8Array.of(1, 2)));
  }
});

test('no tree has a size that is none', () => {
  for (const size of [-1, 0.5, Number.NaN, 2 ** 53])
    assert.throws(
      () => edgeLengthOf(size),
      (error: Error) => error instanceof TreeEdgeError,
    );
  assert.is(edgeLengthOf(Number.MAX_SAFE_INTEGER), 53);
});

test.run();
