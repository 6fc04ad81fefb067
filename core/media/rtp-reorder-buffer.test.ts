import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rtpBytes } from './camera-bytes.fixture.js';
import { REORDERED_MS_MAX, REORDERED_PACKETS_MAX, RtpReorderBuffer } from './rtp-reorder-buffer.js';

const test = suite('RTP reorder buffer');

function harness() {
  const delivered: number[] = [];
  const buffer = new RtpReorderBuffer(bytes => delivered.push((bytes[2]! << 8) | bytes[3]!));
  const push = (sequenceNumber: number, arrivalMs = 0) => {
    const payload = Uint8Array.of(1);
    buffer.push(rtpBytes({ payload, sequenceNumber, timestamp: 0, marker: false }), arrivalMs);
  };
  return { delivered, buffer, push };
}

test('delivers in order and once what was overtaken within the bound or came twice, over the wrap', () => {
  const swaps = fc.array(fc.nat({ max: 20 }), { minLength: 40, maxLength: 200 });
  fc.assert(
    fc.property(swaps, fc.nat(0xffff), (delays, start) => {
      const { delivered, buffer, push } = harness();
      const order = delays
        .map((delay, index) => ({
          sequenceNumber: (start + index) & 0xffff,
          key: index === 0 ? -1 : index + delay,
        }))
        .sort((left, right) => left.key - right.key);
      for (const { sequenceNumber } of order) {
        push(sequenceNumber);
        push(sequenceNumber);
      }
      buffer.flush();
      assert.equal(
        delivered,
        delays.map((_, index) => (start + index) & 0xffff),
      );
    }),
  );
});

test('waits for a missing packet so long and no longer', () => {
  const { delivered, buffer, push } = harness();
  push(1, 0);
  push(3, 10);
  buffer.expire(10 + REORDERED_MS_MAX - 1);
  assert.equal(delivered, [1]);
  buffer.expire(10 + REORDERED_MS_MAX);
  assert.equal(delivered, [1, 3]);
  push(2, 200);
  push(4, 200);
  assert.equal(delivered, [1, 3, 4]);
});

test('holds no more packets than its bound', () => {
  const { delivered, buffer, push } = harness();
  push(0);
  for (let index = 2; index <= REORDERED_PACKETS_MAX + 1; index += 1) push(index);
  assert.is(delivered.length, 1);
  push(REORDERED_PACKETS_MAX + 2);
  assert.equal([delivered.length, buffer.heldCount], [REORDERED_PACKETS_MAX + 2, 0]);
});

test('follows a sender that begins anew', () => {
  const { delivered, push } = harness();
  push(40_000);
  for (let index = 0; index < 20; index += 1) push(39_000 + index);
  assert.equal(delivered.at(-1), 39_019);
});

test.run();
