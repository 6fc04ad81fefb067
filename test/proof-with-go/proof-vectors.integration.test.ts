import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  encodeBase64,
  extendEdge,
  LogProofError,
  leafHashOf,
  parseLogProof,
  rootOf,
  verifyCheckpoint,
  verifyLogProof,
} from '@holdfast/core';
import { readTrustedKeys, sha256, verifyNote } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { skipByName } from '../kafka/skip-by-name.js';

const test = suite('proof vectors');
const root = path.resolve(import.meta.dirname, '../../..');
const directory = path.join(root, 'core/log/vectors');
const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'));

interface Vectors {
  readonly leaves: readonly { header: string; data: string; leafHash: string; rootHere: string }[];
  readonly cases: readonly {
    readonly title: string;
    readonly file: string;
    readonly kind: 'CHECKPOINT' | 'EVENT' | 'CONSISTENCY';
    readonly signers: readonly (readonly string[])[];
    readonly expected: string;
  }[];
}
const vectors = JSON.parse(readFileSync(path.join(directory, 'vectors.json'), 'utf8')) as Vectors;

test('are made again byte for byte', () => {
  const output = mkdtempSync(path.join(tmpdir(), 'holdfast-proof-vectors-'));
  const made = spawnSync(process.execPath, [path.join(root, 'scripts/make-proof-vectors.mjs'), output]);
  assert.is(made.status, 0, String(made.stderr));
  const listed = (of: string) => readdirSync(of, { recursive: true, withFileTypes: true });
  const names = listed(directory)
    .filter(entry => entry.isFile())
    .map(entry => path.relative(directory, path.join(entry.parentPath, entry.name)));
  assert.is(listed(output).filter(entry => entry.isFile()).length, names.length);
  for (const name of names) {
    assert.ok(readFileSync(path.join(output, name)).equals(readFileSync(path.join(directory, name))), name);
  }
  rmSync(output, { recursive: true });
});

test('have the leaf hashes and the roots that their events have', () => {
  let edge: readonly Uint8Array[] = [];
  vectors.leaves.forEach(({ header, data, leafHash, rootHere }, index) => {
    const hash = leafHashOf(bytesOf(header), bytesOf(data), sha256);
    assert.is(encodeBase64(hash), leafHash);
    edge = extendEdge(edge, index, [hash], sha256);
    assert.is(encodeBase64(rootOf(edge, index + 1, sha256)), rootHere);
  });
});

test('prove what they should, and nothing else', () => {
  for (const { title, file, kind, signers, expected } of vectors.cases) {
    const text = readFileSync(path.join(directory, file), 'utf8');
    const trust = { signers: signers.map(keys => readTrustedKeys(keys.join('\n'))), verify: verifyNote };
    let found = 'PROVEN';
    try {
      if (kind === 'CHECKPOINT') verifyCheckpoint(text, trust, sha256);
      else assert.is(verifyLogProof(parseLogProof(text), trust, sha256).kind, kind);
    } catch (error) {
      if (!(error instanceof LogProofError)) throw error;
      found = error.failure;
    }
    assert.is(found, expected, `${file}: ${title}`);
  }
});

if (spawnSync('openssl', ['version']).error === undefined) {
  test('are what openssl alone says of events, step by step', () => {
    const program = path.join(root, 'scripts/check-proof.sh');
    const keys = ['site.public.pem', 'parent.public.pem'];
    for (const { file, kind, title, expected } of vectors.cases) {
      if (kind !== 'EVENT') continue;
      const { status, stderr } = spawnSync('sh', [program, file, ...keys], { cwd: directory });
      assert.is(status === 0, expected === 'PROVEN', `${file}: ${title}: ${stderr}`);
    }
  });
} else {
  skipByName('proof vectors with openssl: it is not on the PATH');
}

test.run();
