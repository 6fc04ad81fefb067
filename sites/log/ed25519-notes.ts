import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import type { NoteSigner, NoteVerifier } from '@holdfast/core';

/** Everything in an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4) before the 32 bytes of the key. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** A signer of checkpoints with an Ed25519 private key. */
export function noteSigner(privateKey: KeyObject): NoteSigner {
  if (privateKey.type !== 'private' || privateKey.asymmetricKeyType !== 'ed25519') {
    throw new TypeError(
      `checkpoints are signed with an Ed25519 private key, not ${privateKey.asymmetricKeyType ?? privateKey.type}`,
    );
  }
  return { publicKey: rawPublicKey(privateKey), sign: bytes => sign(null, bytes, privateKey) };
}

/** The 32 bytes of the public key (RFC 8032) of an Ed25519 key, private or public. */
export function rawPublicKey(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  if (!spki.subarray(0, SPKI_PREFIX.length).equals(SPKI_PREFIX)) {
    throw new TypeError(`an Ed25519 key is needed, not ${key.asymmetricKeyType}`);
  }
  return new Uint8Array(spki.subarray(SPKI_PREFIX.length));
}

export const verifyNote: NoteVerifier = (bytes, signature, publicKey) =>
  verify(null, bytes, readyKeyOf(publicKey), signature);

/** As `verifyNote`, by the threads of libuv: a signature takes a tenth of a millisecond, which a parent of many has not. */
export function verifyNoteOffThread(
  ...[bytes, signature, publicKey]: Parameters<NoteVerifier>
): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  verify(null, bytes, readyKeyOf(publicKey), signature, answering(resolve, reject));
  return promise;
}

/** Refers to nothing else: Node.js keeps it until the next full collection, and with it what its surroundings hold. */
function answering(resolve: (isRight: boolean) => void, reject: (error: Error) => void) {
  return (error: Error | null, isRight: boolean) => (error === null ? resolve(isRight) : reject(error));
}

/** Of as many sites as a central takes in: to read a key costs a third of what a signature does. The oldest is forgotten. */
const READY_KEYS_MAX = 10_000;
const readyKeys = new Map<string, KeyObject>();

function readyKeyOf(publicKey: Uint8Array): KeyObject {
  const bytes = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.byteLength);
  const name = bytes.toString('latin1');
  const known = readyKeys.get(name);
  if (known !== undefined) return known;
  const key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: 'der', type: 'spki' });
  readyKeys.set(name, key);
  if (readyKeys.size > READY_KEYS_MAX) readyKeys.delete(readyKeys.keys().next().value!);
  return key;
}
