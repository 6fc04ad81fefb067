import { type AppendFrame, decodeAppendFrame } from './append-frame.js';

/** Bytes of frames that the writer has been given and has not answered: one group being committed and one behind it. */
export const IN_FLIGHT_BYTES_MAX = 2 * 1024 * 1024;
/** The same in frames; a power of two, so that counts may wrap. */
export const IN_FLIGHT_FRAMES_MAX = 1024;

/** Words of `control`. Counts wrap at 2^32 and are only compared for equality. */
const PUBLISHED_FRAMES = 0;
/** `PUBLISHED_FRAMES` as it was at the end of the callers' last turn. */
const GATHERED_FRAMES = 1;
const POSTED_MESSAGES = 2;
/** Changes whenever there is something to see: what the writer sleeps on. */
const SIGNALS = 3;
const CONTROL_WORDS = 4;

/**
 * Memory that the callers' thread and the writer's share: frames cross without being copied, cloned or collected, and
 * the writer sleeps on a word of it, which it can leave faster than its event loop.
 */
export interface AppendRingMemory {
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Where the frame of each count begins in `bytes`. */
  readonly offsets: Int32Array<SharedArrayBuffer>;
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

export function newAppendRingMemory(): AppendRingMemory {
  const words = (count: number) =>
    new Int32Array(new SharedArrayBuffer(count * Int32Array.BYTES_PER_ELEMENT));
  return {
    control: words(CONTROL_WORDS),
    offsets: words(IN_FLIGHT_FRAMES_MAX),
    bytes: new Uint8Array(new SharedArrayBuffer(IN_FLIGHT_BYTES_MAX)),
  };
}

/** The callers' end: finds room, publishes, frees in the same order. */
export class AppendRingSender {
  /** What `reserve` returns is an offset into this. */
  readonly bytes: Buffer;
  readonly #memory: AppendRingMemory;
  /** Offsets of the published frames that are not freed, oldest first. */
  readonly #offsets: number[] = [];
  #end = 0;
  #publishedCount = 0;

  constructor(memory: AppendRingMemory) {
    this.#memory = memory;
    this.bytes = Buffer.from(memory.bytes.buffer);
  }

  /** Where so many bytes in one piece are free, or null. */
  reserve(byteLength: number): number | null {
    const oldest = this.#offsets[0];
    // Beginning again at the same place whenever it is empty keeps the ring in the caches, and its pages few.
    if (oldest === undefined) return byteLength <= IN_FLIGHT_BYTES_MAX ? 0 : null;
    if (this.#offsets.length >= IN_FLIGHT_FRAMES_MAX) return null;
    if (this.#end <= oldest) return byteLength <= oldest - this.#end ? this.#end : null;
    if (byteLength <= IN_FLIGHT_BYTES_MAX - this.#end) return this.#end;
    return byteLength <= oldest ? 0 : null;
  }

  /** Hands over the frame that was written to `offset`, as `reserve` gave it. */
  publish(offset: number, byteLength: number): void {
    this.#memory.offsets[this.#publishedCount % IN_FLIGHT_FRAMES_MAX] = offset;
    this.#offsets.push(offset);
    this.#end = offset + byteLength;
    this.#publishedCount = (this.#publishedCount + 1) >>> 0;
    Atomics.store(this.#memory.control, PUBLISHED_FRAMES, this.#publishedCount | 0);
  }

  /** Says that the callers have nothing more for now. */
  endTurn(): void {
    Atomics.store(this.#memory.control, GATHERED_FRAMES, this.#publishedCount | 0);
  }

  /** After a message has been posted beside the ring. */
  countMessage(): void {
    Atomics.add(this.#memory.control, POSTED_MESSAGES, 1);
  }

  /** Wakes the writer if it sleeps. */
  signal(): void {
    Atomics.add(this.#memory.control, SIGNALS, 1);
    Atomics.notify(this.#memory.control, SIGNALS);
  }

  /** The oldest frames have been answered. */
  free(frameCount: number): void {
    this.#offsets.splice(0, frameCount);
  }
}

/** The writer's end. */
export class AppendRingReceiver {
  readonly #memory: AppendRingMemory;
  readonly #bytes: Buffer;
  #takenCount = 0;
  #messageCount = 0;

  constructor(memory: AppendRingMemory) {
    this.#memory = memory;
    this.#bytes = Buffer.from(memory.bytes.buffer);
  }

  /** Frames that wait to be taken. */
  get waitingCount(): number {
    return (Atomics.load(this.#memory.control, PUBLISHED_FRAMES) - this.#takenCount) >>> 0;
  }

  /** Whether nothing waits and the callers are known to have nothing more for now. */
  get isTurnOver(): boolean {
    return Atomics.load(this.#memory.control, GATHERED_FRAMES) === (this.#takenCount | 0);
  }

  /** The next frame, as views of the ring that hold until it is answered. */
  take(): AppendFrame | undefined {
    if (this.waitingCount === 0) return undefined;
    const offset = this.#memory.offsets[this.#takenCount % IN_FLIGHT_FRAMES_MAX]!;
    this.#takenCount = (this.#takenCount + 1) >>> 0;
    return decodeAppendFrame(this.#bytes, offset);
  }

  /** Whether a message was posted that has not been counted here yet; counts it. */
  takeMessageCount(): boolean {
    if (Atomics.load(this.#memory.control, POSTED_MESSAGES) === this.#messageCount) return false;
    this.#messageCount = (this.#messageCount + 1) | 0;
    return true;
  }

  /** To be read before looking for what `sleep` would wait for. */
  get signalCount(): number {
    return Atomics.load(this.#memory.control, SIGNALS);
  }

  /** Until the signals are no longer those that were seen, or the time is over. */
  sleep(seenSignalCount: number, timeoutMs = Number.POSITIVE_INFINITY): void {
    Atomics.wait(this.#memory.control, SIGNALS, seenSignalCount, timeoutMs);
  }
}
