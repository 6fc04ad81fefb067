import { equalBytes, type NoteSigner, type NoteVerifier } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { simulatedHash } from './simulated-hash.js';

const utf8 = new TextEncoder();

/** Of far more sites than one world has. */
const KEYS_MAX = 100;
const keys = new Map<SiteId, NoteSigner>();

/**
 * The log key of a site: a double of Ed25519, which would take nine tenths of the time of a run. Whoever knows the public key
 * can sign; what was altered on the way is found out all the same, and that is what links do here.
 */
export function keyOf(site: SiteId): NoteSigner {
  const known = keys.get(site);
  if (known !== undefined) return known;
  const publicKey = utf8.encode(site.replaceAll('-', ''));
  const key: NoteSigner = { publicKey, sign: bytes => signatureOf(bytes, publicKey) };
  if (keys.size >= KEYS_MAX) keys.clear();
  keys.set(site, key);
  return key;
}

export const verifyNote: NoteVerifier = (bytes, signature, publicKey) =>
  equalBytes(signature, signatureOf(bytes, publicKey));

function signatureOf(bytes: Uint8Array, publicKey: Uint8Array): Uint8Array {
  const half = simulatedHash(publicKey, bytes);
  const signature = new Uint8Array(2 * half.length);
  signature.set(half);
  signature.set(half, half.length);
  return signature;
}
