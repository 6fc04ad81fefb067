/** A group of pictures that waits for the disk so long: the queue holds half a minute, so there is time to help. */
export const WRITE_QUEUE_MS_MAX = 5_000;
/** Everything in the process is so late: recordings of a second later may be lost in sockets. */
export const EVENT_LOOP_MS_MAX = 1_000;
/** In a row: one late second is a garbage collection, or a disk that does something else. */
const LATE_SAMPLES = 5;
const CALM_SAMPLES = 30;

export interface LoadSample {
  readonly writeQueueMs: number;
  readonly eventLoopMs: number;
}

export type OverloadCause = 'WRITE_QUEUE' | 'EVENT_LOOP';

/** Whether a recording server keeps up, told from a sample a second. */
export class OverloadWatch {
  #late = 0;
  #calm = 0;
  #isOverloaded = false;

  get isOverloaded(): boolean {
    return this.#isOverloaded;
  }

  /** Overloaded, and no better for twice as long as it took to say so. */
  get isStillLate(): boolean {
    return this.#isOverloaded && this.#late >= 2 * LATE_SAMPLES;
  }

  /** Says what this sample has made of it. Null: it is as it was. */
  sample(load: LoadSample): { readonly overloaded: OverloadCause } | 'ENDED' | null {
    const cause = lateBy(load);
    this.#late = cause === null ? 0 : this.#late + 1;
    this.#calm = cause === null ? this.#calm + 1 : 0;
    if (!this.#isOverloaded && cause !== null && this.#late >= LATE_SAMPLES) {
      this.#isOverloaded = true;
      return { overloaded: cause };
    }
    if (this.#isOverloaded && this.#calm >= CALM_SAMPLES) {
      this.#isOverloaded = false;
      return 'ENDED';
    }
    return null;
  }
}

function lateBy({ writeQueueMs, eventLoopMs }: LoadSample): OverloadCause | null {
  if (writeQueueMs > WRITE_QUEUE_MS_MAX) return 'WRITE_QUEUE';
  return eventLoopMs > EVENT_LOOP_MS_MAX ? 'EVENT_LOOP' : null;
}
