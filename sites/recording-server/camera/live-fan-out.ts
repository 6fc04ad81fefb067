import type { Fragment, InitSegment, MediaItem } from '@holdfast/core';

/** A consumer that is further behind at a key frame skips to it: live means now. */
export const LIVE_LAG_MS_MAX = 3_000;
/** For cameras whose key frames are minutes apart: half a minute of pictures is all that is kept for anybody. */
export const LIVE_FRAGMENTS_MAX = 900;

interface LiveEntry {
  readonly init: InitSegment;
  readonly fragment: Fragment;
}

class LiveConsumer {
  readonly #entries: LiveEntry[] = [];
  #wake: (() => void) | null = null;
  #awaitsKeyFrame: boolean;
  #closed = false;
  #skipCount = 0;

  constructor(entries: readonly LiveEntry[]) {
    for (const { fragment } of entries) keep(fragment);
    this.#entries.push(...entries);
    this.#awaitsKeyFrame = entries.length === 0;
  }

  /** How often this consumer was too slow and was moved forward. */
  get skipCount(): number {
    return this.#skipCount;
  }

  push(entry: LiveEntry): void {
    const { fragment } = entry;
    const oldest = this.#entries[0];
    const lagMs = oldest === undefined ? 0 : Math.abs(fragment.fromMs - oldest.fragment.fromMs);
    if (fragment.beginsWithKeyFrame && lagMs > LIVE_LAG_MS_MAX) this.#skip();
    else if (this.#entries.length >= LIVE_FRAGMENTS_MAX) {
      this.#skip();
      this.#awaitsKeyFrame = true;
    }
    if (this.#awaitsKeyFrame && !fragment.beginsWithKeyFrame) return;
    this.#awaitsKeyFrame = false;
    this.#entries.push(entry);
    this.wake();
  }

  async next(): Promise<LiveEntry | null> {
    for (;;) {
      if (this.#closed) return null;
      const entry = this.#entries.shift();
      if (entry !== undefined) return entry;
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.#closed = true;
    this.wake();
  }

  wake(): void {
    this.#wake?.();
    this.#wake = null;
  }

  #skip(): void {
    this.#entries.length = 0;
    this.#skipCount += 1;
  }
}

/**
 * The live pictures of one device, for any number of consumers. It keeps the group of pictures that is going on, so that a
 * new consumer has its first picture at once. `push` never waits for anybody; a consumer that does not keep up costs at
 * most the pictures between two key frames plus `LIVE_LAG_MS_MAX`, which all consumers share.
 */
export class LiveFanOut implements Disposable {
  readonly #consumers = new Set<LiveConsumer>();
  #init: InitSegment | null = null;
  #group: LiveEntry[] = [];

  /** True from the first picture of a connection to the end of its run. */
  get isLive(): boolean {
    return this.#group.length > 0;
  }

  get consumerCount(): number {
    return this.#consumers.size;
  }

  /** A run begins; what comes next is decoded with this. */
  format(init: InitSegment): void {
    this.#init = init;
    this.#begin([]);
  }

  /** The fragment is the fan-out's from now on, which releases it when no new consumer can ask for it. */
  push(fragment: Fragment): void {
    if (this.#init === null) {
      fragment.release?.();
      return;
    }
    const entry: LiveEntry = { init: this.#init, fragment };
    if (this.#consumers.size > 0) keep(fragment);
    if (fragment.beginsWithKeyFrame) this.#begin([entry]);
    else if (this.#group.length >= LIVE_FRAGMENTS_MAX) this.#begin([]);
    else if (this.#group.length > 0) this.#group.push(entry);
    if (this.#group.at(-1) !== entry) fragment.release?.();
    for (const consumer of this.#consumers) consumer.push(entry);
  }

  /** The run has ended. Consumers stay and go on with the next one; nobody is shown an old picture as if it were live. */
  runEnded(): void {
    this.#begin([]);
  }

  /**
   * Begins at the newest key frame; `init` comes first and whenever the format changes. Ends when the signal aborts, the
   * iterator is closed, or the fan-out is disposed of.
   */
  async *open(signal: AbortSignal): AsyncGenerator<MediaItem, void, undefined> {
    if (signal.aborted) return;
    const consumer = new LiveConsumer(this.#group);
    const close = () => consumer.close();
    this.#consumers.add(consumer);
    signal.addEventListener('abort', close, { once: true });
    try {
      let init: InitSegment | null = null;
      for (let entry = await consumer.next(); entry !== null; entry = await consumer.next()) {
        if (entry.init !== init) {
          init = entry.init;
          yield { kind: 'init', init };
        }
        yield { kind: 'fragment', fragment: entry.fragment };
      }
    } finally {
      signal.removeEventListener('abort', close);
      this.#consumers.delete(consumer);
    }
  }

  [Symbol.dispose](): void {
    for (const consumer of this.#consumers) consumer.close();
    this.#consumers.clear();
    this.#begin([]);
  }

  #begin(group: LiveEntry[]): void {
    for (const { fragment } of this.#group) fragment.release?.();
    this.#group = group;
  }
}

/** A consumer reads when it likes, so what it gets has bytes of its own. All consumers share them. */
function keep(fragment: Fragment): void {
  void fragment.bytes;
}
