/** Primary result codes of SQLite: https://www.sqlite.org/rescode.html */
export const sqliteResult = {
  BUSY: 5,
  IO_ERROR: 10,
  CORRUPT: 11,
  FULL: 13,
  CONSTRAINT: 19,
  NOT_A_DATABASE: 26,
} as const;

/** SQLite's primary result code (the low byte of the extended one), or null when the error is not SQLite's. */
export function primaryCodeOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}

/** SQLite finds the pages of a file damaged. */
export function isCorrupt(error: unknown): boolean {
  const code = primaryCodeOf(error);
  return code === sqliteResult.CORRUPT || code === sqliteResult.NOT_A_DATABASE;
}

/** The same, or it is no longer able to read them from the disk. */
export function isUnreadable(error: unknown): boolean {
  return isCorrupt(error) || primaryCodeOf(error) === sqliteResult.IO_ERROR;
}
