import type { EventId, SiteId } from '@holdfast/schema';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkpointKey, signCheckpoint } from './checkpoint.js';
import { cosignCheckpoint, witnessKey, witnessName } from './cosignature.js';
import { EVENT_DATA_BYTES_MAX, encodeHeader, HEADER_BYTES_MAX, leafHashOf } from './envelope.js';
import {
  type ConsistencyProof,
  type EventProof,
  formatLogProof,
  LogProofError,
  type LogProofFailure,
  PROOF_CHARACTERS_MAX,
  parseLogProof,
  type TrustedKey,
  verifyLogProof,
} from './log-proof.js';
import { consistencyRanges, inclusionRanges, type LeafRange, MerkleProofBuilder } from './merkle-proof.js';
import { equalBytes, extendEdge, rootOf } from './merkle-tree.js';
import { referenceSha256 as sha256 } from './sha256.reference.js';
import { NOTE_CHARACTERS_MAX, type NoteVerifier } from './signed-note.js';

const test = suite('log proof');
const site = '0198f3a2-7c1d-7e2a-9b3c-1234567890ab' as SiteId;
const parent = '0198f3a2-7c1d-7e2a-9b3c-ba0987654321' as SiteId;
const SIZE = 13;
/** Stands in for Ed25519, which the vectors are checked with: a key, and the hash of it with the bytes. */
const keyOf = (seed: number) => {
  const publicKey = new Uint8Array(32).fill(seed);
  return { publicKey, sign: (bytes: Uint8Array) => Uint8Array.of(...publicKey, ...sha256(publicKey, bytes)) };
};
const verify: NoteVerifier = (bytes, signature, publicKey) =>
  equalBytes(Uint8Array.of(...publicKey, ...sha256(publicKey, bytes)), signature);
const siteKey = keyOf(1);
const parentKey = keyOf(2);

const eventAt = (index: number, of: { readonly site: SiteId; readonly epoch: number }) => ({
  header: encodeHeader({
    ...of,
    ...{ position: index + 1, stream: 'alarm-1', revision: index, type: 'AlarmRaised', version: 1 },
    id: `0198f3a2-7c1d-7e2a-9b3c-0000000000${String(index).padStart(2, '0')}` as EventId,
    ...{ recordedAt: BigInt(index), occurredAtMs: index, clockQuality: 'NTP', actor: 'user:anna' },
    ...{ causationId: null, correlationId: null },
  }),
  data: new TextEncoder().encode(`{"n":${index}}`),
});
const events = Array.from({ length: SIZE }, (_, index) => eventAt(index, { site, epoch: 1 }));
const leaves = events.map(({ header, data }) => leafHashOf(header, data, sha256));

function signedAt(size: number): string {
  const root = rootOf(extendEdge([], 0, leaves.slice(0, size), sha256), size, sha256);
  const note = signCheckpoint({ site, epoch: 1, size, root }, siteKey, sha256);
  const witness = { name: witnessName(parent), signer: parentKey, timeSeconds: 1000 + size };
  return note + cosignCheckpoint(note, witness, sha256);
}

function hashesOf(ranges: readonly LeafRange[]): readonly Uint8Array[] {
  const builder = new MerkleProofBuilder(ranges, sha256);
  builder.take(leaves.slice(builder.next ?? SIZE));
  return builder.finish();
}

function eventProof(index: number, size = SIZE): EventProof {
  const hashes = hashesOf(inclusionRanges(index, size));
  return { kind: 'EVENT', ...events[index]!, index, hashes, checkpoint: signedAt(size) };
}

function consistencyProof(oldSize: number): ConsistencyProof {
  const hashes = hashesOf(consistencyRanges(oldSize, SIZE));
  return { kind: 'CONSISTENCY', hashes, oldCheckpoint: signedAt(oldSize), newCheckpoint: signedAt(SIZE) };
}

type Signers = readonly (readonly TrustedKey[])[];
const both: Signers = [[{ publicKey: siteKey.publicKey }], [{ publicKey: parentKey.publicKey }]];
const check = (text: string, signers: Signers = both) =>
  verifyLogProof(parseLogProof(text), { signers, verify }, sha256);

function failureOf(run: () => unknown): LogProofFailure | null {
  try {
    run();
    return null;
  } catch (error) {
    assert.instance(error, LogProofError);
    return (error as LogProofError).failure;
  }
}

test('proves every event under every checkpoint behind it, and says who signed and witnessed it', () => {
  for (let size = 1; size <= SIZE; size += 1) {
    for (let index = 0; index < size; index += 1) {
      const fact = check(formatLogProof(eventProof(index, size)));
      assert.is(fact.kind, 'EVENT');
      assert.is(fact.kind === 'EVENT' && fact.event.position, index + 1);
      assert.equal(
        fact.checkpoint.signings.map(({ keyName, timeSeconds }) => ({ keyName, timeSeconds })),
        [
          { keyName: `holdfast/site/${site}/1`, timeSeconds: null },
          { keyName: `holdfast/witness/${parent}`, timeSeconds: 1000 + size },
        ],
      );
    }
  }
});

test('proves every log to continue every one before it', () => {
  for (let oldSize = 1; oldSize <= SIZE; oldSize += 1) {
    const fact = check(formatLogProof(consistencyProof(oldSize)));
    assert.ok(fact.kind === 'CONSISTENCY' && fact.old.head.size === oldSize);
    assert.is(fact.checkpoint.head.size, SIZE);
  }
});

test('is the file of C2SP tlog-proof, with the event in its extra line', () => {
  const [first, extra, index, ...rest] = formatLogProof(eventProof(4)).split('\n');
  assert.is(first, 'c2sp.org/tlog-proof@v1');
  assert.match(extra!, /^extra [A-Za-z0-9+/=]+$/);
  assert.is(index, 'index 4');
  assert.is(rest.indexOf(''), inclusionRanges(4, SIZE).length);
  assert.is(rest.slice(rest.indexOf('') + 1).join('\n'), signedAt(SIZE));
});

test('believes nobody whose key was not given, and wants a signature of everybody who was named', () => {
  const text = formatLogProof(eventProof(4));
  const stranger = { publicKey: keyOf(3).publicKey };
  const ofSite = checkpointKey({ site, epoch: 1 }, siteKey.publicKey);
  const ofNextEpoch = checkpointKey({ site, epoch: 2 }, siteKey.publicKey);
  const ofParent = witnessKey(witnessName(parent), parentKey.publicKey);
  assert.is(check(text, [[ofSite], [ofParent]]).checkpoint.signings.length, 2);
  assert.is(check(text, [[ofParent]]).checkpoint.signings.length, 1);
  assert.is(check(text, [[ofNextEpoch, ofSite]]).checkpoint.signings.length, 1);
  const unsigned: readonly Signers[] = [
    [],
    [[]],
    [[stranger]],
    [...both, [stranger]],
    [[ofSite], [ofNextEpoch]],
    [[witnessKey(witnessName(site), parentKey.publicKey)]],
    [[checkpointKey({ site, epoch: 1 }, parentKey.publicKey)]],
  ];
  for (const signers of unsigned)
    assert.is(
      failureOf(() => check(text, signers)),
      'NOT_SIGNED',
    );
});

test('believes no signature that only says whose it is', () => {
  const { publicKey } = siteKey;
  const root = rootOf(extendEdge([], 0, leaves, sha256), SIZE, sha256);
  const forged = { publicKey, sign: keyOf(3).sign };
  const checkpoint = signCheckpoint({ site, epoch: 1, size: SIZE, root }, forged, sha256);
  assert.is(
    failureOf(() => check(formatLogProof({ ...eventProof(4), checkpoint }), [[{ publicKey }]])),
    'NOT_SIGNED',
  );
});

test('proves nothing about another event, place or root', () => {
  const proof = eventProof(4);
  const altered = { ...proof, data: new TextEncoder().encode('{"n":5}') };
  assert.is(
    failureOf(() => check(formatLogProof(altered))),
    'NOT_PROVEN',
  );
  assert.is(
    failureOf(() => check(formatLogProof({ ...proof, index: 5 }))),
    'OTHER_PLACE',
  );
  assert.is(
    failureOf(() => check(formatLogProof({ ...proof, ...events[5]! }))),
    'OTHER_PLACE',
  );
  assert.is(
    failureOf(() => check(formatLogProof({ ...proof, hashes: proof.hashes.slice(1) }))),
    'NOT_PROVEN',
  );
  assert.is(
    failureOf(() => check(formatLogProof({ ...proof, checkpoint: signedAt(12) }))),
    'NOT_PROVEN',
  );
  const consistency = consistencyProof(6);
  const swapped = { ...consistency, oldCheckpoint: signedAt(7) };
  assert.is(
    failureOf(() => check(formatLogProof(swapped))),
    'NOT_PROVEN',
  );
  const back = { ...consistency, oldCheckpoint: signedAt(SIZE), newCheckpoint: signedAt(6) };
  assert.is(
    failureOf(() => check(formatLogProof(back))),
    'NOT_PROVEN',
  );
});

test('proves nothing about an event that calls itself one of another log or epoch', () => {
  for (const of of [
    { site: parent, epoch: 1 },
    { site, epoch: 2 },
  ]) {
    const strange = eventAt(0, of);
    const root = leafHashOf(strange.header, strange.data, sha256);
    const checkpoint = signCheckpoint({ site, epoch: 1, size: 1, root }, siteKey, sha256);
    const proof = { kind: 'EVENT', ...strange, index: 0, hashes: [], checkpoint } as const;
    assert.is(
      failureOf(() => check(formatLogProof(proof), [[{ publicKey: siteKey.publicKey }]])),
      'OTHER_PLACE',
    );
  }
});

test('never takes one log, or one epoch of it, for the continuation of another', () => {
  const root = rootOf(extendEdge([], 0, leaves.slice(0, 6), sha256), 6, sha256);
  for (const of of [
    { site: parent, epoch: 1 },
    { site, epoch: 2 },
  ]) {
    const oldCheckpoint = signCheckpoint({ ...of, size: 6, root }, siteKey, sha256);
    assert.is(
      failureOf(() =>
        check(formatLogProof({ ...consistencyProof(6), oldCheckpoint }), [
          [{ publicKey: siteKey.publicKey }],
        ]),
      ),
      'OTHER_PLACE',
    );
  }
});

test('proves nothing when any character of the file was changed', () => {
  for (const text of [formatLogProof(eventProof(4)), formatLogProof(consistencyProof(6))]) {
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('A', '0', '/', '\n', ' '), (at, to) => {
        if (text[at] === to) return;
        assert.ok(failureOf(() => check(text.slice(0, at) + to + text.slice(at + 1))) !== null);
      }),
      { numRuns: 300 },
    );
  }
});

test('takes the largest proof that there can be, and reads nothing that is larger', () => {
  const largest: EventProof = {
    ...{ kind: 'EVENT', index: Number.MAX_SAFE_INTEGER },
    header: new Uint8Array(HEADER_BYTES_MAX),
    data: new Uint8Array(EVENT_DATA_BYTES_MAX),
    hashes: Array.from({ length: 54 }, () => new Uint8Array(32)),
    checkpoint: 'x'.repeat(NOTE_CHARACTERS_MAX),
  };
  assert.equal(parseLogProof(formatLogProof(largest)), largest);
  const whyNot = (text: string) => {
    try {
      return parseLogProof(text).kind;
    } catch (error) {
      return (error as LogProofError).message;
    }
  };
  const tooLong = formatLogProof(largest).padEnd(PROOF_CHARACTERS_MAX + 1, 'x');
  assert.match(whyNot(tooLong), /^MALFORMED: longer than/);
  assert.is(whyNot(tooLong.slice(0, -1)), 'EVENT');
  const data = new Uint8Array(EVENT_DATA_BYTES_MAX + 1);
  assert.match(whyNot(formatLogProof({ ...largest, data })), /^MALFORMED: .* possible length/);
  const hashes = [...largest.hashes, new Uint8Array(32)];
  assert.match(whyNot(formatLogProof({ ...largest, hashes })), /^MALFORMED: 55 hashes/);
});

test('says of what is no proof that it is none', () => {
  const text = formatLogProof(eventProof(4));
  const [extra] = /^extra .*$/m.exec(text)!;
  for (const none of [
    text.slice(0, text.indexOf('\n\n')),
    ...['', 'AA==', 'AAE=', 'AAMBAg==', 'AAA='].map(base64 => text.replace(extra, `extra ${base64}`)),
    text.replace(extra, extra.slice('extra '.length)),
    ...['01', '-1', '', '9007199254740993'].map(index => text.replace('index 4', `index ${index}`)),
    formatLogProof({ ...consistencyProof(6), newCheckpoint: '' }).slice(0, -2),
    formatLogProof({ ...eventProof(4), checkpoint: 'no note' }),
    formatLogProof({ ...eventProof(4), checkpoint: signedAt(SIZE).replace(`\n${SIZE}\n`, '\nmany\n') }),
  ])
    assert.is(
      failureOf(() => check(none)),
      'MALFORMED',
      none,
    );
});

test('answers any text with a named error', () => {
  const text = formatLogProof(consistencyProof(6));
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(text.length), (some, at) => {
      assert.is(
        failureOf(() => parseLogProof(some)),
        'MALFORMED',
      );
      failureOf(() => check(text.slice(0, at) + some));
    }),
  );
});

test.run();
