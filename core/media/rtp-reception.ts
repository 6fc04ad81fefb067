import { readUint32, type SenderReport } from './rtp-packet.js';

/** Of the lost count in a report: 24 bits, signed. */
const LOST_MAX = 0x7fffff;

/** What a receiver says of one stream in its reports (RFC 3550 §6.4.1, appendices A.3 and A.8). */
export class RtpReception {
  readonly #clockRate: number;
  #source: number | null = null;
  #firstSequence = 0;
  #highestSequence = 0;
  #receivedCount = 0;
  #reportedExpected = 0;
  #reportedReceived = 0;
  #transit: number | null = null;
  #jitterTicks = 0;
  #lastReport: { readonly middleOfNtp: number; readonly arrivalMs: number } | null = null;

  constructor(clockRate: number) {
    this.#clockRate = clockRate;
  }

  get expectedCount(): number {
    return this.#source === null ? 0 : this.#highestSequence - this.#firstSequence + 1;
  }

  /** At least 0: packets that came twice may hide some. */
  get lostCount(): number {
    return Math.max(0, this.expectedCount - this.#receivedCount);
  }

  /** An RTP packet as it came, before it is put into order. */
  packet(bytes: Uint8Array, arrivalMs: number): void {
    if (bytes.length < 12) return;
    const source = readUint32(bytes, 8);
    const sequenceNumber = (bytes[2]! << 8) | bytes[3]!;
    if (source !== this.#source) this.#begin(source, sequenceNumber);
    // Extended by the nearest turn.
    const step = ((sequenceNumber - this.#highestSequence) << 16) >> 16;
    if (step > 0) this.#highestSequence += step;
    this.#receivedCount += 1;
    const transit = Math.round((arrivalMs * this.#clockRate) / 1000) - readUint32(bytes, 4);
    if (this.#transit !== null) {
      const difference = Math.abs((transit - this.#transit) | 0);
      this.#jitterTicks += (difference - this.#jitterTicks) / 16;
    }
    this.#transit = transit;
  }

  senderReport(report: SenderReport, arrivalMs: number): void {
    this.#lastReport = { middleOfNtp: report.middleOfNtp, arrivalMs };
  }

  /**
   * A receiver report and a source description (§6.1: always both). Nothing was received yet: without a report block, as
   * it opens a way through address translators all the same.
   */
  writeReport(options: {
    readonly ownSource: number;
    readonly name: string;
    readonly nowMs: number;
  }): Uint8Array {
    const block = this.#source === null ? [] : this.#block(this.#source, options.nowMs);
    const name = new TextEncoder().encode(options.name);
    const descriptionWords = 2 + Math.ceil((2 + name.length + 1) / 4);
    const words = 2 + block.length;
    const bytes = new Uint8Array((words + descriptionWords) * 4);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0x80c90000 | ((block.length > 0 ? 1 : 0) << 24) | (words - 1));
    view.setUint32(4, options.ownSource);
    block.forEach((word, index) => {
      view.setUint32(8 + index * 4, word >>> 0);
    });
    const description = words * 4;
    view.setUint32(description, 0x81ca0000 | (descriptionWords - 1));
    view.setUint32(description + 4, options.ownSource);
    bytes.set([1, name.length, ...name], description + 8);
    return bytes;
  }

  #begin(source: number, sequenceNumber: number): void {
    this.#source = source;
    this.#firstSequence = sequenceNumber;
    this.#highestSequence = sequenceNumber;
    this.#receivedCount = 0;
    this.#reportedExpected = 0;
    this.#reportedReceived = 0;
    this.#transit = null;
    this.#jitterTicks = 0;
  }

  #block(source: number, nowMs: number): readonly number[] {
    const expected = this.expectedCount - this.#reportedExpected;
    const received = this.#receivedCount - this.#reportedReceived;
    this.#reportedExpected = this.expectedCount;
    this.#reportedReceived = this.#receivedCount;
    const lost = Math.max(0, expected - received);
    const fraction = expected === 0 ? 0 : Math.min(255, Math.floor((lost * 256) / expected));
    const last = this.#lastReport;
    return [
      source,
      fraction * 0x1000000 + Math.min(LOST_MAX, this.lostCount),
      this.#highestSequence % 2 ** 32,
      Math.floor(this.#jitterTicks),
      last?.middleOfNtp ?? 0,
      last === null ? 0 : Math.max(0, Math.round(((nowMs - last.arrivalMs) * 65_536) / 1000)),
    ];
  }
}
