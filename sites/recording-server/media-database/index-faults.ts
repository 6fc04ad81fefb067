/** SQLite's primary result codes: https://www.sqlite.org/rescode.html */
const sqliteBusy = 5;
const sqliteCorrupt = 11;
const sqliteFull = 13;
const sqliteNotADatabase = 26;

/** What `ENOSPC` is called when the index meets it. */
export function isIndexFull(error: unknown): boolean {
  return (((error as { readonly errcode?: number }).errcode ?? 0) & 0xff) === sqliteFull;
}

/** There is no room: whether a file or the index met it. A quota that is used up counts as a full disk. */
export function isDiskFull(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOSPC' || code === 'EDQUOT' || isIndexFull(error);
}

/** Why an index cannot be opened: `IN_USE` another process holds it, `UNUSABLE` it is no database, or a damaged one. */
export function openingFaultOf(error: unknown): 'IN_USE' | 'UNUSABLE' | null {
  const primary = ((error as { readonly errcode?: number }).errcode ?? 0) & 0xff;
  if (primary === sqliteBusy) return 'IN_USE';
  return primary === sqliteCorrupt || primary === sqliteNotADatabase ? 'UNUSABLE' : null;
}
