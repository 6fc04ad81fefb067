import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { DeviceId } from '@holdfast/schema';
import { keyDerivedFrom, type MediaKey } from '../media-database/fragment-cipher.js';
import type { MediaKeys } from '../media-database/media-keyring.js';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Which row of a heat map it is: bytes of one do not pass for another. */
export interface HeatMapPlace {
  readonly deviceId: DeviceId;
  readonly fromMs: number;
}

export interface SealedHeatMap {
  readonly keyId: string;
  /** Nonce, tag, and a ciphertext that is as long as the row. */
  readonly bytes: Uint8Array;
}

/**
 * Encrypts rows of heat maps: AES-256-GCM under a key of their own for each media key (HKDF-SHA-256), a random nonce for each
 * row. A row is one minute: of a thousand cameras it takes eight years to use up what one key may encrypt (2^32 rows).
 */
export class HeatMapCipher {
  readonly #keys: MediaKeys;
  readonly #derived = new Map<string, Buffer>();

  constructor(keys: MediaKeys) {
    this.#keys = keys;
  }

  seal({ keyId, key }: MediaKey, place: HeatMapPlace, row: Uint8Array): SealedHeatMap {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#derivedOf(keyId, key), nonce);
    cipher.setAAD(additionalData(place));
    const ciphertext = Buffer.concat([cipher.update(row), cipher.final()]);
    return { keyId, bytes: Buffer.concat([nonce, cipher.getAuthTag(), ciphertext]) };
  }

  /** Null: its key is not here, or it is not what was sealed. */
  open({ keyId, bytes }: SealedHeatMap, place: HeatMapPlace): Uint8Array | null {
    const key = this.#keys.get(keyId);
    if (key === null) return null;
    const stored = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    try {
      const decipher = createDecipheriv(
        'aes-256-gcm',
        this.#derivedOf(keyId, key),
        stored.subarray(0, NONCE_BYTES),
        { authTagLength: TAG_BYTES },
      );
      decipher.setAAD(additionalData(place));
      decipher.setAuthTag(stored.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      const row = decipher.update(stored.subarray(NONCE_BYTES + TAG_BYTES));
      decipher.final();
      return row;
    } catch {
      return null;
    }
  }

  #derivedOf(keyId: string, key: Buffer): Buffer {
    let derived = this.#derived.get(keyId);
    if (derived === undefined) {
      derived = keyDerivedFrom(key, 'holdfast heat map 1');
      this.#derived.set(keyId, derived);
    }
    return derived;
  }
}

function additionalData({ deviceId, fromMs }: HeatMapPlace): Buffer {
  return Buffer.from(`${deviceId} ${fromMs}`);
}
