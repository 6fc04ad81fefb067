import { SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BackboneMessageError, frameOfMessage, messageOf } from './backbone-message.js';

const test = suite('backbone message');

const site = SiteId.parse(v7());
const frame = {
  site,
  session: 3,
  frame: {
    ...{ kind: 'batch' as const, origin: site, checkpoint: 'a signed note', consistency: [] },
    ...{ epoch: 2, firstPosition: 41, count: 2, codec: 'IDENTITY' as const, rawByteLength: 600 },
    ...{ root: Buffer.alloc(32, 7), events: Buffer.alloc(600, 1) },
  },
};

test('a frame comes back as it was', () => {
  const message = messageOf(frame);
  assert.is(message.key.toString(), frame.site);
  assert.equal(frameOfMessage(message), frame);
});

const damages: readonly [string, (message: ReturnType<typeof messageOf>) => object, RegExp][] = [
  ['no value', message => ({ ...message, value: null }), /expected events/],
  ['no headers', message => ({ ...message, headers: undefined }), /one header origin/],
  ['a header that is there twice', message => withHeader(message, 'epoch', ['1', '2']), /one header epoch/],
  ['an origin that is no site', message => withHeader(message, 'origin', 'nowhere'), /id of a site/],
  ['a count that is no number', message => withHeader(message, 'count', 'many'), /count to be a whole/],
  ['a codec of the future', message => withHeader(message, 'codec', 'BROTLI'), /codec BROTLI/],
  ['a root that is too short', message => withHeader(message, 'root', 'abc'), /root of 32 bytes/],
  ['more events than fit', message => withHeader(message, 'count', '100'), /100 events in 600 bytes/],
  ['a bomb', message => withHeader(message, 'rawByteLength', '99999999'), /at most/],
];

for (const [what, damage, expected] of damages) {
  test(`a record with ${what} is no frame, and says why`, () => {
    assert.throws(
      () => frameOfMessage(damage(messageOf(frame)) as ReturnType<typeof messageOf>),
      (error: unknown) =>
        error instanceof BackboneMessageError &&
        error.code === 'BACKBONE_MESSAGE_MALFORMED' &&
        expected.test(error.message),
    );
  });
}

function withHeader(message: ReturnType<typeof messageOf>, name: string, value: string | string[]): object {
  const header = typeof value === 'string' ? Buffer.from(value) : value.map(text => Buffer.from(text));
  return { ...message, headers: { ...message.headers, [name]: header } };
}

test.run();
