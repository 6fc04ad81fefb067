import { createHash, hash } from 'node:crypto';
import type { Sha256 } from '@holdfast/core';

/** Parts up to this many bytes together are joined first: one call of the one-shot hash beats several of a stream. */
const JOINED_BYTES_MAX = 8 * 1024;
const DIGEST_BYTES = 32;
/** Digests are cut from blocks of this size. Small, because one digest that is kept keeps its whole block. */
const BLOCK_BYTES = 64 * DIGEST_BYTES;

const joined = new Uint8Array(JOINED_BYTES_MAX);
let block = new Uint8Array(BLOCK_BYTES);
let blockOffset = 0;

/** The platform's SHA-256 for whatever in `core` and `interconnect` asks for one. */
export const sha256: Sha256 = (...parts) => {
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return digestOf(hash('sha256', only, 'binary'));
  let byteLength = 0;
  for (const part of parts) byteLength += part.length;
  if (byteLength > JOINED_BYTES_MAX) {
    const stream = createHash('sha256');
    for (const part of parts) stream.update(part);
    return digestOf(stream.digest('binary'));
  }
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return digestOf(hash('sha256', joined.subarray(0, byteLength), 'binary'));
};

/**
 * A digest as a `Buffer` would have a memory block of its own, which costs more than the hash: it is taken as a string of
 * one character for each byte, and written into a block that it shares with others.
 */
function digestOf(characters: string): Uint8Array {
  if (blockOffset === BLOCK_BYTES) {
    block = new Uint8Array(BLOCK_BYTES);
    blockOffset = 0;
  }
  // Cheaper for so few than a call of `Buffer.write`.
  for (let index = 0; index < DIGEST_BYTES; index += 1) {
    block[blockOffset + index] = characters.charCodeAt(index);
  }
  const digest = new Uint8Array(block.buffer, blockOffset, DIGEST_BYTES);
  blockOffset += DIGEST_BYTES;
  return digest;
}
