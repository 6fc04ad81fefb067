/**
 * How much may be under way on one link. TCP fills every queue between the two ends, and with a retrieval in it a live
 * picture would stand behind seconds of it. So the sender keeps about bandwidth × (shortest round trip + 80 ms) under
 * way: enough to keep the link busy, at the price of 80 ms of queue. Bandwidth and shortest round trip are measured from
 * the peer's `Received` (the method of BBR, draft-cardwell-iccrg-bbr-congestion-control §4.1).
 */
export const QUEUE_MS_TARGET = 80;
/** A few small pieces: less could not keep any link busy. */
export const WINDOW_BYTES_MIN = 16 * 1024;
/** 500 Mbit/s at 130 ms: beyond, one site would hold more of the other's memory than it is worth. */
export const WINDOW_BYTES_MAX = 8 * 1024 * 1024;
const WINDOW_BYTES_FIRST = 64 * 1024;
/** A rate seen longer ago says nothing about a mobile link now. The best of two such spans counts. */
const RATE_SPAN_MS = 1000;
/**
 * Our own queue hides the shortest round trip. When it has not been seen for so long, only half of what the link carries is
 * kept under way for a moment, so that the queue runs empty and it shows again.
 */
const ROUND_TRIP_MS_AGE_MAX = 30_000;
const PROBE_MS = 200;

interface Sent {
  cost: number;
  readonly sentAtMs: number;
  /** What had been delivered, and when, at the moment of sending: the base of the rate sample. */
  readonly deliveredBytes: number;
  readonly deliveredAtMs: number;
}

/** Times are of a monotonic clock, in milliseconds, and may have fractions. */
export class SendWindow {
  readonly #sent: Sent[] = [];
  #underWayBytes = 0;
  #deliveredBytes = 0;
  #deliveredAtMs = 0;
  #windowBytes = WINDOW_BYTES_FIRST;
  #wasFull = false;
  /** Until a queue first builds up, the link has shown no limit, and the window grows as fast as it takes. */
  #isStarting = true;
  #roundTripMsMin = Number.POSITIVE_INFINITY;
  #roundTripSeenAtMs = 0;
  #probe: { readonly untilMs: number; roundTripMsMin: number } | null = null;
  /** After a probe the window opens bit by bit: all at once would be a queue again. */
  #rampBytes = Number.POSITIVE_INFINITY;
  #rate = { bestPerMs: 0, bestBeforePerMs: 0, sinceMs: 0 };

  get underWayBytes(): number {
    return this.#underWayBytes;
  }

  get windowBytes(): number {
    if (this.#probe === null) return Math.min(this.#windowBytes, this.#rampBytes);
    return Math.max(this.#ratePerMs() * this.#roundTripMsMin * 0.5, WINDOW_BYTES_MIN);
  }

  /** Live goes ahead of a full window, by as much again at most. */
  mayBeSent(options: { readonly urgent: boolean }): boolean {
    if (this.#underWayBytes < this.windowBytes) return true;
    this.#wasFull = true;
    return options.urgent && this.#underWayBytes < 2 * this.windowBytes;
  }

  onSent(cost: number, nowMs: number): void {
    if (this.#underWayBytes === 0) this.#deliveredAtMs = nowMs;
    this.#underWayBytes += cost;
    this.#sent.push({
      cost,
      sentAtMs: nowMs,
      deliveredBytes: this.#deliveredBytes,
      deliveredAtMs: this.#deliveredAtMs,
    });
  }

  /** False: the peer claims to have received what was never sent. */
  onReceived(cost: number, nowMs: number): boolean {
    if (cost > this.#underWayBytes) return false;
    this.#underWayBytes -= cost;
    this.#deliveredBytes += cost;
    this.#deliveredAtMs = nowMs;
    let newest: Sent | null = null;
    let left = cost;
    let done = 0;
    for (const sent of this.#sent) {
      if (left < sent.cost) {
        sent.cost -= left;
        break;
      }
      left -= sent.cost;
      newest = sent;
      done += 1;
    }
    this.#sent.splice(0, done);
    if (newest !== null) this.#measure(newest, cost, nowMs);
    return true;
  }

  #measure(newest: Sent, cost: number, nowMs: number): void {
    const roundTripMs = Math.max(nowMs - newest.sentAtMs, 0.1);
    this.#seeRoundTrip(roundTripMs, nowMs);
    const spanMs = Math.max(nowMs - newest.deliveredAtMs, 1);
    this.#seeRate((this.#deliveredBytes - newest.deliveredBytes) / spanMs, nowMs);
    this.#rampBytes = this.#rampBytes < this.#windowBytes ? this.#rampBytes + cost : Number.POSITIVE_INFINITY;
    if (roundTripMs - this.#roundTripMsMin > QUEUE_MS_TARGET) this.#isStarting = false;
    const carried = this.#ratePerMs() * (this.#roundTripMsMin + QUEUE_MS_TARGET);
    const grown = this.#isStarting && this.#wasFull ? this.#windowBytes + cost : 0;
    this.#windowBytes = Math.min(Math.max(carried, grown, WINDOW_BYTES_MIN), WINDOW_BYTES_MAX);
    this.#wasFull = false;
  }

  #ratePerMs(): number {
    return Math.max(this.#rate.bestPerMs, this.#rate.bestBeforePerMs);
  }

  #seeRate(perMs: number, nowMs: number): void {
    if (nowMs - this.#rate.sinceMs > RATE_SPAN_MS) {
      this.#rate = { bestPerMs: 0, bestBeforePerMs: this.#rate.bestPerMs, sinceMs: nowMs };
    }
    if (perMs > this.#rate.bestPerMs) this.#rate.bestPerMs = perMs;
  }

  #seeRoundTrip(roundTripMs: number, nowMs: number): void {
    if (this.#probe !== null) {
      this.#probe.roundTripMsMin = Math.min(this.#probe.roundTripMsMin, roundTripMs);
      if (nowMs >= this.#probe.untilMs) {
        this.#roundTripMsMin = this.#probe.roundTripMsMin;
        this.#roundTripSeenAtMs = nowMs;
        this.#probe = null;
        this.#rampBytes = Math.max(this.#underWayBytes, WINDOW_BYTES_MIN);
      }
      return;
    }
    if (roundTripMs <= this.#roundTripMsMin) {
      this.#roundTripMsMin = roundTripMs;
      this.#roundTripSeenAtMs = nowMs;
    } else if (nowMs - this.#roundTripSeenAtMs > ROUND_TRIP_MS_AGE_MAX) {
      this.#probe = {
        untilMs: nowMs + Math.max(PROBE_MS, 2 * roundTripMs),
        roundTripMsMin: Number.POSITIVE_INFINITY,
      };
    }
  }
}
