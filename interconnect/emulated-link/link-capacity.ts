import { type LinkTrace, traceCapacityBytes, traceStepAt } from './link-trace.js';

/** What a quiet link may send at once: timers come some tens of milliseconds late on a busy machine. */
const BURST_MS = 100;
/** Two full Ethernet frames: less could never let one through. */
const BURST_BYTES_MIN = 3000;
/** What one connection gets before it is the next one's turn. */
const TURN_MS = 5;
const TURN_BYTES_MIN = 1460;
const TURN_BYTES_MAX = 64 * 1024;

export type LinkRate =
  | { readonly kind: 'UNLIMITED' }
  | { readonly kind: 'CONSTANT'; readonly bitsPerSecond: number }
  | { readonly kind: 'TRACE'; readonly trace: LinkTrace; readonly startedMs: number };

/** The token bucket of one direction of a link. Times are milliseconds of one monotonic clock. */
export class LinkCapacity {
  readonly #rate: LinkRate;
  #tokens = 0;
  #filledMs: number;

  constructor(rate: LinkRate, nowMs: number) {
    this.#rate = rate;
    this.#filledMs = nowMs;
  }

  /** 0: there is no link now. */
  bitsPerSecondAt(nowMs: number): number {
    const rate = this.#rate;
    if (rate.kind === 'UNLIMITED') return Number.POSITIVE_INFINITY;
    if (rate.kind === 'CONSTANT') return rate.bitsPerSecond;
    return traceStepAt(rate.trace, nowMs - rate.startedMs).bitsPerSecond;
  }

  /** How many of the wanted bytes may go now: one turn at most, 0 when it is too early. */
  take(wantedBytes: number, nowMs: number): number {
    const bitsPerSecond = this.bitsPerSecondAt(nowMs);
    if (bitsPerSecond === Number.POSITIVE_INFINITY) return wantedBytes;
    this.#fill(nowMs, bitsPerSecond);
    const turnBytes = Math.min(wantedBytes, turnBytesAt(bitsPerSecond));
    if (this.#tokens < turnBytes || bitsPerSecond === 0) return 0;
    this.#tokens -= turnBytes;
    return turnBytes;
  }

  /** When it is worth asking for these bytes again, from now. */
  waitMs(wantedBytes: number, nowMs: number): number {
    const rate = this.#rate;
    const bitsPerSecond = this.bitsPerSecondAt(nowMs);
    const missing = Math.min(wantedBytes, turnBytesAt(bitsPerSecond)) - this.#tokens;
    const neededMs = bitsPerSecond === 0 ? Number.POSITIVE_INFINITY : (missing * 8000) / bitsPerSecond;
    if (rate.kind !== 'TRACE') return Math.max(1, neededMs);
    const elapsedMs = (nowMs - rate.startedMs) % rate.trace.durationMs;
    const stepEndsMs = traceStepAt(rate.trace, elapsedMs).toMs - elapsedMs;
    return Math.max(1, Math.min(neededMs, stepEndsMs));
  }

  #fill(nowMs: number, bitsPerSecond: number): void {
    const fromMs = this.#filledMs;
    this.#filledMs = nowMs;
    const rate = this.#rate;
    const gained =
      rate.kind === 'TRACE'
        ? // Older capacity than the burst is lost anyway, and a long silence need not be summed up.
          traceCapacityBytes(
            rate.trace,
            Math.max(fromMs, nowMs - BURST_MS * 4) - rate.startedMs,
            nowMs - rate.startedMs,
          )
        : ((nowMs - fromMs) / 1000) * (bitsPerSecond / 8);
    const burstBytes = Math.max(BURST_BYTES_MIN, (bitsPerSecond / 8 / 1000) * BURST_MS);
    this.#tokens = bitsPerSecond === 0 ? 0 : Math.min(this.#tokens + gained, burstBytes);
  }
}

const turnBytesAt = (bitsPerSecond: number): number =>
  Math.min(TURN_BYTES_MAX, Math.max(TURN_BYTES_MIN, Math.floor((bitsPerSecond / 8 / 1000) * TURN_MS)));
