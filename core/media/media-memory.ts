/**
 * A group of pictures is some of these, and what its writing takes longer than the next group's beginning is at most
 * one more; small enough that a camera keeps little that it does not need.
 */
const BLOCK_BYTE_LENGTH = 128 * 1024;
/** So much is kept for being used again: a group of a fast camera, 4 MiB. What a slow disk piled up beyond it is let go. */
const IDLE_BLOCKS_MAX = 32;
/** The head of a unit is looked at in one piece. */
const UNIT_BEGINNING_BYTES = 64;
const LENGTH_BYTES = 4;

/** What was copied, and the lease on the memory that it lies in. */
export interface LeasedParts {
  /** They follow one another. */
  readonly parts: readonly Uint8Array[];
  readonly lease: MediaLease;
}

/**
 * Says how long bytes in a `MediaMemory` stay what they are: until every holder has released them. A lease that nobody
 * releases, because what it belongs to was dropped on the way, costs its memory to the garbage collector and nothing else.
 */
export class MediaLease {
  readonly #blocks: readonly MemoryBlock[];
  #holderCount = 1;

  /** @internal */
  constructor(blocks: readonly MemoryBlock[]) {
    this.#blocks = blocks;
  }

  get isReleased(): boolean {
    return this.#holderCount === 0;
  }

  /** One more holder, who has to release it too. */
  hold(): void {
    if (this.#holderCount === 0) throw new MediaReleasedError('a lease is held that was released');
    this.#holderCount += 1;
  }

  release(): void {
    if (this.#holderCount === 0)
      throw new MediaReleasedError('a lease is released more often than it was held');
    this.#holderCount -= 1;
    if (this.#holderCount === 0) for (const block of this.#blocks) block.release();
  }
}

export class MediaReleasedError extends Error {
  override readonly name = 'MediaReleasedError';
  readonly code = 'MEDIA_RELEASED';
}

class MemoryBlock {
  readonly bytes: Uint8Array;
  readonly #idle: MemoryBlock[];
  #holderCount = 0;

  constructor(byteLength: number, idle: MemoryBlock[]) {
    this.bytes = new Uint8Array(byteLength);
    this.#idle = idle;
  }

  hold(): void {
    this.#holderCount += 1;
  }

  release(): void {
    this.#holderCount -= 1;
    if (this.#holderCount === 0 && this.#idle.length < IDLE_BLOCKS_MAX) this.#idle.push(this);
  }
}

/** What an access unit has filled of a block. */
interface Filled {
  readonly block: MemoryBlock;
  readonly start: number;
  readonly end: number;
}

/**
 * The memory of one track of one connection. What a socket reads is copied here once, access unit behind access unit, and
 * stays where it is until it is written and no viewer can ask for it; then its block is filled again. The copy is cheap.
 * To have a garbage collector find that out is not: memory beside the heap makes it mark the whole heap every few
 * megabytes, which would be a third of what recording costs.
 */
export class MediaMemory {
  readonly #blockByteLength: number;
  readonly #idle: MemoryBlock[] = [];
  #block: MemoryBlock;
  #used = 0;
  /** Where the open access unit begins in the block. */
  #start = 0;
  /** The blocks that the open access unit has filled before this one; each held once for it. */
  #filled: Filled[] = [];
  #unitStart = 0;
  #unitFilledCount = 0;

  constructor(blockByteLength = BLOCK_BYTE_LENGTH) {
    this.#blockByteLength = blockByteLength;
    this.#block = this.#take();
  }

  /** A NAL unit begins: four bytes are left for its length. */
  beginUnit(): void {
    if (this.#blockByteLength - this.#used < UNIT_BEGINNING_BYTES) this.#nextBlock();
    this.#unitStart = this.#used;
    this.#unitFilledCount = this.#filled.length;
    this.#used += LENGTH_BYTES;
  }

  append(bytes: Uint8Array, start: number, end: number): void {
    for (let from = start; from < end; ) {
      if (this.#used === this.#blockByteLength) this.#nextBlock();
      const to = Math.min(end, from + this.#blockByteLength - this.#used);
      this.#block.bytes.set(bytes.subarray(from, to), this.#used);
      this.#used += to - from;
      from = to;
    }
  }

  /** The first bytes of the open unit, as many as lie in one piece, without its length. */
  unitBeginning(): Uint8Array {
    const { block, end } = this.#filled[this.#unitFilledCount] ?? { block: this.#block, end: this.#used };
    return block.bytes.subarray(this.#unitStart + LENGTH_BYTES, end);
  }

  /** Writes the length before the open unit. */
  endUnit(byteLength: number): void {
    const { bytes } = this.#filled[this.#unitFilledCount]?.block ?? this.#block;
    bytes[this.#unitStart] = byteLength >>> 24;
    bytes[this.#unitStart + 1] = (byteLength >>> 16) & 0xff;
    bytes[this.#unitStart + 2] = (byteLength >>> 8) & 0xff;
    bytes[this.#unitStart + 3] = byteLength & 0xff;
  }

  /** Takes the open unit back, and returns a copy of it without its length. */
  takeUnit(): Uint8Array {
    const parts = [...this.#filled, this.#current()].slice(this.#unitFilledCount);
    const unit = concatenated(
      parts.map(({ block, start, end }, index) =>
        block.bytes.subarray(index === 0 ? this.#unitStart + LENGTH_BYTES : start, end),
      ),
    );
    this.cancelUnit();
    return unit;
  }

  /** As if the open unit had never been. */
  cancelUnit(): void {
    this.#backTo(this.#unitFilledCount);
    this.#used = this.#unitStart;
  }

  /** The open access unit is complete. */
  finish(): LeasedParts {
    const filled = [...this.#filled, this.#current()];
    this.#block.hold();
    this.#filled = [];
    this.#start = this.#used;
    return {
      parts: filled.map(({ block, start, end }) => block.bytes.subarray(start, end)),
      lease: new MediaLease(filled.map(({ block }) => block)),
    };
  }

  /** The open access unit is given up: nobody has seen it, its memory is filled anew. */
  drop(): void {
    this.#backTo(0);
    this.#used = this.#start;
  }

  /** An access unit that is there already, in one piece. `null`: it is too large. */
  copy(bytes: Uint8Array, start: number, end: number): LeasedParts | null {
    if (end - start > this.#blockByteLength) return null;
    if (end - start > this.#blockByteLength - this.#used) this.#nextBlock();
    this.append(bytes, start, end);
    return this.finish();
  }

  #current(): Filled {
    return { block: this.#block, start: this.#start, end: this.#used };
  }

  #nextBlock(): void {
    if (this.#used > this.#start) this.#filled.push(this.#current());
    else this.#block.release();
    this.#block = this.#take();
    this.#start = 0;
    this.#used = 0;
  }

  #backTo(filledCount: number): void {
    while (this.#filled.length > filledCount) {
      this.#block.release();
      const { block, start } = this.#filled.pop()!;
      this.#block = block;
      this.#start = start;
    }
  }

  #take(): MemoryBlock {
    const block = this.#idle.pop() ?? new MemoryBlock(this.#blockByteLength, this.#idle);
    block.hold();
    return block;
  }
}

export function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** A copy of a part of bytes that are read into again. `slice` of a Node `Buffer` would be the same memory. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return Uint8Array.from(bytes.subarray(start, end));
}
