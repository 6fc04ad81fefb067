/**
 * Reads bits, most significant first. Past the end it yields zeros and `overrun` is true, so that a parser checks once
 * at its end instead of at every field.
 */
export class BitReader {
  readonly #bytes: Uint8Array;
  #bitPosition = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get overrun(): boolean {
    return this.#bitPosition > this.#bytes.length * 8;
  }

  get bitsLeft(): number {
    return Math.max(0, this.#bytes.length * 8 - this.#bitPosition);
  }

  bit(): number {
    const byte = this.#bytes[this.#bitPosition >> 3] ?? 0;
    const value = (byte >> (7 - (this.#bitPosition & 7))) & 1;
    this.#bitPosition += 1;
    return value;
  }

  /** `count` at most 32. */
  bits(count: number): number {
    let value = 0;
    for (let index = 0; index < count; index += 1) value = value * 2 + this.bit();
    return value;
  }

  skip(count: number): void {
    this.#bitPosition += count;
  }

  /** ue(v), ITU-T H.264 §9.1. */
  unsignedExpGolomb(): number {
    let zeros = 0;
    while (zeros < 32 && !this.overrun && this.bit() === 0) zeros += 1;
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** se(v), ITU-T H.264 §9.1.1. */
  signedExpGolomb(): number {
    const code = this.unsignedExpGolomb();
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2;
  }
}
