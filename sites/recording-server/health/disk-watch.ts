/** A disk that needs longer than this for one write of a group of pictures cannot record many cameras for long. */
export const SLOW_WRITE_MS = 500;
/** So many last writes are looked at: one that is slow is a disk that does something else for a moment. */
export const WRITES_WATCHED = 32;
const SLOW_WRITES = WRITES_WATCHED / 2;
const FAST_AGAIN_WRITES = WRITES_WATCHED / 8;

/** Whether the disk of the recordings is slow: told from how long it takes until a group of pictures is durable. */
export class DiskWatch {
  readonly #writeMs: number[] = [];
  #isSlow = false;

  get isSlow(): boolean {
    return this.#isSlow;
  }

  /** The middle one of the last writes; 0 before the first. */
  get medianMs(): number {
    const sorted = this.#writeMs.toSorted((one, other) => one - other);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  }

  /** Says what the disk has become by this write. Null: it is as it was. */
  wrote(durationMs: number): 'SLOW' | 'FAST_AGAIN' | null {
    this.#writeMs.push(durationMs);
    if (this.#writeMs.length > WRITES_WATCHED) this.#writeMs.shift();
    const slow = this.#writeMs.filter(writeMs => writeMs > SLOW_WRITE_MS).length;
    if (!this.#isSlow && slow >= SLOW_WRITES) {
      this.#isSlow = true;
      return 'SLOW';
    }
    if (this.#isSlow && slow <= FAST_AGAIN_WRITES) {
      this.#isSlow = false;
      return 'FAST_AGAIN';
    }
    return null;
  }
}
