import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RtspMessage } from './rtsp-message.js';
import { RtspStreamError, RtspStreamParser } from './rtsp-stream-parser.js';

const test = suite('RTSP stream parser');

const encode = (text: string) => new TextEncoder().encode(text);

function frame(channel: number, payload: readonly number[]): Uint8Array {
  return Uint8Array.of(0x24, channel, payload.length >> 8, payload.length & 0xff, ...payload);
}

function rtp(channel: number, byteLength: number, seed: number): Uint8Array {
  return frame(channel, [
    0x80,
    ...Array.from({ length: byteLength }, (_, index) => (index * 7 + seed) & 0xff),
  ]);
}

function harness() {
  const frames: [number, number[]][] = [];
  const messages: RtspMessage[] = [];
  const state = { garbage: 0 };
  const parser = new RtspStreamParser({
    frame: (channel, bytes, start, end) => {
      assert.ok(start >= 4);
      frames.push([channel, [...bytes.subarray(start, end)]]);
    },
    message: message => messages.push(message),
    garbage: count => {
      state.garbage += count;
    },
  });
  parser.limitChannels(3);
  return { frames, messages, state, parser };
}

const ok = encode('RTSP/1.0 200 OK\r\nCSeq: 3\r\nContent-Length: 4\r\n\r\nbody');
const request = encode('OPTIONS rtsp://camera/ RTSP/1.0\r\nCSeq: 9\r\n\r\n');

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap(part => [...part]));
}

test('reads frames, responses and requests in any mixture, cut anywhere', () => {
  const part = fc.oneof(
    fc
      .record({ channel: fc.integer({ min: 0, max: 3 }), byteLength: fc.nat(300), seed: fc.nat(255) })
      .map(one => rtp(one.channel, one.byteLength, one.seed)),
    fc.constantFrom(ok, request),
  );
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 12 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 30 }),
      (parts, cuts) => {
        const whole = harness();
        whole.parser.push(concat(parts));
        const pieces = harness();
        const bytes = concat(parts);
        for (let offset = 0, index = 0; offset < bytes.length; index += 1) {
          const length = cuts[index % cuts.length]!;
          pieces.parser.push(bytes.slice(offset, offset + length));
          offset += length;
        }
        assert.equal(pieces.frames, whole.frames);
        assert.equal(pieces.messages, whole.messages);
        assert.is(whole.frames.length + whole.messages.length, parts.length);
        assert.is(whole.state.garbage + pieces.state.garbage, 0);
      },
    ),
    { numRuns: 150 },
  );
});

test('reads status, headers in any case and the body', () => {
  const { messages, parser } = harness();
  parser.push(
    encode(
      'RTSP/1.0 401 Unauthorized\r\nCSEQ: 7\r\nWWW-Authenticate: Basic realm="a"\r\nwww-authenticate: Digest x\r\n\r\n',
    ),
  );
  parser.push(ok);
  const [refusal, answer] = messages;
  assert.ok(refusal?.kind === 'response' && refusal.status === 401);
  assert.equal(refusal.headers.get('www-authenticate'), ['Basic realm="a"', 'Digest x']);
  assert.is(new TextDecoder().decode(answer!.body), 'body');
});

test('finds its way again after garbage between frames', () => {
  const garbage = fc.array(
    fc.integer({ min: 0, max: 255 }).filter(byte => byte !== 0x24),
    {
      minLength: 1,
      maxLength: 200,
    },
  );
  fc.assert(
    fc.property(garbage, fc.integer({ min: 1, max: 50 }), (noise, cut) => {
      const { frames, parser } = harness();
      const bytes = concat([rtp(0, 20, 1), Uint8Array.of(0, ...noise, 0), rtp(0, 30, 2), rtp(1, 40, 3)]);
      for (let offset = 0; offset < bytes.length; offset += cut)
        parser.push(bytes.slice(offset, offset + cut));
      assert.is(frames.length, 3);
      assert.is(frames[1]![1].length, 31);
    }),
    { numRuns: 150 },
  );
});

test('takes a dollar on a channel that was never agreed for garbage', () => {
  const { frames, state, parser } = harness();
  parser.push(concat([Uint8Array.of(0x24, 77, 0xff, 0xff), rtp(2, 10, 1)]));
  assert.is(frames.length, 1);
  assert.is(state.garbage, 4);
});

test('gives up by name when there is nothing but garbage', () => {
  const { parser } = harness();
  const noise = new Uint8Array(64 * 1024).fill(1);
  assert.throws(
    () => {
      for (let index = 0; index < 10; index += 1) parser.push(noise.slice());
    },
    (fault: unknown) => fault instanceof RtspStreamError && fault.fault.code === 'GARBAGE',
  );
});

test('refuses headers without an end and a body that is too large', () => {
  const endless = harness();
  assert.throws(
    () => {
      endless.parser.push(encode('RTSP/1.0 200 OK\r\n'));
      for (let index = 0; index < 100; index += 1)
        endless.parser.push(encode(`X-${index}: ${'y'.repeat(300)}\r\n`));
    },
    (fault: unknown) => fault instanceof RtspStreamError && fault.fault.code === 'HEAD_TOO_LARGE',
  );
  const large = harness();
  assert.throws(
    () => large.parser.push(encode('RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n')),
    (fault: unknown) => fault instanceof RtspStreamError && fault.fault.code === 'BODY_TOO_LARGE',
  );
});

test('throws nothing but its own error, whatever arrives', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }), chunks => {
      const { parser } = harness();
      try {
        for (const chunk of chunks) parser.push(chunk);
      } catch (fault) {
        assert.instance(fault, RtspStreamError);
      }
    }),
    { numRuns: 300 },
  );
});

test('a message without any header is one', () => {
  const { messages, state, parser } = harness();
  parser.push(encode('RTSP/1.0 200 OK\r\n\r\nRTSP/1.0 200 OK\n\n'));
  assert.is(messages.length, 2);
  assert.is(state.garbage, 0);
});

test('a length below nothing is nothing', () => {
  const { messages, parser } = harness();
  parser.push(concat([encode('RTSP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n'), ok]));
  assert.equal(
    messages.map(message => message.body.length),
    [0, 4],
  );
});

test('a large message that comes byte by byte costs no more than its bytes', () => {
  const body = encode(
    `RTSP/1.0 200 OK\r\n${'X: 1\n'.repeat(3000)}Content-Length: 200000\r\n\r\n${'x'.repeat(200_000)}`,
  );
  const { messages, parser } = harness();
  const beganMs = Date.now();
  for (let index = 0; index < body.length; index += 1) parser.push(body.subarray(index, index + 1));
  assert.is(messages[0]?.body.length, 200_000);
  // About 0.1 s; copying or searching everything again for each byte takes a minute.
  assert.ok(Date.now() - beganMs < 5_000);
});

test.run();
