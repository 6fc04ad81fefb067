/** How far behind the newest frame live stands on purpose: three frames at 25 fps, so that jitter does not show. */
export const TARGET_BUFFER_S = 0.13;
/** Further behind than this, catching up by speed would take too long: jump. */
const JUMP_BEHIND_S = 0.8;
const FAST_ABOVE_S = 0.24;
const SLOW_BELOW_S = 0.05;
/** Small enough that neither picture nor sound shows it. */
const RATE_FAST = 1.06;
/** Nearly half a second behind shows more than a fifth of speed does. */
const RATE_FASTEST = 1.2;
const FASTEST_ABOVE_S = 0.4;
const RATE_SLOW = 0.97;
/** Behind the playhead nothing is needed but a little for decoders that look back. */
const KEEP_BEHIND_S = 8;
/** Removing in steps is cheaper than at every frame. */
const TRIM_STEP_S = 6;

export interface BufferFacts {
  readonly currentS: number;
  readonly ranges: readonly { readonly startS: number; readonly endS: number }[];
}

export interface EdgeAction {
  readonly seekToS: number | null;
  readonly rate: number;
  /** Remove everything before this. */
  readonly trimToS: number | null;
}

function rateFor(aheadS: number): number {
  if (aheadS > FASTEST_ABOVE_S) return RATE_FASTEST;
  if (aheadS > FAST_ABOVE_S) return RATE_FAST;
  return aheadS < SLOW_BELOW_S ? RATE_SLOW : 1;
}

/** What to do to stay close to the newest frame. */
export function stayAtEdge({ currentS, ranges }: BufferFacts): EdgeAction {
  const last = ranges.at(-1);
  const first = ranges[0];
  if (last === undefined || first === undefined) return { seekToS: null, rate: 1, trimToS: null };
  const aheadS = last.endS - currentS;
  const trimToS = currentS - first.startS > KEEP_BEHIND_S + TRIM_STEP_S ? currentS - KEEP_BEHIND_S : null;
  const outside = currentS < last.startS || aheadS < -TARGET_BUFFER_S;
  if (outside || aheadS > JUMP_BEHIND_S)
    return { seekToS: Math.max(last.startS, last.endS - TARGET_BUFFER_S), rate: 1, trimToS };
  return { seekToS: null, rate: rateFor(aheadS), trimToS };
}
