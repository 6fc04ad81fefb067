import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { packetizeAac, packetizeH264, RTP_PAYLOAD_BYTES_MAX, type RtpPayload } from './rtp-packetizer.js';

const test = suite('RTP packetizer');

const bytesOf = ({ prefix, body }: RtpPayload): Buffer => Buffer.concat([prefix, body]);

/** What a receiver does by RFC 6184 §5.6 and §5.8. */
function depacketizeH264(payloads: readonly RtpPayload[]): Buffer[] {
  const nalUnits: Buffer[] = [];
  let fragments: Buffer[] | null = null;
  for (const payload of payloads.map(bytesOf)) {
    if ((payload[0]! & 31) !== 28) {
      assert.is(fragments, null, 'a single NAL unit inside a fragmented one');
      nalUnits.push(payload);
      continue;
    }
    const [start, end] = [(payload[1]! & 0x80) !== 0, (payload[1]! & 0x40) !== 0];
    assert.is(start && end, false, 'a fragmented NAL unit must not fit one packet');
    assert.is(start, fragments === null);
    fragments ??= [Buffer.of((payload[0]! & 0xe0) | (payload[1]! & 0x1f))];
    fragments.push(payload.subarray(2));
    if (!end) continue;
    nalUnits.push(Buffer.concat(fragments));
    fragments = null;
  }
  assert.is(fragments, null, 'the last fragment must carry the end bit');
  return nalUnits;
}

const nalUnit = fc
  .tuple(fc.integer({ min: 1, max: 23 }), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 1, max: 9000 }))
  .map(([type, importance, byteLength]) => {
    const unit = Buffer.alloc(byteLength, byteLength & 0xff);
    unit[0] = (importance << 5) | type;
    return unit;
  });

test('a receiver gets back every NAL unit, in packets that fit, with the marker on the last one only', () => {
  fc.assert(
    fc.property(fc.array(nalUnit, { minLength: 1, maxLength: 5 }), nalUnits => {
      const payloads = packetizeH264(nalUnits);
      assert.equal(depacketizeH264(payloads), nalUnits);
      assert.ok(payloads.every(payload => bytesOf(payload).length <= RTP_PAYLOAD_BYTES_MAX));
      assert.equal(
        payloads.map(payload => payload.marker),
        payloads.map((_, index) => index === payloads.length - 1),
      );
    }),
  );
});

test('a NAL unit of exactly the payload size goes out unfragmented, one byte more in two fragments', () => {
  const unit = Buffer.alloc(RTP_PAYLOAD_BYTES_MAX + 1, 0x65);
  assert.is(packetizeH264([unit.subarray(1)]).length, 1);
  assert.is(packetizeH264([unit]).length, 2);
});

test('an AAC frame is preceded by one AU header with its size in bytes', () => {
  const frame = Buffer.alloc(371, 7);
  const [payload, ...others] = packetizeAac([frame]);
  assert.is(others.length, 0);
  const bytes = bytesOf(payload!);
  assert.is(bytes.readUInt16BE(0), 16);
  assert.is(bytes.readUInt16BE(2) >> 3, 371);
  assert.is(bytes.readUInt16BE(2) & 7, 0);
  assert.equal(bytes.subarray(4), frame);
  assert.ok(payload!.marker);
});

test('an AAC frame too long for one packet is split, each part with the size of the whole', () => {
  const payloads = packetizeAac([Buffer.alloc(3000, 1)]);
  assert.is(payloads.length, 3);
  assert.ok(payloads.every(payload => bytesOf(payload).readUInt16BE(2) >> 3 === 3000));
  assert.equal(
    payloads.map(payload => payload.marker),
    [false, false, true],
  );
});

test.run();
