/** The four times of one exchange, milliseconds: the first and last by our clock, the middle ones by the peer's. */
export interface PingExchange {
  readonly sentAtMs: number;
  readonly peerReceivedAtMs: number;
  readonly peerSentAtMs: number;
  readonly receivedAtMs: number;
}

export interface ClockMeasurement {
  /** Of the latest exchange, without the time that the peer took. Not negative. */
  readonly roundTripMs: number;
  /** The peer's clock minus ours; wrong by at most half of the best recent round trip. */
  readonly clockOffsetMs: number;
}

/** As in NTP (RFC 5905 §10): the exchange with the shortest round trip was held up least and tells the clock best. */
const SAMPLES_MAX = 8;

/** Measures the round trip and the difference of the clocks (RFC 5905 §8) from pings, among data that delay them. */
export class ClockFilter {
  readonly #samples: ClockMeasurement[] = [];

  measure(exchange: PingExchange): ClockMeasurement {
    const { sentAtMs, peerReceivedAtMs, peerSentAtMs, receivedAtMs } = exchange;
    const roundTripMs = Math.max(0, receivedAtMs - sentAtMs - (peerSentAtMs - peerReceivedAtMs));
    const clockOffsetMs = (peerReceivedAtMs - sentAtMs + (peerSentAtMs - receivedAtMs)) / 2;
    this.#samples.push({ roundTripMs, clockOffsetMs });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    const best = this.#samples.reduce((one, other) => (other.roundTripMs <= one.roundTripMs ? other : one));
    return { roundTripMs, clockOffsetMs: best.clockOffsetMs };
  }
}
