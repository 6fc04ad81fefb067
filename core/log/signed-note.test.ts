import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeBase64 } from './base64.js';
import { failureOf } from './checkpoint-failure.fixture.js';
import { referenceSha256 as sha256 } from './sha256.reference.js';
import {
  formatSignatureLine,
  mergeNotes,
  NOTE_CHARACTERS_MAX,
  type NoteKey,
  noteKeyId,
  parseVerifierKey,
  splitNote,
} from './signed-note.js';

const test = suite('signed note');
const publicKey = new Uint8Array(32).fill(7);
const keyNamed = (keyName: string): NoteKey => ({ keyName, algorithm: 'ED25519', publicKey });
const lineBy = (keyName: string) => formatSignatureLine(keyNamed(keyName), new Uint8Array(64), sha256);

test('is read up to a length, and not looked at beyond it', () => {
  const end = `\n\n${lineBy('site')}`;
  const longest = 'x'.repeat(NOTE_CHARACTERS_MAX - end.length) + end;
  assert.is(splitNote(longest).signatures.length, 1);
  assert.is(
    failureOf(() => splitNote(`x${longest}`)),
    'MALFORMED_NOTE',
  );
});

test('does not grow beyond what can be read, whoever signed it elsewhere', () => {
  const copyBy = (from: number) =>
    `text\n\n${Array.from({ length: 60 }, (_, index) => lineBy(`witness-${from + index}`)).join('')}`;
  const merged = mergeNotes(copyBy(0), [copyBy(60), copyBy(30)]);
  assert.is(splitNote(merged).signatures.length, 120);
  assert.is(
    failureOf(() => mergeNotes(copyBy(0), [copyBy(60), copyBy(120)])),
    'MALFORMED_NOTE',
  );
});

test('has no signature line without a signature behind the id of its key', () => {
  const keyId = noteKeyId(keyNamed('site'), sha256);
  const lineOf = (bytes: Uint8Array) => `text\n\n\u2014 site ${encodeBase64(bytes)}\n`;
  assert.is(
    failureOf(() => splitNote(lineOf(keyId))),
    'MALFORMED_NOTE',
  );
  assert.equal(splitNote(lineOf(Uint8Array.of(...keyId, 1))).signatures[0]!.signature, Uint8Array.of(1));
});

test('is signed by no key whose name a line cannot hold, nor by one that is none', () => {
  for (const name of ['', 'two words', 'with+sign', 'with\nbreak'])
    assert.throws(() => lineBy(name), RangeError);
  for (const length of [31, 33])
    assert.throws(
      () => noteKeyId({ ...keyNamed('site'), publicKey: new Uint8Array(length) }, sha256),
      RangeError,
    );
});

test('has no verifier key of an algorithm that is not known, be its id what it may', () => {
  for (const algorithm of [0x00, 0x02, 0x05]) {
    const id = sha256(new TextEncoder().encode('site\n'), Uint8Array.of(algorithm), publicKey).slice(0, 4);
    const hex = Array.from(id, byte => byte.toString(16).padStart(2, '0')).join('');
    const text = `site+${hex}+${encodeBase64(Uint8Array.of(algorithm, ...publicKey))}`;
    assert.is(parseVerifierKey(text, sha256), null, text);
  }
});

test.run();
