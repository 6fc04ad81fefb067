import { createCipheriv, createDecipheriv, randomBytes, randomUUID, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { MediaRefusedError } from '@holdfast/core';
import { z } from 'zod';
import { MEDIA_KEY_BYTES, type MediaKey } from './fragment-cipher.js';

const deriveKey = promisify(
  (password: string, salt: Buffer, cost: number, done: (error: Error | null, key: Buffer) => void) =>
    scrypt(
      password.normalize('NFKC'),
      salt,
      MEDIA_KEY_BYTES,
      { N: cost, r: 8, maxmem: 2 * 128 * 8 * cost },
      done,
    ),
);
/** 128 MB and about half a second for each try of a password. */
const SCRYPT_COST = 2 ** 17;
/** More would let a file that was tampered with take all memory. */
const SCRYPT_COST_MAX = 2 ** 20;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const SALT_BYTES = 16;

/** The name of the file, in the media directory and, as a copy, in each live database and archive. */
export const MEDIA_KEYS_FILE = 'media-keys.json';

const SealedKey = z.object({
  keyId: z.uuid(),
  scryptCost: z.int().min(2).max(SCRYPT_COST_MAX),
  salt: z.base64(),
  /** Nonce, ciphertext and tag. */
  sealed: z.base64(),
});
type SealedKey = z.infer<typeof SealedKey>;
const MediaKeysFile = z.object({
  format: z.literal('holdfast-media-keys-1'),
  keys: z.array(SealedKey).max(1000),
});

export class MediaPasswordError extends Error {
  override readonly name = 'MediaPasswordError';
  readonly code: 'MEDIA_PASSWORD_WRONG' | 'MEDIA_PASSWORD_MISSING';

  constructor(code: MediaPasswordError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** What is stored cannot be read here, and is not damaged. */
export class MediaKeyMissingError extends MediaRefusedError {
  constructor(message: string) {
    super('NOT_ALLOWED', message);
  }
}

/** Keys that encrypt recordings, by their ids. */
export interface MediaKeys {
  get(keyId: string): Buffer | null;
}

export const NO_MEDIA_KEYS: MediaKeys = { get: () => null };

/** The keys of a recording server, opened by its password. The first that it opens is the one that is encrypted with. */
export class MediaKeyring implements MediaKeys {
  readonly #keys = new Map<string, Buffer>();
  readonly #sealed: SealedKey[];
  readonly #password: string;

  private constructor(sealed: readonly SealedKey[], password: string) {
    this.#sealed = [...sealed];
    this.#password = password;
  }

  /** Opens what a key file holds; null: makes a key. Throws `MediaPasswordError`. */
  static async open(text: string | null, password: string): Promise<MediaKeyring> {
    const known = text === null ? [] : parsed(text);
    const keyring = new MediaKeyring(
      known.length > 0 ? known : [await sealKey(newKey(), password)],
      password,
    );
    let wrong: MediaPasswordError | null = null;
    for (const key of keyring.#sealed) {
      const opened = await openKey(key, password);
      if (opened instanceof MediaPasswordError) wrong ??= opened;
      else keyring.#keys.set(key.keyId, opened);
    }
    // One that came with a folder of another server's may be under another password.
    if (wrong !== null && keyring.#keys.size === 0) throw wrong;
    return keyring;
  }

  /** Takes over what another copy has besides: nothing that may open a recording is ever written over. */
  async absorb(text: string): Promise<void> {
    for (const key of parsed(text)) {
      if (this.#sealed.some(({ keyId }) => keyId === key.keyId)) continue;
      this.#sealed.push(key);
      const opened = await openKey(key, this.#password);
      if (!(opened instanceof MediaPasswordError)) this.#keys.set(key.keyId, opened);
    }
  }

  /** The same keys under another password; what the old one did not open stays as it was. */
  async resealed(password: string): Promise<MediaKeyring> {
    const sealed: SealedKey[] = [];
    for (const key of this.#sealed) {
      const opened = this.#keys.get(key.keyId);
      sealed.push(opened === undefined ? key : await sealKey({ keyId: key.keyId, key: opened }, password));
    }
    const keyring = new MediaKeyring(sealed, password);
    for (const [keyId, key] of this.#keys) keyring.#keys.set(keyId, key);
    return keyring;
  }

  get current(): MediaKey {
    const [first] = this.#keys;
    const [keyId, key] = first!;
    return { keyId, key };
  }

  get(keyId: string): Buffer | null {
    return this.#keys.get(keyId) ?? null;
  }

  /** As it is kept. */
  toText(): string {
    return `${JSON.stringify({ format: 'holdfast-media-keys-1', keys: this.#sealed }, null, 1)}\n`;
  }
}

/** A file that is no longer what it was says nothing; a copy may. */
function parsed(text: string): readonly SealedKey[] {
  try {
    return MediaKeysFile.parse(JSON.parse(text)).keys;
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError) return [];
    throw error;
  }
}

function newKey(): MediaKey {
  return { keyId: randomUUID(), key: randomBytes(MEDIA_KEY_BYTES) };
}

async function sealKey({ keyId, key }: MediaKey, password: string): Promise<SealedKey> {
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', await deriveKey(password, salt, SCRYPT_COST), nonce);
  cipher.setAAD(Buffer.from(keyId));
  const ciphertext = Buffer.concat([cipher.update(key), cipher.final()]);
  const sealed = Buffer.concat([nonce, ciphertext, cipher.getAuthTag()]).toString('base64');
  return { keyId, scryptCost: SCRYPT_COST, salt: salt.toString('base64'), sealed };
}

async function openKey(
  { keyId, scryptCost, salt, sealed }: SealedKey,
  password: string,
): Promise<Buffer | MediaPasswordError> {
  const bytes = Buffer.from(sealed, 'base64');
  const key = await deriveKey(password, Buffer.from(salt, 'base64'), scryptCost);
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(keyId));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch {
    return new MediaPasswordError('MEDIA_PASSWORD_WRONG', `the password does not open media key ${keyId}`);
  }
}
