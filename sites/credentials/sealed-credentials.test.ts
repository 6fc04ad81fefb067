import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  generateSealingKey,
  openCredentials,
  SealedCredentialsError,
  sealCredentials,
} from './sealed-credentials.js';

const test = suite('sealed credentials');
const credentials = { userName: 'admin', password: 'pässword' };

test('only the site they were sealed to opens them', () => {
  const site = generateSealingKey();
  const sealed = sealCredentials(credentials, site.publicKey);
  assert.equal(openCredentials(sealed, site.privateKeyPem), credentials);
  assert.throws(
    () => openCredentials(sealed, generateSealingKey().privateKeyPem),
    (error: unknown) => error instanceof SealedCredentialsError,
  );
});

test('a changed byte anywhere is noticed', () => {
  const site = generateSealingKey();
  const sealed = Buffer.from(sealCredentials(credentials, site.publicKey), 'base64');
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed[at] = changed[at]! ^ 1;
    assert.throws(
      () => openCredentials(changed.toString('base64'), site.privateKeyPem),
      (error: unknown) => error instanceof SealedCredentialsError,
    );
  }
  assert.throws(
    () => openCredentials('', site.privateKeyPem),
    (error: unknown) => error instanceof SealedCredentialsError,
  );
});

test('the same credentials never look the same', () => {
  const { publicKey } = generateSealingKey();
  assert.is.not(sealCredentials(credentials, publicKey), sealCredentials(credentials, publicKey));
});

test.run();
