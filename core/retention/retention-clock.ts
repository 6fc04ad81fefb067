/** Between two readings clocks are slewed and corrected; what differs more was set. */
export const CLOCK_DIFFERENCE_MS_MAX = 5 * 60_000;
/** A server may be switched off over a long weekend without its clock being doubted. */
export const SWITCHED_OFF_MS_MAX = 4 * 24 * 3600_000;
/** Somebody looks at an alarm within a day; then a clock that has gone on evenly is believed. */
export const CLOCK_DOUBTED_MS = 24 * 3600_000;

export interface ClockReading {
  /** Milliseconds since the Unix epoch, by the machine's clock. */
  readonly wallMs: number;
  /** Milliseconds of a clock that is never set, from any beginning. */
  readonly monotonicMs: number;
}

export interface RetentionTime {
  /** By which ages and expiries are judged: never later than the clock, and not where it jumped to. */
  readonly nowMs: number;
  /** How far the clock is ahead of what is believed; 0 while it is believed. */
  readonly aheadMs: number;
}

/**
 * The time by which recordings are old and evidence locks expire. A clock that jumps ahead must not make a month of
 * recordings too old in one minute: until it has gone on evenly for a day, time passes as the monotonic clock says.
 * Deleting late is harmless, so what jumps back is believed at once.
 */
export class RetentionClock {
  #believed: ClockReading;
  /** Since when, by the monotonic clock, and where the wall clock stands beside it. */
  #doubt: { readonly sinceMs: number; readonly offsetMs: number } | null = null;

  /** `lastMs`: the newest time that was believed before, or that a recording tells of; null when nothing does. */
  constructor(reading: ClockReading, lastMs: number | null) {
    const isPlausible = lastMs === null || reading.wallMs - lastMs <= SWITCHED_OFF_MS_MAX;
    this.#believed = { wallMs: isPlausible ? reading.wallMs : lastMs, monotonicMs: reading.monotonicMs };
  }

  read({ wallMs, monotonicMs }: ClockReading): RetentionTime {
    const expectedMs = this.#believed.wallMs + (monotonicMs - this.#believed.monotonicMs);
    const isBelieved =
      Math.abs(wallMs - expectedMs) <= CLOCK_DIFFERENCE_MS_MAX ||
      this.#hasGoneOnEvenly(wallMs - monotonicMs, monotonicMs);
    if (isBelieved) this.#doubt = null;
    this.#believed = { wallMs: isBelieved ? wallMs : expectedMs, monotonicMs };
    const nowMs = Math.min(wallMs, this.#believed.wallMs);
    return { nowMs, aheadMs: wallMs - nowMs };
  }

  #hasGoneOnEvenly(offsetMs: number, monotonicMs: number): boolean {
    if (this.#doubt === null || Math.abs(offsetMs - this.#doubt.offsetMs) > CLOCK_DIFFERENCE_MS_MAX) {
      this.#doubt = { sinceMs: monotonicMs, offsetMs };
    }
    return monotonicMs - this.#doubt.sinceMs >= CLOCK_DOUBTED_MS;
  }
}
