import { type LiveReduction, MediaRefusedError } from '@holdfast/core';
import type { LiveEntry, LiveRing } from './live-ring.js';
import type { LiveViewers } from './live-viewers.js';

/** A consumer that is further behind at a key frame gets key frames only from there on: live means now. */
export const LIVE_LAG_MS_MAX = 3_000;
/** Who has kept up with the key frames for so long gets all pictures again; twice as long after each relapse. */
export const LIVE_RECOVERY_MS = { least: 10_000, most: 60_000 };

/** One consumer's place in the ring: a number, whatever the consumer does. */
export class LiveConsumer {
  readonly #ring: LiveRing;
  readonly #viewers: LiveViewers;
  readonly #monotonicMs: () => number;
  #next: number;
  #isSlow = false;
  /** While slow: since when it has taken every key frame before the next came. */
  #keptUpSinceMs = 0;
  #recoveryMs = LIVE_RECOVERY_MS.least;
  #recoveredAtMs = Number.NEGATIVE_INFINITY;
  /** All that it may have was taken, so nothing of it is still being sent. */
  #hasAll = false;
  #wake: (() => void) | null = null;
  #closed = false;

  constructor(options: {
    readonly ring: LiveRing;
    readonly viewers: LiveViewers;
    readonly monotonicMs: () => number;
  }) {
    ({ ring: this.#ring, viewers: this.#viewers, monotonicMs: this.#monotonicMs } = options);
    this.#next = this.#ring.groupFrom ?? this.#ring.end;
  }

  /** Null: it gets all pictures. */
  get reducedBecause(): LiveReduction | null {
    if (this.#viewers.shedding === 'KEY_FRAMES') return 'OVERLOAD';
    return this.#isSlow ? 'SLOW_VIEWER' : null;
  }

  /** The oldest number that it still needs. */
  get needs(): number {
    return this.reducedBecause === null ? this.#next : Number.POSITIVE_INFINITY;
  }

  /** A picture has come; a key frame is where it is decided what the consumer gets from there on. */
  onPushed({ fragment }: LiveEntry): void {
    if (fragment.beginsWithKeyFrame) {
      if (this.#isSlow) this.#recover();
      // What overload withholds is not a lag.
      else if (this.reducedBecause === null) this.#reduceIfBehind();
    }
    this.wake();
  }

  /** Null: the fan-out or the consumer's signal has ended. Throws `MediaRefusedError` when viewers are shed. */
  async next(): Promise<LiveEntry | null> {
    for (;;) {
      if (this.#closed) return null;
      if (this.#viewers.shedding === 'CLOSED') throw shedError();
      const entry = this.#take();
      this.#hasAll = entry === undefined;
      if (entry !== undefined) return entry;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#closed = true;
    this.wake();
  }

  wake(): void {
    this.#wake?.();
    this.#wake = null;
  }

  #take(): LiveEntry | undefined {
    const { groupFrom, first } = this.#ring;
    if (this.reducedBecause !== null || this.#next < first) {
      if (groupFrom === null || groupFrom < this.#next) return undefined;
      this.#next = groupFrom;
    }
    const entry = this.#ring.at(this.#next);
    if (entry !== undefined) this.#next += 1;
    return entry;
  }

  #reduceIfBehind(): void {
    const waitsFor = this.#ring.at(Math.max(this.#next, this.#ring.first));
    const nowMs = this.#monotonicMs();
    if (waitsFor === undefined || nowMs - waitsFor.arrivedAtMs <= LIVE_LAG_MS_MAX) return;
    const relapsed = nowMs - this.#recoveredAtMs < LIVE_RECOVERY_MS.most;
    this.#recoveryMs = relapsed
      ? Math.min(this.#recoveryMs * 2, LIVE_RECOVERY_MS.most)
      : LIVE_RECOVERY_MS.least;
    this.#isSlow = true;
    this.#keptUpSinceMs = nowMs;
    this.#viewers.reductionCount += 1;
  }

  #recover(): void {
    const nowMs = this.#monotonicMs();
    if (!this.#hasAll) this.#keptUpSinceMs = nowMs;
    if (nowMs - this.#keptUpSinceMs < this.#recoveryMs) return;
    this.#isSlow = false;
    this.#recoveredAtMs = nowMs;
  }
}

export function shedError(): MediaRefusedError {
  return new MediaRefusedError('SOURCE_BUSY', 'the server is overloaded, and recordings go first');
}
