import type { WireErasedKey, WireSubjectKey } from '@holdfast/protos';
import { SiteId, Subject, SubjectKeyId } from '@holdfast/schema';
import { OFFERED_KEYS_MAX, SUBJECT_KEY_BYTES, type SubjectKeyPage } from './subject-key-store.js';

/** What the other side says of keys is not as it should be. */
export class InvalidKeysError extends Error {
  override readonly name = 'InvalidKeysError';
  readonly code = 'INVALID_KEYS';
}

/** Throws `InvalidKeysError`. */
export function readSubjectKeyPage({
  keys,
  erased,
  upTo,
}: {
  readonly keys: readonly WireSubjectKey[];
  readonly erased: readonly WireErasedKey[];
  readonly upTo: number;
}): SubjectKeyPage {
  if (!isCount(upTo)) throw new InvalidKeysError(`up_to: expected a count, got ${upTo}`);
  if (keys.length > OFFERED_KEYS_MAX || erased.length > OFFERED_KEYS_MAX) {
    const counts = `${keys.length} keys and ${erased.length} erased ones`;
    throw new InvalidKeysError(`${counts} in one call, at most ${OFFERED_KEYS_MAX} of each`);
  }
  return {
    upTo,
    keys: keys.map(({ keyId, subject, key, maker: makerText }) => {
      const maker = SiteId.safeParse(makerText);
      const isWellFormed = names({ keyId, subject }) && key.length === SUBJECT_KEY_BYTES;
      if (isWellFormed && maker.success) return { keyId, subject, key, maker: maker.data };
      throw new InvalidKeysError('a key has no id, subject or maker, or not 32 bytes');
    }),
    erased: erased.map(({ keyId, subject }) => {
      if (names({ keyId, subject })) return { keyId, subject };
      throw new InvalidKeysError('an erased key has no id or subject');
    }),
  };
}

export function isCount(count: number): boolean {
  return Number.isSafeInteger(count) && count >= 0;
}

function names({ keyId, subject }: WireErasedKey): boolean {
  return SubjectKeyId.safeParse(keyId).success && Subject.safeParse(subject).success;
}
