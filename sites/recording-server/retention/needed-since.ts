import type { Protection } from '@holdfast/core';
import type { MediaDatabase } from '../media-database/media-database.js';

/** Since when recordings are kept, or protected; 0 when what is protected cannot be read, infinity when there is nothing. */
export function neededSince(
  database: Pick<MediaDatabase, 'devices' | 'segments'>,
  protection: Protection,
): number {
  if (!protection.readable) return 0;
  const always = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
  const oldest = database
    .devices()
    .flatMap(deviceId => database.segments({ ...always, deviceId, after: null, limit: 1 }))
    .map(({ segment }) => segment);
  const since = [...protection.spans, ...oldest].map(({ fromMs }) => fromMs);
  return since.reduce((left, right) => Math.min(left, right), Number.POSITIVE_INFINITY);
}
