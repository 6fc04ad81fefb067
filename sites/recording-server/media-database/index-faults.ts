import { primaryCodeOf, sqliteResult } from '../../sqlite-result.js';

/** What `ENOSPC` is called when the index meets it. */
export function isIndexFull(error: unknown): boolean {
  return primaryCodeOf(error) === sqliteResult.FULL;
}

/** There is no room: whether a file or the index met it. A quota that is used up counts as a full disk. */
export function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' || isIndexFull(error);
}

/** Why an index cannot be opened: `IN_USE` another process holds it, `UNUSABLE` it is no database, or a damaged one. */
export function openingFaultOf(error: unknown): 'IN_USE' | 'UNUSABLE' | null {
  const primary = primaryCodeOf(error);
  if (primary === sqliteResult.BUSY) return 'IN_USE';
  return primary === sqliteResult.CORRUPT || primary === sqliteResult.NOT_A_DATABASE ? 'UNUSABLE' : null;
}
