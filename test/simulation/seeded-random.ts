/** Random numbers that are the same for the same seed (mulberry32). Never for secrets. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 0 (inclusive) to 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to `limit` − 1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  between(min: number, max: number): number {
    return min + this.next() * (max - min);
  }

  /** True so often. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  /** A version-7-shaped UUID: not sortable by time, and the same for the same seed. */
  uuid(): string {
    const [first, second, third, fourth] = [this.#word(), this.#word(), this.#word(), this.#word()];
    return `${first}-${second.slice(0, 4)}-7${second.slice(5)}-8${third.slice(1, 4)}-${third.slice(4)}${fourth}`;
  }

  /** Eight hexadecimal digits. */
  #word(): string {
    return this.below(2 ** 32)
      .toString(16)
      .padStart(8, '0');
  }
}
