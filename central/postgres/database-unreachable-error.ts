/** The database at `DATABASE_URL` does not answer, or lets nobody in: nothing is known of what is in it. */
export class DatabaseUnreachableError extends Error {
  override readonly name = 'DatabaseUnreachableError';
  readonly code = 'DATABASE_UNREACHABLE';
}
