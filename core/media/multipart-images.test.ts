import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PICTURE_BYTES_MAX } from './coded-picture.js';
import { concatenated } from './media-memory.js';
import { MultipartImages } from './multipart-images.js';

const test = suite('multipart images');
const type = 'multipart/x-mixed-replace; boundary="--picture"';
const ascii = (text: string) => new TextEncoder().encode(text);

/** As cameras write it: the boundary of the header has dashes already, or not. */
function written(parts: readonly Uint8Array[], withLengths: boolean): Uint8Array {
  return concatenated([
    ...parts.flatMap(part => [
      ascii(
        `--picture\r\nContent-Type: image/jpeg\r\n${withLengths ? `Content-length: ${part.length}\r\n` : ''}\r\n`,
      ),
      part,
      ascii('\r\n'),
    ]),
    ascii('--picture\r\n'),
  ]);
}

test('takes parts out however they are cut, with and without their lengths', () => {
  const part = fc.uint8Array({ minLength: 1, maxLength: 300 });
  const cuts = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 });
  fc.assert(
    fc.property(
      fc.array(part, { minLength: 1, maxLength: 5 }),
      cuts,
      fc.boolean(),
      (raw, lengths, withLengths) => {
        // A picture ends with its end marker.
        const parts = raw.map(bytes => concatenated([bytes, Uint8Array.of(0xff, 0xd9)]));
        const bytes = written(parts, withLengths);
        const taken: Uint8Array[] = [];
        const images = new MultipartImages(type, found => taken.push(found));
        for (let offset = 0, index = 0; offset < bytes.length; index += 1) {
          const end = offset + lengths[index % lengths.length]!;
          assert.ok(images.push(bytes.slice(offset, end)));
          offset = end;
        }
        assert.equal(taken, parts);
      },
    ),
  );
});

test('gives up what never ends', () => {
  const images = new MultipartImages(type, () => {});
  const chunk = new Uint8Array(1024 * 1024);
  let pushed = 0;
  while (images.push(chunk) && pushed < 100) pushed += 1;
  assert.is(pushed, PICTURE_BYTES_MAX / chunk.length);
});

test.run();
