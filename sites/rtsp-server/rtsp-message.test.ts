import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  BODY_BYTES_MAX,
  formatResponse,
  HEADER_BYTES_MAX,
  type RtspInput,
  RtspParser,
} from './rtsp-message.js';

const test = suite('RTSP message');

const conversation = Buffer.concat([
  Buffer.from('OPTIONS rtsp://h/a RTSP/1.0\r\nCSeq: 1\r\n\r\n'),
  Buffer.from([0x24, 1, 0, 5, 0x0d, 0x0a, 0x0d, 0x0a, 0x24]),
  Buffer.from('\r\nGET_PARAMETER rtsp://h/a RTSP/1.0\r\ncseq:2\r\nContent-Length: 9\r\n\r\n$position'),
  Buffer.from([0x24, 3, 0, 0]),
  Buffer.from('TEARDOWN rtsp://h/a RTSP/1.0\r\nCSeq: 3\r\n\r\n'),
]);

const summary = (inputs: readonly RtspInput[]): unknown[] =>
  inputs.map(input => {
    if (input.kind === 'request')
      return [input.request.method, input.request.headers.get('cseq'), input.request.body.toString()];
    return input.kind === 'interleaved' ? [input.channel, input.payload.toString('hex')] : [input.kind];
  });

const expected = [
  ['OPTIONS', '1', ''],
  [1, '0d0a0d0a24'],
  ['GET_PARAMETER', '2', '$position'],
  [3, ''],
  ['TEARDOWN', '3', ''],
];

test('requests and interleaved frames are found however the network cuts them', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: conversation.length - 1 }), { maxLength: 20 }), cuts => {
      const parser = new RtspParser();
      const edges = [0, ...[...new Set(cuts)].sort((a, b) => a - b), conversation.length];
      const inputs = edges.slice(1).flatMap((end, i) => parser.push(conversation.subarray(edges[i], end)));
      assert.equal(summary(inputs), expected);
    }),
  );
});

test('what is not RTSP is named once, and nothing behind it is read', () => {
  for (const garbage of [
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
    'OPTIONS rtsp://h RTSP/1.0\r\nno colon here\r\n\r\n',
    'OPTIONS rtsp://h RTSP/1.0\r\nContent-Length: -4\r\n\r\n',
    `OPTIONS rtsp://h RTSP/1.0\r\nContent-Length: ${BODY_BYTES_MAX + 1}\r\n\r\n`,
    'x'.repeat(HEADER_BYTES_MAX + 1),
  ]) {
    const parser = new RtspParser();
    const inputs = parser.push(Buffer.from(`${garbage}OPTIONS rtsp://h RTSP/1.0\r\nCSeq: 9\r\n\r\n`));
    assert.equal(
      inputs.map(input => input.kind),
      ['malformed'],
      garbage.slice(0, 60),
    );
    assert.equal(parser.push(Buffer.from('OPTIONS rtsp://h RTSP/1.0\r\nCSeq: 9\r\n\r\n')), []);
  }
});

test('no bytes whatever make the parser throw', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }), chunks => {
      const parser = new RtspParser();
      for (const chunk of chunks) parser.push(Buffer.from(chunk));
    }),
  );
});

test('an answer repeats the sequence number and counts its body in bytes', () => {
  const text = formatResponse({ status: 200, headers: { A: 'b' }, body: 'é' }, '7');
  assert.is(text, 'RTSP/1.0 200 OK\r\nCSeq: 7\r\nServer: Holdfast\r\nA: b\r\nContent-Length: 2\r\n\r\né');
});

test.run();
