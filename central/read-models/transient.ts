/**
 * SQLSTATE classes that speak of the server, not of the event: connection (08), conflict with another transaction
 * (40), resources (53), an object in use (55), operator intervention (57), system (58). They are tried again; the rest is not.
 */
const TRANSIENT_CLASSES: ReadonlySet<string> = new Set(['08', '40', '53', '55', '57', '58']);
/** "cached plan must not change result type": a table was swapped for one with more columns. The next try plans anew. */
const PLAN_OUTDATED = '0A000';

export function isTransient(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/^[0-9A-Z]{5}$/.test(code)) return TRANSIENT_CLASSES.has(code.slice(0, 2)) || code === PLAN_OUTDATED;
  return /^(CONNECTION_|CONNECT_|ECONN|EPIPE|ENOENT|ETIMEDOUT)/.test(code);
}

/**
 * What speaks of the values alone, and comes again with them for ever: no column has a number for one (a `RangeError` of ours),
 * SQLSTATE classes data (22), constraints (23) and limits of PostgreSQL (54).
 */
const DATA_CLASSES: ReadonlySet<string> = new Set(['22', '23', '54']);

export function isOfData(error: unknown): error is Error {
  if (error instanceof RangeError) return true;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return /^[0-9A-Z]{5}$/.test(code) && DATA_CLASSES.has(code.slice(0, 2));
}
