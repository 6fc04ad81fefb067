import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sha256 } from './sha256.js';

const test = suite('SHA-256 of the platform');
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

function expectedOf(parts: readonly Uint8Array[]): string {
  const stream = createHash('sha256');
  for (const part of parts) stream.update(part);
  return stream.digest('hex');
}

test('is the hash over all parts, however many and long, and stays what it was', () => {
  const digests: (readonly [Uint8Array, string])[] = [];
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 }), parts => {
      digests.push([sha256(...parts), expectedOf(parts)]);
    }),
    { numRuns: 300 },
  );
  const large = [Buffer.alloc(5000, 1), Buffer.alloc(5000, 2)];
  digests.push([sha256(...large), expectedOf(large)], [sha256(large[0]!), expectedOf([large[0]!])]);
  for (const [digest, expected] of digests) assert.is(hex(digest), expected);
});

test('is a plain array of 32 bytes, which compares as one', () => {
  const digest = sha256(Buffer.from('abc'));
  assert.is(digest.constructor, Uint8Array);
  assert.is(digest.length, 32);
});

test.run();
