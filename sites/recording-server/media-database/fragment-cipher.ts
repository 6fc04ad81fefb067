import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { encodeFragmentEntry, type FragmentEntry } from '@holdfast/core';
import type { SegmentId } from '@holdfast/schema';
import { SegmentFileDamagedError } from './segment-boxes.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const DIGEST_BYTES = 32;
/** What stands before the ciphertext: nonce, tag, and the SHA-256 of both with the ciphertext. */
export const CIPHER_HEAD_BYTE_LENGTH = NONCE_BYTES + TAG_BYTES + DIGEST_BYTES;

export const MEDIA_KEY_BYTES = 32;

export interface MediaKey {
  readonly keyId: string;
  readonly key: Buffer;
}

/**
 * Encrypts the fragments of one segment: AES-256-GCM under a key of the segment (HKDF-SHA-256), a random nonce for each fragment,
 * bound to its place and to what its entry says. The digest of what is stored lets anybody see damage without the key; only with
 * the key is it known that nobody changed both.
 */
export class FragmentCipher {
  readonly #segmentKey: Buffer;
  readonly #segmentId: SegmentId;

  constructor(key: Buffer, segmentId: SegmentId) {
    this.#segmentKey = keyDerivedFrom(key, `holdfast media 1 ${segmentId}`);
    this.#segmentId = segmentId;
  }

  /** The head, and then the ciphertext, which is as long as the fragment. */
  encrypt(index: number, entry: FragmentEntry, pieces: readonly Uint8Array[]): readonly Buffer[] {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#segmentKey, nonce);
    cipher.setAAD(this.#additionalData(index, entry));
    const ciphertext = pieces.map(piece => cipher.update(piece));
    ciphertext.push(cipher.final());
    const tag = cipher.getAuthTag();
    return [nonce, tag, storedDigest(nonce, tag, ciphertext), ...ciphertext];
  }

  /** Throws `SegmentFileDamagedError`. */
  decrypt(index: number, entry: FragmentEntry, stored: Buffer): Buffer {
    const [nonce, tag] = [
      stored.subarray(0, NONCE_BYTES),
      stored.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES),
    ];
    const decipher = createDecipheriv('aes-256-gcm', this.#segmentKey, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(this.#additionalData(index, entry));
    decipher.setAuthTag(tag);
    const bytes = decipher.update(stored.subarray(CIPHER_HEAD_BYTE_LENGTH));
    try {
      decipher.final();
      return bytes;
    } catch (error) {
      const message = `fragment ${index} of segment ${this.#segmentId} is not what was encrypted`;
      throw new SegmentFileDamagedError(message, { cause: error });
    }
  }

  #additionalData(index: number, entry: FragmentEntry): Buffer {
    const place = Buffer.alloc(4);
    place.writeUInt32BE(index);
    return Buffer.concat([
      Buffer.from(this.#segmentId.replaceAll('-', ''), 'hex'),
      place,
      encodeFragmentEntry(entry),
    ]);
  }
}

/** HKDF-SHA-256: a media key itself encrypts nothing. `purpose`: another one, another key. */
export function keyDerivedFrom(key: Buffer, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, '', purpose, MEDIA_KEY_BYTES));
}

/** Whether an encrypted fragment is stored as it was written, as far as one can say without the key. */
export function isStoredWhole(stored: Buffer): boolean {
  const digestAt = NONCE_BYTES + TAG_BYTES;
  const digest = storedDigest(stored.subarray(0, NONCE_BYTES), stored.subarray(NONCE_BYTES, digestAt), [
    stored.subarray(CIPHER_HEAD_BYTE_LENGTH),
  ]);
  return digest.equals(stored.subarray(digestAt, CIPHER_HEAD_BYTE_LENGTH));
}

function storedDigest(nonce: Buffer, tag: Buffer, ciphertext: readonly Buffer[]): Buffer {
  const hash = createHash('sha256').update(nonce).update(tag);
  for (const part of ciphertext) hash.update(part);
  return hash.digest();
}
