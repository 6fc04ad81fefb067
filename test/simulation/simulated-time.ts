interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly task: () => void;
  isStopped: boolean;
}

/**
 * A clock that stands still until the next thing is due. Things due at the same time happen in the order in which they
 * were planned, so that one seed gives one history.
 */
export class SimulatedTime {
  nowMs: number;
  /** A binary heap: the earliest first. */
  readonly #heap: Entry[] = [];
  #order = 0;

  constructor(startMs: number) {
    this.nowMs = startMs;
  }

  /** Runs the task so many milliseconds from now. Returns how to stop that. */
  after(delayMs: number, task: () => void): () => void {
    const entry: Entry = {
      atMs: this.nowMs + Math.max(0, delayMs),
      order: this.#order++,
      task,
      isStopped: false,
    };
    this.#push(entry);
    return () => {
      entry.isStopped = true;
    };
  }

  /** When something is due next; infinity when nothing is. */
  get nextMs(): number {
    while (this.#heap[0]?.isStopped) this.#pop();
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  /** Lets the next thing happen, and everything that follows from it at once. */
  step(): Promise<void> {
    if (this.nextMs === Number.POSITIVE_INFINITY) throw new Error('nothing will ever happen again');
    const entry = this.#pop();
    this.nowMs = Math.max(this.nowMs, entry.atMs);
    entry.task();
    return settled();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let index = heap.push(entry) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (!isEarlier(entry, heap[parent]!)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = entry;
  }

  #pop(): Entry {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child + 1 < heap.length && isEarlier(heap[child + 1]!, heap[child]!)) child += 1;
      if (child >= heap.length || !isEarlier(heap[child]!, last)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isEarlier(one: Entry, other: Entry): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}

/**
 * Resolves when every promise that could go on without time passing has gone on: a tick comes when all of them have, and is far
 * cheaper than a turn of the event loop.
 */
export function settled(): Promise<void> {
  return new Promise(resolve => process.nextTick(resolve));
}
