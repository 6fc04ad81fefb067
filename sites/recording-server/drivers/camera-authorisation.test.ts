import { createHash } from 'node:crypto';
import {
  chooseChallenge,
  type DigestChallenge,
  formatBasicAuthorization,
  formatDigestAuthorization,
  type RtspResponse,
} from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CameraAuthorisation } from './camera-authorisation.js';
import { CameraSessionError } from './camera-session-error.js';

const test = suite('RTSP authorisation');

const hash = (algorithm: 'MD5' | 'SHA-256', text: string) =>
  createHash(algorithm === 'MD5' ? 'md5' : 'sha256')
    .update(text)
    .digest('hex');

const challengeOf = (algorithm: string) =>
  chooseChallenge([
    `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`,
  ]) as DigestChallenge;

test('answers the examples of RFC 7616 §3.9.1', () => {
  const answers = ['MD5', 'SHA-256'].map(algorithm =>
    formatDigestAuthorization({
      challenge: challengeOf(algorithm),
      userName: 'Mufasa',
      password: 'Circle of Life',
      method: 'GET',
      uri: '/dir/index.html',
      nonceCount: 1,
      clientNonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
      hash,
    }),
  );
  assert.match(answers[0]!, 'response="8ca523f5e9506fed4657c9700eebdbec"');
  assert.match(answers[1]!, 'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"');
  assert.match(answers[0]!, 'qop=auth, nc=00000001');
  assert.match(answers[0]!, 'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"');
});

test('answers without qop as RFC 2069 wants it', () => {
  const challenge = chooseChallenge(['Digest realm="camera", nonce="abc"']) as DigestChallenge;
  const answer = formatDigestAuthorization({
    challenge,
    userName: 'admin',
    password: 'secret',
    method: 'DESCRIBE',
    uri: 'rtsp://camera/',
    nonceCount: 1,
    clientNonce: 'unused',
    hash,
  });
  const expected = hash(
    'MD5',
    `${hash('MD5', 'admin:camera:secret')}:abc:${hash('MD5', 'DESCRIBE:rtsp://camera/')}`,
  );
  assert.match(answer, `response="${expected}"`);
  assert.not.match(answer, 'cnonce');
});

test('chooses SHA-256 before MD5 before Basic, and nothing that it does not know', () => {
  const basic = 'Basic realm="camera"';
  const md5 = 'Digest realm="camera", nonce="1"';
  const sha = 'Digest realm="camera", nonce="2", algorithm=SHA-256';
  assert.is((chooseChallenge([basic, md5, sha]) as DigestChallenge).nonce, '2');
  assert.is((chooseChallenge([basic, md5]) as DigestChallenge).nonce, '1');
  assert.is(chooseChallenge([basic])?.scheme, 'Basic');
  assert.is(chooseChallenge(['Bearer x', 'Digest realm="camera", nonce="3", algorithm=SHA-512-256']), null);
  assert.is(chooseChallenge([]), null);
});

test('writes Basic in UTF-8', () => {
  assert.is(formatBasicAuthorization('Aladdin', 'open sesame'), 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==');
  assert.is(
    formatBasicAuthorization('tür', 'schlüssel'),
    `Basic ${Buffer.from('tür:schlüssel').toString('base64')}`,
  );
});

function unauthorised(challenge: string): RtspResponse {
  return {
    kind: 'response',
    status: 401,
    reason: 'Unauthorized',
    headers: new Map([['www-authenticate', [challenge]]]),
    body: new Uint8Array(0),
  };
}

const codeOf = (action: () => void) => {
  try {
    action();
    return null;
  } catch (fault) {
    return fault instanceof CameraSessionError ? fault.code : 'OTHER';
  }
};

test('counts its requests per nonce and begins anew with a new nonce', () => {
  const authorisation = new CameraAuthorisation({
    credentials: { userName: 'a', password: 'b' },
    random: () => 0.5,
  });
  assert.is(authorisation.header('DESCRIBE', 'rtsp://c/'), null);
  authorisation.challenged(unauthorised('Digest realm="r", nonce="1", qop="auth"'), 1);
  assert.match(authorisation.header('DESCRIBE', 'rtsp://c/')!, 'nc=00000001');
  assert.match(authorisation.header('SETUP', 'rtsp://c/1')!, 'nc=00000002');
  authorisation.challenged(unauthorised('Digest realm="r", nonce="2", qop="auth", stale=true'), 1);
  assert.match(authorisation.header('PLAY', 'rtsp://c/')!, 'nonce="2"');
});

test('gives up after a refused answer, and after a nonce that is always stale', () => {
  const options = { credentials: { userName: 'a', password: 'b' }, random: () => 0.5 };
  const wrong = new CameraAuthorisation(options);
  wrong.challenged(unauthorised('Digest realm="r", nonce="1"'), 1);
  assert.is(
    codeOf(() => wrong.challenged(unauthorised('Digest realm="r", nonce="2"'), 2)),
    'CREDENTIALS_REFUSED',
  );
  const stale = new CameraAuthorisation(options);
  const again = (attempt: number) =>
    codeOf(() => stale.challenged(unauthorised(`Digest realm="r", nonce="${attempt}", stale=true`), attempt));
  assert.equal([again(1), again(2), again(3)], [null, null, 'CREDENTIALS_REFUSED']);
});

test('names missing credentials and unknown challenges', () => {
  const without = new CameraAuthorisation({ credentials: null, random: () => 0.5 });
  assert.is(
    codeOf(() => without.challenged(unauthorised('Basic realm="r"'), 1)),
    'CREDENTIALS_NEEDED',
  );
  assert.is(
    codeOf(() => without.challenged(unauthorised('Negotiate'), 1)),
    'CHALLENGE_UNKNOWN',
  );
});

test.run();
