import type { SiteId } from '@holdfast/schema';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeBase64, encodeBase64 } from './base64.js';
import {
  checkpointHead,
  checkpointKey,
  encodeCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  signCheckpoint,
} from './checkpoint.js';
import { failureOf } from './checkpoint-failure.fixture.js';
import { equalBytes } from './merkle-tree.js';
import { referenceSha256 as sha256 } from './sha256.reference.js';
import { formatSignatureLine, type NoteVerifier } from './signed-note.js';
import type { LogHead } from './site-log.js';

const test = suite('checkpoint');
const site = '0198f3a2-7c1d-7e2a-9b3c-1234567890ab' as SiteId;
const head: LogHead = { site, epoch: 2, size: 20_852_163, root: new Uint8Array(32).fill(0xab) };
const publicKey = new Uint8Array(32).fill(7);
/** Stands in for Ed25519, which is tested where it lives: the key, the hash of the bytes. */
const sign = (bytes: Uint8Array) => Uint8Array.of(...publicKey, ...sha256(bytes));
const verify: NoteVerifier = (bytes, signature) => equalBytes(sign(bytes), signature);
const note = signCheckpoint(head, { publicKey, sign }, sha256);

test('is the text that C2SP tlog-checkpoint asks for', () => {
  assert.is(
    encodeCheckpoint(head),
    `holdfast/site/${site}/2\n20852163\nq6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=\n`,
  );
  assert.equal(parseCheckpoint(encodeCheckpoint(head)), head);
  assert.equal(parseCheckpoint(encodeCheckpoint({ ...head, size: 0 })).size, 0);
});

test('opens as a signed note under the key that signed it', () => {
  assert.equal(openCheckpoint(note, { publicKey, verify }, sha256), head);
  assert.equal(checkpointHead(note), head);
  assert.ok(note.startsWith(`${encodeCheckpoint(head)}\n\u2014 holdfast/site/${site}/2 `));
});

test('ignores signatures by others, and takes none of them for the right one', () => {
  const other = `\u2014 witness.example ${encodeBase64(new Uint8Array(72))}\n`;
  assert.equal(openCheckpoint(note + other, { publicKey, verify }, sha256), head);
  const otherKey = new Uint8Array(32).fill(8);
  assert.is(
    failureOf(() => openCheckpoint(note, { publicKey: otherKey, verify }, sha256)),
    'NO_SIGNATURE_BY_KEY',
  );
});

test('refuses one that its key has signed again and again, before it checks any of it', () => {
  const line = note.slice(note.indexOf('\u2014'));
  assert.equal(openCheckpoint(note + line.repeat(3), { publicKey, verify }, sha256), head);
  let checks = 0;
  const counting: NoteVerifier = (...claim) => {
    checks += 1;
    return verify(...claim);
  };
  for (const count of [4, 80])
    assert.is(
      failureOf(() => openCheckpoint(note + line.repeat(count), { publicKey, verify: counting }, sha256)),
      'MALFORMED_NOTE',
    );
  assert.is(checks, 0);
});

test('does not open when one of several signatures by its key is wrong, or of another length', () => {
  const lineOf = (signature: Uint8Array) =>
    formatSignatureLine(checkpointKey(head, publicKey), signature, sha256);
  const wrong = note + lineOf(new Uint8Array(64));
  assert.is(
    failureOf(() => openCheckpoint(wrong, { publicKey, verify }, sha256)),
    'BAD_SIGNATURE',
  );
  // Whatever is thought of its bytes.
  const short = note + lineOf(new Uint8Array(63));
  assert.is(
    failureOf(() => openCheckpoint(short, { publicKey, verify: () => true }, sha256)),
    'BAD_SIGNATURE',
  );
  assert.throws(
    () => signCheckpoint(head, { publicKey, sign: () => new Uint8Array(63) }, sha256),
    /a signature of 63 bytes/,
  );
});

test('does not open when the text was altered', () => {
  const altered = note.replace('20852163', '20852164');
  assert.is(
    failureOf(() => openCheckpoint(altered, { publicKey, verify }, sha256)),
    'BAD_SIGNATURE',
  );
});

test('refuses text that is nearly a checkpoint', () => {
  const [origin, size, root] = encodeCheckpoint(head).split('\n');
  const bodies = [
    '',
    `${origin}\n${size}\n`,
    `${origin}\n0${size}\n${root}\n`,
    `${origin}\n-1\n${root}\n`,
    `${origin}\n99999999999999999\n${root}\n`,
    `${origin}\n${2 ** 53}\n${root}\n`,
    `${origin}\n${size}\n${root}\n\n`,
    `${origin}\n${size}\n${root}AAAA\n`,
    `${origin}\n${size}\n${root}\nextension\n`,
    `${origin}\n${size}\n${root}`,
    `holdfast/site/${site}/0\n${size}\n${root}\n`,
    `holdfast/site/${'0'.repeat(36)}/1\n${size}\n${root}\n`,
  ];
  for (const body of bodies)
    assert.is(
      failureOf(() => parseCheckpoint(body)),
      'MALFORMED_BODY',
      body,
    );
  for (const text of ['', note.trimEnd(), encodeCheckpoint(head), `${encodeCheckpoint(head)}\n- x AAAA\n`]) {
    assert.is(
      failureOf(() => openCheckpoint(text, { publicKey, verify }, sha256)),
      'MALFORMED_NOTE',
      text,
    );
  }
});

test('answers any text with a named error', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(note.length), (text, at) => {
      failureOf(() => checkpointHead(note.slice(0, at) + text + note.slice(at)));
      failureOf(() => checkpointHead(text));
    }),
  );
});

test('has base64 that gives each run of bytes one text, RFC 4648 section 10', () => {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  const vectors = { '': '', f: 'Zg==', fo: 'Zm8=', foo: 'Zm9v', foob: 'Zm9vYg==', fooba: 'Zm9vYmE=' };
  for (const [text, encoded] of Object.entries(vectors)) {
    assert.is(encodeBase64(utf8(text)), encoded);
    assert.equal(decodeBase64(encoded), utf8(text));
  }
  for (const text of ['Zg=', 'Zh==', 'Zg=a', '====', 'Zm9\n', 'Zm8_'])
    assert.is(decodeBase64(text), null, text);
  fc.assert(
    fc.property(fc.uint8Array(), bytes => {
      assert.equal(decodeBase64(encodeBase64(bytes)), Uint8Array.from(bytes));
    }),
  );
});

test.run();
