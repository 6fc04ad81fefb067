import { createHash, hash } from 'node:crypto';
import type { Sha256 } from '@holdfast/core';

/** Parts up to this many bytes together are joined first: one call of the one-shot hash beats several of a stream. */
const JOINED_BYTES_MAX = 8 * 1024;
const joined = Buffer.allocUnsafeSlow(JOINED_BYTES_MAX);

/** The platform's SHA-256 for whatever in `core` and `interconnect` asks for one. */
export const sha256: Sha256 = (...parts) => {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return plain(hash('sha256', only, 'buffer'));
  let byteLength = 0;
  for (const part of parts) byteLength += part.length;
  if (byteLength > JOINED_BYTES_MAX) {
    const stream = createHash('sha256');
    for (const part of parts) stream.update(part);
    return plain(stream.digest());
  }
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return plain(hash('sha256', joined.subarray(0, byteLength), 'buffer'));
};

/** A Buffer is a Uint8Array, but does not compare as one. */
function plain(digest: Buffer): Uint8Array {
  return new Uint8Array(digest.buffer, digest.byteOffset, digest.byteLength);
}
