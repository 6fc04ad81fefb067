import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { digestChallenge, verifyDigest } from './digest-authentication.js';

const test = suite('digest authentication');

/** The worked example of RFC 2069 §2.4 with the response of its errata. */
const credentials = { userName: 'Mufasa', password: 'CircleOfLife' };
const realm = 'testrealm@host.com';
const nonce = 'dcd98b7102dd2f0e8b11d0f600bfb0c093';
const header = (response: string): string =>
  `Digest username="Mufasa", realm="${realm}", nonce="${nonce}", uri="/dir/index.html", response="${response}"`;
const right = header('1949323746fe6a43ef61f9606e7febea');
const expected = { credentials, realm, nonce, method: 'GET' };

test('the response of the standard is accepted', () => {
  assert.is(verifyDigest(right, expected), 'ACCEPTED');
});

test('a wrong password, another method, another scheme and nothing at all are refused', () => {
  const wrong = { ...expected, credentials: { ...credentials, password: 'x' } };
  assert.is(verifyDigest(right, wrong), 'REFUSED');
  assert.is(verifyDigest(right, { ...expected, method: 'PLAY' }), 'REFUSED');
  assert.is(verifyDigest('Basic TXVmYXNhOkNpcmNsZU9mTGlmZQ==', expected), 'REFUSED');
  assert.is(verifyDigest(undefined, expected), 'REFUSED');
  assert.is(verifyDigest(header(''), expected), 'REFUSED');
});

test('the right answer to an old nonce is told so, that the client may try again without asking its user', () => {
  assert.is(verifyDigest(right, { ...expected, nonce: 'another' }), 'STALE_NONCE');
  assert.match(digestChallenge({ realm, nonce: 'another', stale: true }), /stale=TRUE/);
});

test.run();
