import type { SiteId } from '@holdfast/schema';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCheckpoint, signCheckpoint } from './checkpoint.js';
import { failureOf } from './checkpoint-failure.fixture.js';
import { cosignCheckpoint, openCosignature, witnessKey, witnessName } from './cosignature.js';
import { equalBytes } from './merkle-tree.js';
import { referenceSha256 as sha256 } from './sha256.reference.js';
import {
  encodeVerifierKey,
  formatSignatureLine,
  mergeNotes,
  type NoteVerifier,
  parseVerifierKey,
} from './signed-note.js';
import type { LogHead } from './site-log.js';

const test = suite('cosignature');
const site = '0198f3a2-7c1d-7e2a-9b3c-1234567890ab' as SiteId;
const parent = '0198f3a2-7c1d-7e2a-9b3c-ba0987654321' as SiteId;
const head: LogHead = { site, epoch: 1, size: 7, root: new Uint8Array(32).fill(0xab) };
/** Stands in for Ed25519, which the vectors are checked with: a key, and the hash of it with the bytes. */
const keyOf = (seed: number) => {
  const publicKey = new Uint8Array(32).fill(seed);
  return { publicKey, sign: (bytes: Uint8Array) => Uint8Array.of(...publicKey, ...sha256(publicKey, bytes)) };
};
const verify: NoteVerifier = (bytes, signature, publicKey) =>
  equalBytes(Uint8Array.of(...publicKey, ...sha256(publicKey, bytes)), signature);
const siteSigner = keyOf(1);
const witness = { name: witnessName(parent), signer: keyOf(2) };
const note = signCheckpoint(head, siteSigner, sha256);
const open = (text: string, { name = witness.name, publicKey = witness.signer.publicKey } = {}) =>
  openCosignature(text, { name, publicKey, verify }, sha256);

test('is a line behind the note, which still opens under the key of its site', () => {
  const cosigned = note + cosignCheckpoint(note, { ...witness, timeSeconds: 1_679_315_147 }, sha256);
  assert.equal(open(cosigned), { witness: `holdfast/witness/${parent}`, timeSeconds: 1_679_315_147 });
  assert.equal(openCheckpoint(cosigned, { publicKey: siteSigner.publicKey, verify }, sha256), head);
});

test('says the time of any whole second, and only of the text that was cosigned', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.nat(1000), (timeSeconds, more) => {
      const line = cosignCheckpoint(note, { ...witness, timeSeconds }, sha256);
      assert.is(open(note + line).timeSeconds, timeSeconds);
      const grown = signCheckpoint({ ...head, size: head.size + 1 + more }, siteSigner, sha256);
      assert.is(
        failureOf(() => open(grown + line)),
        'BAD_SIGNATURE',
      );
    }),
    { numRuns: 30 },
  );
  for (const timeSeconds of [-1, 0.5, 2 ** 53]) {
    assert.throws(() => cosignCheckpoint(note, { ...witness, timeSeconds }, sha256), RangeError);
  }
});

test('is not what the same key says by signing a checkpoint of its own', () => {
  const line = cosignCheckpoint(note, { ...witness, timeSeconds: 1 }, sha256);
  assert.is(
    failureOf(() => open(note)),
    'NO_SIGNATURE_BY_KEY',
  );
  assert.is(
    failureOf(() => open(note + line, { publicKey: keyOf(3).publicKey })),
    'NO_SIGNATURE_BY_KEY',
  );
  assert.is(
    failureOf(() => open(note + line, { name: witnessName(site) })),
    'NO_SIGNATURE_BY_KEY',
  );
  const ownLine = signCheckpoint(head, witness.signer, sha256).slice(note.lastIndexOf('\n\n') + 2);
  assert.is(
    failureOf(() => open(note + ownLine)),
    'NO_SIGNATURE_BY_KEY',
  );
});

test('does not open when any character of it was changed', () => {
  const line = cosignCheckpoint(note, { ...witness, timeSeconds: 1_679_315_147 }, sha256);
  const from = line.lastIndexOf(' ') + 1;
  fc.assert(
    fc.property(fc.integer({ min: from, max: line.length - 2 }), fc.constantFrom('A', 'z', '/'), (at, to) => {
      if (line[at] === to) return;
      assert.ok(failureOf(() => open(note + line.slice(0, at) + to + line.slice(at + 1))) !== null);
    }),
  );
});

test('is of one length and of a time that there can be, whatever is thought of its signature', () => {
  const key = witnessKey(witness.name, witness.signer.publicKey);
  const openBelieving = (timed: Uint8Array) =>
    openCosignature(
      note + formatSignatureLine(key, timed, sha256),
      { name: witness.name, publicKey: key.publicKey, verify: () => true },
      sha256,
    );
  assert.is(openBelieving(new Uint8Array(72)).timeSeconds, 0);
  for (const timed of [new Uint8Array(71), new Uint8Array(73), new Uint8Array(72).with(1, 0x20)])
    assert.is(
      failureOf(() => openBelieving(timed)),
      'BAD_SIGNATURE',
    );
  const signer = { ...witness.signer, sign: () => new Uint8Array(63) };
  assert.throws(
    () => cosignCheckpoint(note, { ...witness, signer, timeSeconds: 0 }, sha256),
    /a signature of 63 bytes/,
  );
});

test('tells of a witness that spoke twice the first time, and refuses the note when one of both is wrong', () => {
  const lines = [20, 10].map(timeSeconds => cosignCheckpoint(note, { ...witness, timeSeconds }, sha256));
  assert.is(open(note + lines.join('')).timeSeconds, 10);
  const wrong = cosignCheckpoint(note.replace('\n7\n', '\n8\n'), { ...witness, timeSeconds: 5 }, sha256);
  assert.is(
    failureOf(() => open(note + lines.join('') + wrong)),
    'BAD_SIGNATURE',
  );
});

test('comes together from several copies of one note, each line once', () => {
  const copies = [1, 2, 3].map(seed => {
    const signer = { name: `witness.example/${seed}`, signer: keyOf(seed), timeSeconds: seed };
    return note + cosignCheckpoint(note, signer, sha256);
  });
  const merged = mergeNotes(note, [...copies, ...copies]);
  assert.is(merged.split('\u2014').length - 1, 4);
  for (const seed of [1, 2, 3]) {
    const key = { name: `witness.example/${seed}`, publicKey: keyOf(seed).publicKey };
    assert.is(open(merged, key).timeSeconds, seed);
  }
  const other = signCheckpoint({ ...head, size: 8 }, siteSigner, sha256);
  assert.is(
    failureOf(() => mergeNotes(note, [other])),
    'MALFORMED_BODY',
  );
});

test('has keys that are written and read as C2SP signed-note says', () => {
  const published = [
    'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
    'remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2',
    'TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6',
    encodeVerifierKey(witnessKey(witness.name, witness.signer.publicKey), sha256),
  ];
  for (const text of published) assert.is(encodeVerifierKey(parseVerifierKey(text, sha256)!, sha256), text);
  assert.is(parseVerifierKey(published[1]!, sha256)?.algorithm, 'COSIGNATURE');
  const wrong = [
    '',
    'example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
    'example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
    'example.com/foo+530d903a',
    'example.com/foo+530d903a+Aeky',
  ];
  for (const text of wrong) assert.is(parseVerifierKey(text, sha256), null, text);
});

test.run();
