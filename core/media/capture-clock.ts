import type { TimeSource } from '@holdfast/schema';
import { RtpTimestampUnwrapper, type SenderReport } from './rtp-packet.js';

/**
 * How long the first access units are held for a sender report, so that they need not be moved afterwards. By RFC 3550 §6.2
 * and §6.3.1 the first one comes after 2.5 s × [0.5, 1.5] / 1.22 at the latest.
 */
const SENDER_REPORT_WAIT_MS = 3200;
/** So much of the fastest camera we record: 40 Mbit/s. */
const HELD_BYTES_MAX = 16 * 1024 * 1024;
const HELD_UNITS_MAX = 1024;
/** A jump is larger than this; a correction is not. */
export const CLOCK_STEP_MS = 1000;
/**
 * A camera whose clock differs more from ours is not synchronised with anything we know: arrival is then closer to the
 * truth. One that has been trusted is let go a step later, so that one at the bound does not change sides all the time.
 */
const SENDER_REPORT_TRUST_MS = 2000;
const SENDER_REPORT_DISTRUST_MS = SENDER_REPORT_TRUST_MS + CLOCK_STEP_MS;
/** Crystals drift by less than 100 ppm; ten times that catches up with every one and is invisible. */
const SLEW_PER_TICK = 1 / 1000;
/** Below it a difference is jitter of the camera's clock reading, and spacing stays exact. */
const SLEW_FROM_MS = 10;
/** The quickest packet of so long a time shows the transport's delay without its jitter. */
const DELAY_WINDOW_MS = 30_000;

export interface TimedUnit {
  readonly rtpTimestamp: number;
  readonly arrivalMs: number;
  readonly byteLength: number;
  /** A run may begin with it: a key frame, any audio. */
  readonly mayBeginRun: boolean;
}

export interface CaptureTime {
  /** Decoding order: strictly increasing within a run. Ticks since the Unix epoch. */
  readonly ticks: number;
  /** Presentation minus decoding time in ticks. Zero unless the camera sends pictures out of order (B-frames). */
  readonly compositionOffsetTicks: number;
  readonly timeSource: TimeSource;
  /** True: a clock was stepped between the unit before and this one. A new run begins with it. */
  readonly stepped: boolean;
}

/**
 * Gives the units of one RTP stream their capture time.
 *
 * Within a run, time advances with the RTP timestamps: their spacing is the camera's own and exact. Where the line lies on the
 * wall clock comes from RTCP sender reports (RFC 3550 §6.4.1), or, when there are none or the camera's clock is not to be
 * believed, from the quickest arrivals. Small differences are worked off slowly; a jump of more than `CLOCK_STEP_MS` of
 * either the RTP timestamps, the camera's wall clock or our own ends the run.
 */
export class CaptureClock<Unit extends TimedUnit> {
  readonly #ticksPerMs: number;
  readonly #emit: (unit: Unit, time: CaptureTime) => void;
  #timestamps = new RtpTimestampUnwrapper();
  #held: { readonly unit: Unit; readonly extended: number }[] = [];
  #heldByteLength = 0;
  #offset: number | null = null;
  #target = 0;
  #slewing = false;
  #timeSource: TimeSource = 'ARRIVAL';
  #stepped = false;
  #stepPending = false;
  #lastExtended: number | null = null;
  #lastTicks = Number.NEGATIVE_INFINITY;
  /** Smallest (arrival − RTP) in ticks of the last whole window and of the current one. */
  #delay: number | null = null;
  #windowDelay = Number.POSITIVE_INFINITY;
  #windowBeganMs = 0;
  #lastDelay = 0;
  #earlyReport: { readonly report: SenderReport; readonly arrivalMs: number } | null = null;
  /** Camera's wall clock minus arrival, in ticks, as last known: carries a run without sender reports over a step. */
  #cameraLead = 0;

  constructor(options: {
    readonly timescale: number;
    readonly emit: (unit: Unit, time: CaptureTime) => void;
  }) {
    this.#ticksPerMs = options.timescale / 1000;
    this.#emit = options.emit;
  }

  push(unit: Unit): void {
    const extended = this.#timestamps.unwrap(unit.rtpTimestamp);
    const delay = Math.round(unit.arrivalMs * this.#ticksPerMs) - extended;
    if (this.#hasJumped(extended, delay)) {
      this.#beginAgain();
      this.push(unit);
      return;
    }
    this.#watchDelay(delay, unit.arrivalMs);
    this.#lastExtended = extended;
    this.#lastDelay = delay;
    if (this.#earlyReport !== null) this.#useEarlyReport(this.#earlyReport);
    if (this.#offset === null) this.#hold(unit, extended);
    else this.#stamp(unit, extended);
  }

  senderReport(report: SenderReport, arrivalMs: number): void {
    if (this.#lastExtended === null) {
      this.#earlyReport = { report, arrivalMs };
      return;
    }
    if (report.wallMs === null) {
      this.#distrust();
      return;
    }
    const leadMs = report.wallMs - arrivalMs;
    const target = Math.round(report.wallMs * this.#ticksPerMs) - this.#timestamps.peek(report.rtpTimestamp);
    // The report must agree with the media too: some cameras begin with one whose RTP timestamp is of no stream.
    const mediaLeadMs = (target - this.#quickest()) / this.#ticksPerMs;
    const boundMs = this.#timeSource === 'SENDER_REPORT' ? SENDER_REPORT_DISTRUST_MS : SENDER_REPORT_TRUST_MS;
    if (Math.abs(leadMs) >= boundMs || Math.abs(mediaLeadMs) >= SENDER_REPORT_DISTRUST_MS) {
      this.#distrust();
      return;
    }
    this.#cameraLead = leadMs * this.#ticksPerMs;
    this.#timeSource = 'SENDER_REPORT';
    this.#aim(target);
  }

  /** Hands out what is still held, e.g. because the connection has ended. */
  flush(): void {
    if (this.#offset === null && this.#held.length > 0) this.#settle();
  }

  #quickest(): number {
    return Math.min(this.#delay ?? Number.POSITIVE_INFINITY, this.#windowDelay);
  }

  #hasJumped(extended: number, delay: number): boolean {
    if (this.#lastExtended === null) return false;
    const step = CLOCK_STEP_MS * this.#ticksPerMs;
    if (extended < this.#lastExtended - step) return true;
    // Forwards: at once, and ahead of the quickest packet yet. A burst after a stall is neither, or only one of the two.
    return delay < this.#lastDelay - step && delay < this.#quickest() - step;
  }

  #beginAgain(): void {
    this.flush();
    this.#timestamps = new RtpTimestampUnwrapper();
    this.#lastExtended = null;
    this.#offset = null;
    this.#slewing = false;
    this.#stepPending = false;
    this.#timeSource = 'ARRIVAL';
    this.#stepped = true;
    this.#delay = null;
    this.#earlyReport = null;
    this.#windowDelay = Number.POSITIVE_INFINITY;
  }

  #watchDelay(delay: number, arrivalMs: number): void {
    if (this.#windowDelay === Number.POSITIVE_INFINITY) this.#windowBeganMs = arrivalMs;
    this.#windowDelay = Math.min(this.#windowDelay, delay);
    if (arrivalMs - this.#windowBeganMs < DELAY_WINDOW_MS) return;
    this.#delay = this.#windowDelay;
    this.#windowDelay = delay;
    this.#windowBeganMs = arrivalMs;
    if (this.#timeSource === 'ARRIVAL' && this.#offset !== null) this.#aim(this.#delay + this.#cameraLead);
  }

  #useEarlyReport(early: { readonly report: SenderReport; readonly arrivalMs: number }): void {
    this.#earlyReport = null;
    this.senderReport(early.report, early.arrivalMs);
  }

  #hold(unit: Unit, extended: number): void {
    this.#held.push({ unit, extended });
    this.#heldByteLength += unit.byteLength;
    const waitedMs = unit.arrivalMs - this.#held[0]!.unit.arrivalMs;
    if (
      waitedMs >= SENDER_REPORT_WAIT_MS ||
      waitedMs < 0 ||
      this.#heldByteLength >= HELD_BYTES_MAX ||
      this.#held.length >= HELD_UNITS_MAX
    )
      this.#settle();
  }

  /** Without a sender report: the quickest of the held units tells where the line lies; the others are back-dated. */
  #settle(): void {
    this.#place(Math.round(this.#quickest() + this.#cameraLead));
  }

  #place(offset: number): void {
    this.#offset = offset;
    this.#target = offset;
    this.#slewing = false;
    const held = this.#held;
    this.#held = [];
    this.#heldByteLength = 0;
    for (const { unit, extended } of held) this.#stamp(unit, extended);
  }

  #aim(target: number): void {
    const rounded = Math.round(target);
    if (this.#offset === null) {
      this.#place(rounded);
      return;
    }
    const difference = Math.abs(rounded - this.#offset);
    this.#target = rounded;
    this.#stepPending = difference > CLOCK_STEP_MS * this.#ticksPerMs;
    if (this.#stepPending) this.#slewing = false;
    else if (difference > SLEW_FROM_MS * this.#ticksPerMs) this.#slewing = true;
  }

  #distrust(): void {
    this.#cameraLead = 0;
    const trustedBefore = this.#timeSource === 'SENDER_REPORT';
    this.#timeSource = 'ARRIVAL';
    // Waiting longer for a camera without a usable clock would delay its pictures for nothing.
    if (this.#offset === null) this.flush();
    else if (trustedBefore) this.#aim(this.#quickest());
  }

  #stamp(unit: Unit, extended: number): void {
    // The rest of a group of pictures stays on the old line: without its key frame it could not be played on the new one.
    if (this.#stepPending && unit.mayBeginRun) {
      this.#stepPending = false;
      this.#stepped = true;
      this.#offset = this.#target;
    }
    if (this.#stepped) this.#lastTicks = Number.NEGATIVE_INFINITY;
    else if (this.#slewing) this.#slew(extended + this.#offset! - this.#lastTicks);
    const presentation = extended + this.#offset!;
    const ticks = Math.max(presentation, this.#lastTicks + 1);
    this.#lastTicks = ticks;
    const stepped = this.#stepped;
    this.#stepped = false;
    const settled = !(this.#slewing || this.#stepPending) || this.#timeSource === 'ARRIVAL';
    this.#emit(unit, {
      ticks,
      compositionOffsetTicks: presentation - ticks,
      timeSource: settled ? this.#timeSource : 'ARRIVAL',
      stepped,
    });
  }

  #slew(elapsedTicks: number): void {
    const error = this.#target - this.#offset!;
    const most = Math.max(1, Math.floor(Math.max(0, elapsedTicks) * SLEW_PER_TICK));
    this.#offset = this.#offset! + Math.max(-most, Math.min(most, error));
    if (this.#offset === this.#target) this.#slewing = false;
  }
}
