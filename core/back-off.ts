export interface BackOff {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** The longest wait before the next try: it doubles with each failure before this one. */
export function backOffCeilingMs({ firstMs, mostMs }: BackOff, failuresBefore: number): number {
  return Math.min(mostMs, firstMs * 2 ** failuresBefore);
}

/**
 * How long to wait before the next try, with full jitter: anything from nothing to the ceiling, so that those who failed together do
 * not return together. `random`: 0 inclusive to 1 exclusive.
 */
export function backOffMs(backOff: BackOff, failuresBefore: number, random: number): number {
  return random * backOffCeilingMs(backOff, failuresBefore);
}
