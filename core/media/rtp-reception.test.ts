import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rtpBytes } from './camera-bytes.fixture.js';
import { RtpReception } from './rtp-reception.js';

const test = suite('RTP reception');

const payload = Uint8Array.of(1);
const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset);

test('reports loss of the interval and of the whole, jitter, and when the last sender report came', () => {
  const reception = new RtpReception(90_000);
  const send = (index: number, lateMs = 0) =>
    reception.packet(
      rtpBytes({ payload, sequenceNumber: 65_530 + index, timestamp: index * 3600, marker: true }),
      index * 40 + lateMs,
    );
  for (const index of [0, 1, 2, 3, 5, 6, 7, 9]) send(index);
  reception.senderReport({ synchronisationSource: 1, wallMs: 0, rtpTimestamp: 0, middleOfNtp: 77 }, 400);
  const first = view(reception.writeReport({ ownSource: 5, name: 'cam', nowMs: 900 }));
  assert.equal([first.getUint8(0), first.getUint8(1), first.getUint16(2)], [0x81, 201, 7]);
  assert.is(first.getUint32(8), 0x1234);
  assert.is(first.getUint8(12), Math.floor((2 * 256) / 10));
  assert.is(first.getUint32(12) & 0xffffff, 2);
  assert.is(first.getUint32(16), 65_539);
  assert.is(first.getUint32(20), 0);
  assert.equal([first.getUint32(24), first.getUint32(28)], [77, 32_768]);
  // The source description: version 2, one chunk, CNAME of three letters.
  assert.equal(
    [first.getUint8(32), first.getUint8(33), first.getUint8(40), first.getUint8(41)],
    [0x81, 202, 1, 3],
  );
  send(10, 16);
  const second = view(reception.writeReport({ ownSource: 5, name: 'cam', nowMs: 1000 }));
  assert.is(second.getUint8(12), 0);
  assert.is(second.getUint32(20), (16 * 90) / 16);
  assert.is(second.byteLength % 4, 0);
});

test('reports without a block before anything came', () => {
  const report = new RtpReception(90_000).writeReport({ ownSource: 5, name: 'x', nowMs: 0 });
  assert.equal([...report.subarray(0, 4)], [0x80, 201, 0, 1]);
  assert.is(report.length % 4, 0);
});

test.run();
