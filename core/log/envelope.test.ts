import type { EventId, SiteId } from '@holdfast/schema';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  decodeHeader,
  decodeRecordedEvent,
  EVENT_DATA_BYTES_MAX,
  type EventHeader,
  encodeHeader,
  HEADER_BYTES_MAX,
  HEADER_BYTES_MIN,
  leafHashOf,
} from './envelope.js';
import { EnvelopeError, type EnvelopeFailure } from './envelope-error.js';
import { referenceSha256 } from './sha256.reference.js';

const test = suite('envelope');
const hex = (bytes: Uint8Array) => [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
const bytesOf = (text: string) => Uint8Array.from(text.match(/../g) ?? [], pair => Number.parseInt(pair, 16));

/** Written on the day of the layout. When one of these differs, the code is wrong: stored logs do not change. */
const golden = {
  fields: {
    site: '0198f3a2-7c1d-7e2a-9b3c-1234567890ab' as SiteId,
    epoch: 3,
    position: 0x1_0000_0002,
    id: '0198f3a2-7c1d-7e2a-9b3c-00000000000f' as EventId,
    stream: 'alarm-Käfer',
    revision: 7,
    type: 'AlarmRaised',
    version: 2,
    recordedAt: 0x0198_f3a2_7c1d_0005n,
    occurredAtMs: 1_756_000_000_000,
    clockQuality: 'NTP',
    actor: 'user:anna',
    causationId: '0198f3a2-7c1d-7e2a-9b3c-0000000000aa' as EventId,
    correlationId: '0198f3a2-7c1d-7e2a-9b3c-0000000000bb' as EventId,
  } satisfies EventHeader,
  header: [
    '01', // format
    '03', // flags
    '0002', // version
    '00000003', // epoch
    '0000000100000002', // position
    '0198f3a27c1d7e2a9b3c1234567890ab', // site
    '0198f3a27c1d7e2a9b3c00000000000f', // id
    '0000000000000007', // revision
    '0198f3a27c1d0005', // recordedAt
    '00000198d9c19800', // occurredAtMs
    '02', // clockQuality
    '000c616c61726d2d4bc3a4666572', // stream
    '000b416c61726d526169736564', // type
    '0009757365723a616e6e61', // actor
    '0198f3a27c1d7e2a9b3c0000000000aa', // causationId
    '0198f3a27c1d7e2a9b3c0000000000bb', // correlationId
  ].join(''),
  data: '{"n":1}',
  leafHash: '3db4d61b7eff485f00f0218b7d75cb8302b88d5fd7404852ec483612f8575d10',
};

const uuid = fc.uuid({ version: [1, 4, 7, 8] });
const text = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
  .filter(value => value.length > 0 && !/\p{Cc}/u.test(value) && value.isWellFormed());
const safeInteger = (min: number) =>
  fc.oneof(fc.integer({ min, max: Number.MAX_SAFE_INTEGER }), fc.constantFrom(min, Number.MAX_SAFE_INTEGER));
const headers: fc.Arbitrary<EventHeader> = fc.record(
  {
    site: uuid.map(id => id as SiteId),
    epoch: fc.integer({ min: 1, max: 0xffff_ffff }),
    position: safeInteger(1),
    id: uuid.map(id => id as EventId),
    stream: text,
    revision: safeInteger(0),
    type: text,
    version: fc.integer({ min: 1, max: 0xffff }),
    recordedAt: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
    occurredAtMs: safeInteger(0),
    clockQuality: fc.constantFrom('UNKNOWN', 'RTC', 'NTP', 'GPS'),
    actor: text,
    causationId: fc.option(uuid.map(id => id as EventId)),
    correlationId: fc.option(uuid.map(id => id as EventId)),
  },
  { noNullPrototype: true },
);

function failureOf(run: () => unknown): EnvelopeFailure | null {
  try {
    run();
    return null;
  } catch (error) {
    assert.instance(error, EnvelopeError);
    return (error as EnvelopeError).failure;
  }
}

function withByte(header: Uint8Array, offset: number, byte: number): Uint8Array {
  const changed = header.slice();
  changed[offset] = byte;
  return changed;
}

test('writes the bytes that were written on the first day, and their leaf hash', () => {
  const header = encodeHeader(golden.fields);
  assert.is(hex(header), golden.header);
  assert.equal(decodeHeader(bytesOf(golden.header)), golden.fields);
  assert.is(hex(leafHashOf(header, new TextEncoder().encode(golden.data), referenceSha256)), golden.leafHash);
});

test('reads back exactly what was written', () => {
  fc.assert(
    fc.property(headers, fields => {
      const header = encodeHeader(fields);
      assert.equal(decodeHeader(header), fields);
      assert.ok(header.length >= HEADER_BYTES_MIN && header.length <= HEADER_BYTES_MAX);
    }),
  );
});

test('gives every event exactly one encoding: what it accepts, it would have written', () => {
  const changes = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(headers, changes, fc.nat(3), (fields, edits, cut) => {
      const bytes = encodeHeader(fields);
      for (const [offset, byte] of edits) bytes[offset % bytes.length] = byte;
      const header = bytes.subarray(0, bytes.length - cut);
      let decoded: EventHeader;
      try {
        decoded = decodeHeader(header);
      } catch (error) {
        assert.instance(error, EnvelopeError);
        return;
      }
      assert.is(hex(encodeHeader(decoded)), hex(header));
    }),
    { numRuns: 500 },
  );
});

test('answers arbitrary bytes with a named error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      bytes[0] = 1;
      failureOf(() => decodeHeader(bytes));
    }),
  );
});

test('names what is wrong with a header', () => {
  const header = bytesOf(golden.header);
  assert.is(
    failureOf(() => decodeHeader(withByte(header, 0, 2))),
    'UNKNOWN_FORMAT',
  );
  assert.is(
    failureOf(() => decodeHeader(withByte(header, 1, 0b100))),
    'UNKNOWN_FLAGS',
  );
  assert.is(
    failureOf(() => decodeHeader(withByte(header, 3, 0))),
    'OUT_OF_RANGE',
  );
  assert.is(
    failureOf(() => decodeHeader(withByte(header, 8, 0xff))),
    'OUT_OF_RANGE',
  );
  assert.is(
    failureOf(() => decodeHeader(withByte(header, 16 + 6, 0x0e))),
    'BAD_ID',
  );
  assert.is(
    failureOf(() => decodeHeader(withByte(header, 72, 4))),
    'BAD_CLOCK_QUALITY',
  );
  assert.is(
    failureOf(() => decodeHeader(withByte(header, 75, 0xc3))),
    'BAD_TEXT',
  );
  assert.is(
    failureOf(() => decodeHeader(withByte(header, 75, 0x00))),
    'BAD_TEXT',
  );
  assert.is(
    failureOf(() => decodeHeader(header.subarray(0, header.length - 1))),
    'TRUNCATED',
  );
  assert.is(
    failureOf(() => decodeHeader(Uint8Array.of(...header, 0))),
    'TRAILING_BYTES',
  );
  assert.is(
    failureOf(() => decodeHeader(new Uint8Array(0))),
    'TRUNCATED',
  );
});

test('refuses to write what it could not read back', () => {
  const write = (change: Partial<EventHeader>) =>
    failureOf(() => encodeHeader({ ...golden.fields, ...change }));
  assert.is(write({ stream: '' }), 'BAD_TEXT');
  assert.is(write({ stream: 'x'.repeat(201) }), 'BAD_TEXT');
  assert.is(write({ stream: '\ud800' }), 'BAD_TEXT');
  assert.is(write({ actor: 'user:\u0000' }), 'BAD_TEXT');
  assert.is(write({ position: 0 }), 'OUT_OF_RANGE');
  assert.is(write({ position: 2 ** 53 }), 'OUT_OF_RANGE');
  assert.is(write({ occurredAtMs: 1.5 }), 'OUT_OF_RANGE');
  assert.is(write({ version: 65_536 }), 'OUT_OF_RANGE');
  assert.is(write({ recordedAt: -1n }), 'OUT_OF_RANGE');
  assert.is(write({ site: golden.fields.site.toUpperCase() as SiteId }), 'BAD_ID');
  assert.is(write({ stream: '😀'.repeat(200) }), null);
  assert.is(write({ stream: '\ufeffx' }), null);
});

test('hashes every byte of header and data into the leaf', () => {
  const header = bytesOf(golden.header);
  const data = new TextEncoder().encode(golden.data);
  const leaf = hex(leafHashOf(header, data, referenceSha256));
  for (let offset = 0; offset < header.length; offset += 1) {
    const changed = withByte(header, offset, header[offset]! ^ 1);
    assert.is.not(hex(leafHashOf(changed, data, referenceSha256)), leaf);
  }
  assert.is.not(hex(leafHashOf(header, withByte(data, 0, 0), referenceSha256)), leaf);
});

test('refuses data that no log may hold', () => {
  const data = new Uint8Array(EVENT_DATA_BYTES_MAX + 1);
  assert.is(
    failureOf(() => decodeRecordedEvent(bytesOf(golden.header), data, referenceSha256)),
    'DATA_TOO_LARGE',
  );
});

test.run();
