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

/** A seek decodes from the key frame before it: a computer that is slow at that falls behind by it. It is not sought again before. */
const SEEK_REST_MS = 1_000;
/** After each seek that did not bring it to the edge for long it rests twice as long: a late picture is more than none. */
const SEEK_REST_MS_MAX = 8_000;
/** Who needed no seek for so long keeps up. */
const KEPT_UP_MS = 12_000;

export interface BufferFacts {
  readonly currentS: number;
  readonly ranges: readonly { readonly startS: number; readonly endS: number }[];
  readonly seeking: boolean;
  readonly sinceSeekMs: number;
  /** To catch up, in succession, as the last action said. */
  readonly seekCount: number;
}

export interface EdgeAction {
  readonly seekToS: number | null;
  readonly rate: number;
  /** Remove everything before this. */
  readonly trimToS: number | null;
  readonly seekCount: number;
}

function rateFor(aheadS: number): number {
  if (aheadS > FASTEST_ABOVE_S) return RATE_FASTEST;
  if (aheadS > FAST_ABOVE_S) return RATE_FAST;
  return aheadS < SLOW_BELOW_S ? RATE_SLOW : 1;
}

/** What to do to stay close to the newest frame. */
export function stayAtEdge(facts: BufferFacts): EdgeAction {
  const { currentS, ranges, sinceSeekMs } = facts;
  const last = ranges.at(-1);
  const first = ranges[0];
  const seekCount = sinceSeekMs > KEPT_UP_MS ? 0 : facts.seekCount;
  if (last === undefined || first === undefined) return { seekToS: null, rate: 1, trimToS: null, seekCount };
  const aheadS = last.endS - currentS;
  const trimToS = currentS - first.startS > KEEP_BEHIND_S + TRIM_STEP_S ? currentS - KEEP_BEHIND_S : null;
  const outside = currentS < last.startS || aheadS < -TARGET_BUFFER_S;
  if (!outside && aheadS <= JUMP_BEHIND_S)
    return { seekToS: null, rate: rateFor(aheadS), trimToS, seekCount };
  const seekToS = Math.max(last.startS, last.endS - TARGET_BUFFER_S);
  // Every seek is left to show its picture: one after the other, none of them would.
  if (facts.seeking) return { seekToS: null, rate: 1, trimToS, seekCount };
  // Across a gap, as between key frames that come alone, there is no other way.
  if (outside) return { seekToS, rate: 1, trimToS, seekCount };
  if (sinceSeekMs < restMs(seekCount)) return { seekToS: null, rate: RATE_FASTEST, trimToS, seekCount };
  return { seekToS, rate: 1, trimToS, seekCount: seekCount + 1 };
}

function restMs(seekCount: number): number {
  return seekCount === 0 ? 0 : Math.min(SEEK_REST_MS * 2 ** (seekCount - 1), SEEK_REST_MS_MAX);
}
