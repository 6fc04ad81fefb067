import { createHash } from 'node:crypto';
import type { Sha256 } from '@holdfast/core';

/** For tests: the product's own is in `sites`, which this package does not know. */
export const sha256: Sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};
