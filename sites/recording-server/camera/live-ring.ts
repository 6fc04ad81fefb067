import { type Fragment, fragmentByteLength, type InitSegment, type LiveReduction } from '@holdfast/core';

/** For cameras whose key frames are minutes apart: half a minute of pictures is all that is kept for anybody. */
export const LIVE_FRAGMENTS_MAX = 900;
/** Ten seconds at 25 Mbit/s, for one camera and all its viewers. */
export const LIVE_RING_BYTES_MAX = 32 * 1024 * 1024;

export interface LiveEntry {
  readonly init: InitSegment;
  readonly fragment: Fragment;
  /** Why what lay between this and the picture before did not even come as far as here; null: nothing did. */
  readonly reducedBecause: LiveReduction | null;
  /** By a clock that never steps. */
  readonly arrivedAtMs: number;
}

/**
 * The newest pictures of one device, numbered, once for all consumers: at least those since the newest key frame, at most
 * `LIVE_FRAGMENTS_MAX` and `LIVE_RING_BYTES_MAX`.
 */
export class LiveRing {
  #entries: { readonly entry: LiveEntry; readonly byteLength: number; leased: boolean }[] = [];
  #first = 0;
  #groupFrom: number | null = null;
  #byteLength = 0;

  /** The number of the oldest picture. */
  get first(): number {
    return this.#first;
  }

  /** The number that the next picture gets. */
  get end(): number {
    return this.#first + this.#entries.length;
  }

  /** The number of the newest key frame. Null: there is none, and nothing can be decoded. */
  get groupFrom(): number | null {
    return this.#groupFrom;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  at(number: number): LiveEntry | undefined {
    return this.#entries[number - this.#first]?.entry;
  }

  /**
   * False: no consumer can use it, because no key frame is there or too much came since; it is released. With `keep` its bytes
   * stay, whenever they are read: one copy for all.
   */
  push(entry: LiveEntry, { keep }: { readonly keep: boolean }): boolean {
    const { fragment } = entry;
    const byteLength = fragmentByteLength(fragment);
    if (fragment.beginsWithKeyFrame) this.#groupFrom = this.end;
    this.#makeRoom(byteLength);
    if (this.#groupFrom === null) {
      fragment.release?.();
      return false;
    }
    const kept = { entry, byteLength, leased: true };
    if (keep) keepBytes(kept);
    this.#entries.push(kept);
    this.#byteLength += byteLength;
    return true;
  }

  /** What was pushed without `keep` stays too, however late its bytes are read. */
  keepAll(): void {
    for (const kept of this.#entries) keepBytes(kept);
  }

  /** Forgets what lies before that number, but nothing since the newest key frame. */
  dropBefore(number: number): void {
    const to = Math.min(number, this.#groupFrom ?? this.end);
    const dropped = this.#entries.splice(0, Math.max(0, to - this.#first));
    this.#first += dropped.length;
    for (const kept of dropped) {
      this.#byteLength -= kept.byteLength;
      release(kept);
    }
  }

  clear(): void {
    this.#groupFrom = null;
    this.dropBefore(this.end);
  }

  #makeRoom(byteLength: number): void {
    const isFull = () =>
      this.#entries.length >= LIVE_FRAGMENTS_MAX || this.#byteLength + byteLength > LIVE_RING_BYTES_MAX;
    if (isFull()) this.dropBefore(this.end);
    // Still full: the group that is going on has no end. Nobody gets half of it.
    if (isFull() && this.#groupFrom !== this.end) this.clear();
  }
}

/** A consumer reads when it likes, so what it gets has bytes of its own, and the camera's memory is free again. */
function keepBytes(kept: { readonly entry: LiveEntry; leased: boolean }): void {
  if (!kept.leased) return;
  void kept.entry.fragment.bytes;
  release(kept);
}

function release(kept: { readonly entry: LiveEntry; leased: boolean }): void {
  if (kept.leased) kept.entry.fragment.release?.();
  kept.leased = false;
}
