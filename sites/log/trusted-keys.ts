import { createPublicKey } from 'node:crypto';
import { decodeBase64, parseVerifierKey, type TrustedKey } from '@holdfast/core';
import { rawPublicKey } from './ed25519-notes.js';
import { sha256 } from './sha256.js';

/** 32 bytes in base64. */
const BARE_KEY = /^[A-Za-z0-9+/]{43}=$/;

/** A file that holds no key that proofs can be checked with. */
export class TrustedKeyError extends Error {
  override readonly name = 'TrustedKeyError';
  readonly code = 'TRUSTED_KEY';
}

/**
 * Reads keys to check signatures with: an Ed25519 key in PEM, public or private; or, one a line, verifier keys of C2SP signed-note,
 * and bare public keys in base64, as a configuration names them. Throws `TrustedKeyError`.
 */
export function readTrustedKeys(text: string): readonly TrustedKey[] {
  if (text.includes('-----BEGIN ')) {
    try {
      return [{ publicKey: rawPublicKey(createPublicKey(text)) }];
    } catch (cause) {
      const detail = cause instanceof Error ? cause.message : String(cause);
      throw new TrustedKeyError(`not an Ed25519 key: ${detail}`, { cause });
    }
  }
  const lines = text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '' && !line.startsWith('#'));
  if (lines.length === 0) throw new TrustedKeyError('neither a key in PEM nor a verifier key is in it');
  return lines.map(line => {
    const publicKey = BARE_KEY.test(line) ? decodeBase64(line) : null;
    const key = publicKey === null ? parseVerifierKey(line, sha256) : { publicKey };
    if (key !== null) return key;
    throw new TrustedKeyError(`not a verifier key, <name>+<id>+<key>: '${line.slice(0, 200)}'`);
  });
}

/** The key in the data of a `LogKeyPinned`; null when there is none: what is wrong with the event is told where it is proved. */
export function pinnedKeyIn(data: Uint8Array): Uint8Array | null {
  try {
    const { publicKey } = JSON.parse(Buffer.from(data).toString('utf8')) as { readonly publicKey?: unknown };
    return typeof publicKey === 'string' && BARE_KEY.test(publicKey) ? decodeBase64(publicKey) : null;
  } catch {
    return null;
  }
}
