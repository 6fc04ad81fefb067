/**
 * Hybrid logical clock readings as one unsigned 64-bit integer: 48 bits of milliseconds since the Unix epoch, 16 bits
 * of counter. Comparing readings compares integers. (Kulkarni et al., "Logical Physical Clocks", 2014, packed form.)
 */
export type HlcReading = bigint;

const COUNTER_BITS = 16n;
const MS_MAX = 0xffff_ffff_ffff;
/** Later than this, 48 bits of milliseconds are used up (the year 10889). */
export const HLC_MAX: HlcReading = 0xffff_ffff_ffff_ffffn;

/**
 * The next reading: `nowMs` when the wall clock has moved on, else one more than the previous. Always greater than
 * `previous`, however far the wall clock was set back; a full counter carries into the milliseconds.
 */
export function nextHlc(previous: HlcReading, nowMs: number): HlcReading {
  const now = hlcAt(nowMs);
  if (now > previous) return now;
  if (previous >= HLC_MAX) throw new RangeError('the hybrid logical clock has no later reading');
  return previous + 1n;
}

/** The first reading of a millisecond. Fractions are dropped, and what 48 bits cannot hold is clamped. */
export function hlcAt(ms: number): HlcReading {
  const whole = Number.isNaN(ms) ? 0 : Math.min(Math.max(Math.floor(ms), 0), MS_MAX);
  return BigInt(whole) << COUNTER_BITS;
}

/** Milliseconds since the Unix epoch. */
export function hlcMs(reading: HlcReading): number {
  return Number(reading >> COUNTER_BITS);
}
