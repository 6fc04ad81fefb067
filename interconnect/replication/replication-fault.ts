/** Whatever was thrown, for a log line: with the name that the reference of errors has for it, where it has one. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { readonly code?: unknown };
  return `${typeof code === 'string' ? code : error.name}: ${error.message}`;
}
