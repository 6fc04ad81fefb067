import { generateKeyPairSync } from 'node:crypto';
import { encodeBase64 } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rawPublicKey } from './ed25519-notes.js';
import { readTrustedKeys, TrustedKeyError } from './trusted-keys.js';

const test = suite('trusted keys');
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const raw = rawPublicKey(publicKey);

test('are read from PEM, from verifier keys, and bare as a configuration names them', () => {
  const pems = [
    publicKey.export({ type: 'spki', format: 'pem' }),
    privateKey.export({ type: 'pkcs8', format: 'pem' }),
  ];
  for (const text of [...pems.map(String), `# a child\n\n  ${encodeBase64(raw)}\n`]) {
    assert.equal(readTrustedKeys(text), [{ publicKey: raw }]);
  }
  const [named, bare] = readTrustedKeys(
    `example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n${encodeBase64(raw)}`,
  );
  assert.ok(named !== undefined && 'keyName' in named && named.keyName === 'example.com/foo');
  assert.equal(bare, { publicKey: raw });
});

test('are refused by name when they are none, or not Ed25519', () => {
  const other = generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'pem' }).toString();
  const wrong = [
    '',
    '# nothing',
    'hello',
    other,
    '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----',
  ];
  for (const text of wrong) {
    assert.throws(
      () => readTrustedKeys(text),
      (error: unknown) => error instanceof TrustedKeyError,
    );
  }
});

test.run();
