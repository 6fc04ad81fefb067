import { type Fragment, fragmentByteLength } from '@holdfast/core';

/** 15 s of a camera of 16 Mbit/s. What a faster one sends is held for less time. */
export const PRE_BUFFER_BYTES_MAX = 32 * 1024 * 1024;

/**
 * Whole groups of pictures of one device that is not being recorded, so that a trigger has what came before it. Groups are held
 * as they lie in memory, whose leases are released when they leave; nothing is copied. It always begins with a key frame.
 */
export class PreBuffer implements Disposable {
  readonly #byteLengthMax: number;
  #groups: Fragment[] = [];
  #byteLength = 0;

  constructor(byteLengthMax = PRE_BUFFER_BYTES_MAX) {
    this.#byteLengthMax = byteLengthMax;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  /** By the time of arrival. Null: it is empty. */
  get span(): { readonly fromMs: number; readonly toMs: number } | null {
    const first = this.#groups[0];
    const last = this.#groups.at(-1);
    return first && last ? { fromMs: first.arrivalMs, toMs: arrivalSpan(last).toMs } : null;
  }

  /** The group is the buffer's from now on. The last `keepMs` stay, and the group that they begin in. */
  push(group: Fragment, keepMs: number): void {
    this.#groups.push(group);
    this.#byteLength += fragmentByteLength(group);
    const keepFromMs = arrivalSpan(group).toMs - keepMs;
    while (this.#hasTooMuch(keepFromMs)) this.#dropFirst();
    while (this.#groups[0]?.beginsWithKeyFrame === false) this.#dropFirst();
  }

  /** Everything from the key frame that this time is shown from; the caller's from now on. What is older is released. */
  takeFrom(fromMs: number): readonly Fragment[] {
    const groups = this.#groups;
    let first = groups.findIndex(group => arrivalSpan(group).toMs > fromMs);
    while (first > 0 && !groups[first]!.beginsWithKeyFrame) first -= 1;
    const taken = first === -1 ? [] : groups.splice(first);
    this.clear();
    return taken;
  }

  clear(): void {
    for (const group of this.#groups) group.release?.();
    this.#groups = [];
    this.#byteLength = 0;
  }

  [Symbol.dispose](): void {
    this.clear();
  }

  #hasTooMuch(keepFromMs: number): boolean {
    const [first, second] = this.#groups;
    if (first === undefined) return false;
    if (this.#byteLength > this.#byteLengthMax) return true;
    return second !== undefined && arrivalSpan(first).toMs <= keepFromMs;
  }

  #dropFirst(): void {
    const group = this.#groups.shift()!;
    this.#byteLength -= fragmentByteLength(group);
    group.release?.();
  }
}

/** When a group arrived, by the clock of this server: its capture time is by the camera's, which may be another. */
export function arrivalSpan({ arrivalMs, fromMs, toMs }: Fragment): {
  readonly fromMs: number;
  readonly toMs: number;
} {
  return { fromMs: arrivalMs, toMs: arrivalMs + (toMs - fromMs) };
}
