import type { DeviceId, SegmentId } from '@holdfast/schema';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { referenceSha256 } from '../log/sha256.reference.js';
import type { FragmentEntry, SegmentManifest } from '../media/fragment.js';
import {
  CODECS_LENGTH_MAX,
  decodeFragmentEntry,
  decodeManifest,
  encodeFragmentEntry,
  encodeManifest,
  MANIFEST_FRAGMENTS_MAX,
  ManifestMalformedError,
  manifestDigest,
} from './segment-manifest.js';

const test = suite('segment manifest');

const golden: SegmentManifest = {
  segmentId: '01976f3a-0000-7000-8000-0000000000aa' as SegmentId,
  deviceId: '01976f3a-1111-7111-9111-1111111111bb' as DeviceId,
  codecs: 'avc1.640028,mp4a.40.2',
  initByteLength: 1234,
  initDigest: new Uint8Array(32).fill(0x11),
  fragments: [
    {
      fromMs: 1_763_670_000_000,
      toMs: 1_763_670_002_000,
      arrivalMs: 1_763_670_000_041,
      byteLength: 1_000_000,
      timeSource: 'ARRIVAL',
      beginsWithKeyFrame: true,
      digest: new Uint8Array(32).fill(0x22),
    },
    {
      fromMs: 1_763_670_002_000,
      toMs: 1_763_670_004_000,
      arrivalMs: 1_763_670_002_040,
      byteLength: 999_999,
      timeSource: 'SENDER_REPORT',
      beginsWithKeyFrame: false,
      digest: new Uint8Array(32).fill(0x33),
    },
  ],
};

const hex = (bytes: Uint8Array) => Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');

// Digests of this encoding stand in logs for ever: a test that has to be changed here is a fault there.
const goldenHex = [
  '4846534d', // HFSM
  '0001',
  '01976f3a0000700080000000000000aa',
  '01976f3a1111711191111111111111bb',
  '15',
  '617663312e3634303032382c6d7034612e34302e32',
  '000004d2',
  '11'.repeat(32),
  '00000002',
  '0000019aa2ec8180',
  '0000019aa2ec8950',
  '0000019aa2ec81a9',
  '000f4240',
  '03',
  '22'.repeat(32),
  '0000019aa2ec8950',
  '0000019aa2ec9120',
  '0000019aa2ec8978',
  '000f423f',
  '00',
  '33'.repeat(32),
].join('');

test('the encoding is final: these are the bytes of this manifest', () => {
  assert.is(hex(encodeManifest(golden)), goldenHex);
});

test('the digest is the SHA-256 of exactly the encoding', () => {
  assert.is(
    hex(manifestDigest(golden, referenceSha256)),
    'a5739e6d7630c2cf75a809739041f72ae00f07c516ea1544cf74e2b08bbd094b',
  );
  const seen: string[] = [];
  const digest = manifestDigest(golden, (...parts) => {
    seen.push(...parts.map(hex));
    return new Uint8Array(32).fill(7);
  });
  assert.equal(seen, [goldenHex]);
  assert.equal(digest, new Uint8Array(32).fill(7));
});

const digests = fc.uint8Array({ minLength: 32, maxLength: 32 });
const uuids = fc.uuid({ version: [4, 7] });
const entries: fc.Arbitrary<FragmentEntry> = fc
  .record(
    {
      fromMs: fc.integer({ min: 0, max: 2 ** 52 }),
      durationMs: fc.integer({ min: 0, max: 600_000 }),
      arrivalMs: fc.maxSafeNat(),
      byteLength: fc.integer({ min: 1, max: 0xffff_ffff }),
      timeSource: fc.constantFrom('SENDER_REPORT' as const, 'ARRIVAL' as const),
      beginsWithKeyFrame: fc.boolean(),
      digest: digests,
    },
    { noNullPrototype: true },
  )
  .map(({ durationMs, ...entry }) => ({ ...entry, toMs: entry.fromMs + durationMs }));
const manifests: fc.Arbitrary<SegmentManifest> = fc.record(
  {
    segmentId: uuids.map(text => text as SegmentId),
    deviceId: uuids.map(text => text as DeviceId),
    codecs: fc.string({ minLength: 1, maxLength: 200, unit: 'grapheme-ascii' }),
    initByteLength: fc.integer({ min: 1, max: 0xffff_ffff }),
    initDigest: digests,
    fragments: fc
      .array(entries, { minLength: 1, maxLength: 5 })
      .map(list => list.toSorted((one, other) => one.fromMs - other.fromMs)),
  },
  { noNullPrototype: true },
);

test('every manifest comes back as it was', () => {
  fc.assert(
    fc.property(manifests, manifest => {
      assert.equal(decodeManifest(encodeManifest(manifest)), manifest);
    }),
  );
});

test('every entry comes back as it was', () => {
  fc.assert(
    fc.property(entries, entry => {
      assert.equal(decodeFragmentEntry(encodeFragmentEntry(entry)), entry);
    }),
  );
});

test('bytes are either refused by name or the only encoding of what they decode to', () => {
  fc.assert(
    fc.property(manifests, fc.nat(), fc.nat({ max: 255 }), (manifest, position, byte) => {
      const bytes = encodeManifest(manifest);
      bytes[position % bytes.length] = byte;
      let decoded: SegmentManifest;
      try {
        decoded = decodeManifest(bytes);
      } catch (error) {
        if (!(error instanceof ManifestMalformedError)) throw error;
        return;
      }
      // Outside: what is read could be written, too.
      assert.is(hex(encodeManifest(decoded)), hex(bytes));
    }),
  );
});

test('what no manifest says is not read', () => {
  for (const [said, impossible] of [
    ['000004d2', '00000000'],
    ['000f4240', '00000000'],
    ['0000019aa2ec8950', '0000000000000000'],
  ] as const) {
    const text = goldenHex.replace(said, impossible);
    assert.is.not(text, goldenHex);
    const bytes = Uint8Array.from(text.match(/../g)!, byte => Number.parseInt(byte, 16));
    assert.throws(
      () => decodeManifest(bytes),
      (error: unknown) => error instanceof ManifestMalformedError,
    );
  }
});

test('a manifest cut off or continued anywhere is refused', () => {
  const bytes = encodeManifest(golden);
  for (let length = 0; length < bytes.length; length += 1) {
    assert.throws(
      () => decodeManifest(bytes.subarray(0, length)),
      (error: unknown) => error instanceof ManifestMalformedError,
    );
  }
  assert.throws(() => decodeManifest(Uint8Array.from([...bytes, 0])), /expected/);
});

test('the largest manifest that there can be is encoded, and comes back', () => {
  const largest: SegmentManifest = {
    ...{ ...golden, codecs: 'c'.repeat(CODECS_LENGTH_MAX), initByteLength: 0xffff_ffff },
    fragments: Array.from({ length: MANIFEST_FRAGMENTS_MAX }, () => ({
      ...golden.fragments[0]!,
      byteLength: 0xffff_ffff,
    })),
  };
  const { fragments, ...head } = decodeManifest(encodeManifest(largest));
  assert.equal({ ...head, fragments: fragments.length }, { ...largest, fragments: MANIFEST_FRAGMENTS_MAX });
});

test('an entry that says what cannot be is neither written nor read', () => {
  const [entry] = golden.fragments;
  for (const change of [
    ...[{ byteLength: 0 }, { byteLength: 2 ** 32 }, { arrivalMs: -1 }, { fromMs: 2 ** 53 }],
    ...[{ toMs: entry!.fromMs - 1 }, { digest: new Uint8Array(33) }],
  ])
    assert.throws(
      () => encodeFragmentEntry({ ...entry!, ...change }),
      (error: unknown) => error instanceof ManifestMalformedError,
    );
  const bytes = encodeFragmentEntry(entry!);
  for (const none of [
    ...[bytes.subarray(1), Uint8Array.of(...bytes, 0)],
    // An unknown flag; an end before the beginning; no bytes; a time beyond the numbers.
    ...[bytes.with(28, 4), bytes.with(8, 0).fill(0, 8, 16), bytes.slice().fill(0, 24, 28), bytes.with(16, 1)],
  ])
    assert.throws(
      () => decodeFragmentEntry(none),
      (error: unknown) => error instanceof ManifestMalformedError,
    );
});

const wrong: readonly (readonly [string, Partial<SegmentManifest>, RegExp])[] = [
  ['without fragments', { fragments: [] }, /fragments is 0/],
  ['with an empty codecs', { codecs: '' }, /codecs/],
  ['with codecs that are too long', { codecs: 'c'.repeat(CODECS_LENGTH_MAX + 1) }, /codecs/],
  ['without an initialisation', { initByteLength: 0 }, /initByteLength is 0/],
  ['with a longer initialisation than is counted', { initByteLength: 2 ** 32 }, /initByteLength/],
  [
    'of more fragments than a segment has',
    { fragments: Array.from({ length: MANIFEST_FRAGMENTS_MAX + 1 }, () => golden.fragments[0]!) },
    /fragments is 16385/,
  ],
  [
    'with a fragment that is empty',
    { fragments: [{ ...golden.fragments[0]!, byteLength: 0 }] },
    /fragment 0 byteLength is 0/,
  ],
  [
    'with a fragment without its digest',
    { fragments: [{ ...golden.fragments[0]!, digest: new Uint8Array(0) }] },
    /fragment 0 digest has 0 bytes/,
  ],
  ['with codecs that are not ASCII', { codecs: 'avc1.é' }, /codecs/],
  ['with a short digest', { initDigest: new Uint8Array(31) }, /initDigest has 31 bytes/],
  ['with an id in upper case', { segmentId: golden.segmentId.toUpperCase() as SegmentId }, /lower case/],
  ['that runs back in time', { fragments: golden.fragments.toReversed() }, /fragment 1 fromMs/],
  [
    'with half a millisecond',
    { fragments: [{ ...golden.fragments[0]!, toMs: 1_763_670_002_000.5 }] },
    /toMs/,
  ],
];
for (const [name, change, expected] of wrong) {
  test(`a manifest ${name} is not encoded`, () => {
    assert.throws(() => encodeManifest({ ...golden, ...change }), expected);
  });
}

test.run();
