import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { referenceSha256 } from './sha256.reference.js';

const test = suite('reference SHA-256');
const utf8 = (text: string) => new TextEncoder().encode(text);
const hex = (bytes: Uint8Array) => [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');

test('gives the digests of FIPS 180-4 for one block, two blocks and nothing', () => {
  assert.is(
    hex(referenceSha256(utf8('abc'))),
    'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
  );
  assert.is(
    hex(referenceSha256(utf8('abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'))),
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  );
  assert.is(hex(referenceSha256()), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
});

test('takes its input in any number of parts', () => {
  assert.equal(referenceSha256(utf8('a'), utf8(''), utf8('bc')), referenceSha256(utf8('abc')));
});

test.run();
