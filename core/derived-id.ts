import type { Sha256 } from './hash.js';
import { readUuid, UUID_BYTES } from './log/uuid-bytes.js';

/**
 * An id made from what it stands for (RFC 9562 §5.8, version 8): whoever says the same thing twice says it under one id, and needs
 * no source of ids.
 */
export function derivedId<Id extends string>(name: string, sha256: Sha256): Id {
  const bytes = sha256(new TextEncoder().encode(name)).slice(0, UUID_BYTES);
  bytes[6] = 0x80 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return readUuid(bytes, 0) as Id;
}
