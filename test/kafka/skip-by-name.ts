/** Tells the runner which tests of this file are not run, and why. */
export function skipByName(reason: string): void {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [...(skipped.HOLDFAST_SKIPPED ?? []), reason];
}
