import { type Fragment, fragmentByteLength } from '@holdfast/core';
import { PRE_BUFFER_MEMORY_MS_MAX } from '@holdfast/schema';
import { PRE_BUFFER_DISK_BYTES_MAX, type PreBufferFiles, type StoredGroup } from './pre-buffer-files.js';

/** 15 s of a camera of 16 Mbit/s. What a faster one sends goes to the disk sooner. */
export const PRE_BUFFER_BYTES_MAX = 32 * 1024 * 1024;

export interface PreBufferOptions {
  /** What memory holds at most. */
  readonly byteLengthMax?: number;
  readonly memoryMsMax?: number;
  readonly diskBytesMax?: number;
  /** Where what leaves memory goes. Left out: it is let go of. */
  readonly filesOf?: (onGivenUp: () => void) => PreBufferFiles;
}

/** A group in memory, on its way to the disk (`writing`), or on it (`stored`). */
interface HeldGroup {
  /** In the order of arrival, without end: what a claim is by. */
  readonly number: number;
  readonly facts: Omit<Fragment, 'bytes' | 'pieces' | 'release' | 'byteLength'>;
  readonly byteLength: number;
  readonly span: { readonly fromMs: number; readonly toMs: number };
  group: Fragment | null;
  writing: Promise<void> | null;
  stored: StoredGroup | null;
}

/**
 * Whole groups of pictures of one device in the order in which they came: first those that triggers have claimed, which are waiting
 * to be recorded, then those of the time in which nothing wants it recorded, so that a trigger has what came before it. The newest
 * are held as they lie in memory, whose leases are released when they leave; nothing is copied. Older ones are on the disk, where
 * there is one. What no trigger has claimed always begins with a key frame.
 */
export class PreBuffer implements AsyncDisposable {
  readonly #byteLengthMax: number;
  readonly #memoryMsMax: number;
  readonly #diskBytesMax: number;
  readonly #files: PreBufferFiles | null;
  #held: HeldGroup[] = [];
  /** So many of the first were given to the disk. */
  #spilledCount = 0;
  /** Of those that were not. */
  #byteLength = 0;
  #lastNumber = 0;
  #claimedNumber = 0;
  #lostCount = 0;

  constructor(options: PreBufferOptions = {}) {
    this.#byteLengthMax = options.byteLengthMax ?? PRE_BUFFER_BYTES_MAX;
    this.#memoryMsMax = options.memoryMsMax ?? PRE_BUFFER_MEMORY_MS_MAX;
    this.#diskBytesMax = options.diskBytesMax ?? PRE_BUFFER_DISK_BYTES_MAX;
    this.#files = options.filesOf?.(() => this.#forgetSpilled()) ?? null;
  }

  /** In memory. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** How many groups were claimed and then lost, since the start: by a disk, or because there was no room for them. */
  get lostCount(): number {
    return this.#lostCount;
  }

  /** Of what is not claimed, by the time of arrival. Null: there is nothing. */
  get span(): { readonly fromMs: number; readonly toMs: number } | null {
    const first = this.#held[this.#claimedCount];
    return first ? { fromMs: first.span.fromMs, toMs: this.#held.at(-1)!.span.toMs } : null;
  }

  /** The group is the buffer's from now on. The last `keepMs` stay, and the group that they begin in. */
  push(group: Fragment, keepMs: number): void {
    this.#add(group);
    const keepFromMs = this.#held.at(-1)!.span.toMs - keepMs;
    const first = this.#claimedCount;
    let old = first;
    while (old < this.#held.length - 1 && this.#held[old]!.span.toMs <= keepFromMs) old += 1;
    this.#removeFrom(first, old - first);
    this.#spill();
    this.#beginWithKeyFrame();
  }

  /** As one that a trigger has claimed. Answers its number. */
  pushClaimed(group: Fragment): number {
    this.#add(group);
    this.#claimedNumber = this.#lastNumber;
    this.#spill();
    return this.#lastNumber;
  }

  /** Whether what this time is shown from begins in memory, and nothing is claimed before it: `takeFrom` has all of it. */
  isInMemory(fromMs: number): boolean {
    return this.#claimedCount === 0 && this.#firstShowing(fromMs) >= this.#spilledCount;
  }

  /** Everything from the key frame that this time is shown from; the caller's from now on. What is older is released. */
  takeFrom(fromMs: number): readonly Fragment[] {
    const taken = this.#held.splice(this.#firstShowing(fromMs));
    for (const { byteLength } of taken) this.#byteLength -= byteLength;
    this.clear();
    return taken.map(({ group }) => group!);
  }

  /** As `takeFrom`, but it stays here until it is taken by `shift`. Answers the number of the last one. */
  claimFrom(fromMs: number): number {
    const first = this.#claimedCount;
    this.#removeFrom(first, this.#firstShowing(fromMs) - first);
    this.#claimedNumber = this.#lastNumber;
    return this.#lastNumber;
  }

  /** Whether the first of all is one of those up to this number. */
  holdsUpTo(number: number): boolean {
    return this.#held.length > 0 && this.#held[0]!.number <= number;
  }

  /** Takes the first of all. Null: it was lost. One `shift` at a time. */
  async shift(): Promise<Fragment | null> {
    const first = this.#held[0];
    if (first === undefined) return null;
    if (first.writing !== null) await first.writing;
    if (this.#held[0] !== first) return null;
    this.#held.shift();
    if (this.#spilledCount === 0) this.#byteLength -= first.byteLength;
    else this.#spilledCount -= 1;
    if (first.stored === null) return first.group;
    try {
      return { ...first.facts, bytes: await this.#files!.read(first.stored) };
    } catch {
      this.#lostCount += 1;
      return null;
    } finally {
      this.#files!.forget(first.stored);
    }
  }

  /** What is not claimed. */
  clear(): void {
    this.#removeFrom(this.#claimedCount, this.#held.length);
  }

  /** What is claimed as well. Answers how many groups that were. */
  clearAll(): number {
    const claimedCount = this.#claimedCount;
    this.#removeFrom(0, this.#held.length);
    return claimedCount;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.clearAll();
    await this.#files?.close();
  }

  get #claimedCount(): number {
    if (!this.holdsUpTo(this.#claimedNumber)) return 0;
    const count = this.#held.findIndex(({ number }) => number > this.#claimedNumber);
    return count === -1 ? this.#held.length : count;
  }

  #add(group: Fragment): void {
    const { fromMs, toMs, arrivalMs, timeSource, beginsWithKeyFrame } = group;
    const facts = { fromMs, toMs, arrivalMs, timeSource, beginsWithKeyFrame };
    const byteLength = fragmentByteLength(group);
    this.#lastNumber += 1;
    const place = { group, writing: null, stored: null };
    this.#held.push({ number: this.#lastNumber, facts, byteLength, span: arrivalSpan(group), ...place });
    this.#byteLength += byteLength;
  }

  /** Of what is not claimed: the key frame that this time is shown from. As many as there are: nothing shows it. */
  #firstShowing(fromMs: number): number {
    const begin = this.#claimedCount;
    let first = begin;
    while (first < this.#held.length && this.#held[first]!.span.toMs <= fromMs) first += 1;
    if (first === this.#held.length) return first;
    while (first > begin && !this.#held[first]!.facts.beginsWithKeyFrame) first -= 1;
    return first;
  }

  /** What memory may not hold any more goes to the disk, or where that takes nothing, away. */
  #spill(): void {
    while (this.#spilledCount > 0 && this.#files!.byteLength > this.#diskBytesMax) this.#lose(0);
    const newestMs = this.#held.at(-1)?.span.toMs ?? 0;
    for (let next = this.#held[this.#spilledCount]; next; next = this.#held[this.#spilledCount]) {
      const hasTooMuch = this.#byteLength > this.#byteLengthMax;
      const isOld = next.number < this.#lastNumber && next.span.toMs <= newestMs - this.#memoryMsMax;
      if (!hasTooMuch && !isOld) return;
      if (this.#files?.takesWrites) this.#write(next);
      // What is claimed is only waiting for its turn.
      else if (!hasTooMuch && next.number <= this.#claimedNumber) return;
      else this.#lose(this.#spilledCount);
    }
  }

  #write(held: HeldGroup): void {
    const group = held.group!;
    this.#spilledCount += 1;
    this.#byteLength -= held.byteLength;
    held.writing = this.#files!.write(group.pieces ?? [group.bytes]).then(stored => {
      held.writing = null;
      const index = this.#held.indexOf(held);
      // What is claimed waits on in memory when the disk is given up: there comes no more of it.
      if (index !== -1 && stored === null && index < this.#claimedCount && !this.#files!.takesWrites) return;
      held.stored = stored;
      held.group = null;
      group.release?.();
      if (index === -1 && stored !== null) this.#files!.forget(stored);
      if (index !== -1 && stored === null) this.#lose(index);
    });
  }

  /** With what cannot be decoded without it. */
  #lose(index: number): void {
    let count = 1;
    while (this.#held[index + count]?.facts.beginsWithKeyFrame === false) count += 1;
    const claimed = Math.min(index + count, this.#claimedCount) - index;
    if (claimed > 0) this.#lostCount += claimed;
    this.#removeFrom(index, count);
  }

  /** The disk is given up. What is claimed stays there: it is being recorded. */
  #forgetSpilled(): void {
    const first = this.#claimedCount;
    if (first < this.#spilledCount) this.#removeFrom(first, this.#spilledCount - first);
    this.#beginWithKeyFrame();
  }

  #beginWithKeyFrame(): void {
    const first = this.#claimedCount;
    let cut = first;
    while (this.#held[cut]?.facts.beginsWithKeyFrame === false) cut += 1;
    this.#removeFrom(first, cut - first);
  }

  #removeFrom(index: number, count: number): void {
    if (count <= 0) return;
    const removed = this.#held.splice(index, count);
    const spilled = Math.min(removed.length, Math.max(0, this.#spilledCount - index));
    this.#spilledCount -= spilled;
    for (const held of removed.slice(spilled)) {
      this.#byteLength -= held.byteLength;
      held.group!.release?.();
    }
    for (const { stored, writing, group } of removed.slice(0, spilled)) {
      if (stored !== null) this.#files!.forget(stored);
      // One that is being written is released, and forgotten, when it is.
      else if (writing === null) group?.release?.();
    }
  }
}

/** When a group arrived, by the clock of this server: its capture time is by the camera's, which may be another. */
export function arrivalSpan({ arrivalMs, fromMs, toMs }: Fragment): {
  readonly fromMs: number;
  readonly toMs: number;
} {
  return { fromMs: arrivalMs, toMs: arrivalMs + (toMs - fromMs) };
}
