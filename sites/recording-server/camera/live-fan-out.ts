import type { Fragment, InitSegment, LiveReduction, MediaItem } from '@holdfast/core';
import { LiveConsumer, shedError } from './live-consumer.js';
import { type LiveEntry, LiveRing } from './live-ring.js';
import { type LiveCounts, LiveViewers } from './live-viewers.js';

export interface LiveFanOutOptions {
  /** Those of the server that this camera is one of. */
  readonly viewers?: LiveViewers;
  readonly monotonicMs?: () => number;
}

/**
 * The live pictures of one device, for any number of consumers, who share one ring. It keeps the group of pictures that is
 * going on, so that a new consumer has its first picture at once. `push` never waits for anybody. A consumer that does not
 * keep up costs nothing of its own: at a key frame it is reduced to key frames, the newest each time, until it keeps up.
 */
export class LiveFanOut implements Disposable {
  readonly #consumers = new Set<LiveConsumer>();
  readonly #ring = new LiveRing();
  readonly #viewers: LiveViewers;
  readonly #monotonicMs: () => number;
  #init: InitSegment | null = null;

  constructor({ viewers, monotonicMs }: LiveFanOutOptions = {}) {
    this.#viewers = viewers ?? new LiveViewers();
    this.#monotonicMs = monotonicMs ?? (() => performance.now());
    this.#viewers.add(this);
  }

  /** True from the first picture of a connection to the end of its run. */
  get isLive(): boolean {
    return this.#ring.groupFrom !== null;
  }

  get consumerCount(): number {
    return this.#consumers.size;
  }

  get counts(): Pick<LiveCounts, 'viewerCount' | 'reducedViewerCount' | 'ringByteLength'> {
    const reduced = [...this.#consumers].filter(({ reducedBecause }) => reducedBecause !== null);
    return {
      viewerCount: this.#consumers.size,
      reducedViewerCount: reduced.length,
      ringByteLength: this.#ring.byteLength,
    };
  }

  /** A run begins; what comes next is decoded with this. */
  format(init: InitSegment): void {
    this.#init = init;
    this.#ring.clear();
  }

  /**
   * The fragment is the fan-out's from now on, which releases it when no new consumer can ask for it. `reducedBecause`: why the
   * source has left out what came before.
   */
  push(fragment: Fragment, reducedBecause: LiveReduction | null = null): void {
    if (this.#init === null) {
      fragment.release?.();
      return;
    }
    const arrivedAtMs = this.#monotonicMs();
    const entry: LiveEntry = { init: this.#init, fragment, reducedBecause, arrivedAtMs };
    if (!this.#ring.push(entry, { keep: this.#consumers.size > 0 })) return;
    let needed = Number.POSITIVE_INFINITY;
    for (const consumer of this.#consumers) {
      consumer.onPushed(entry);
      needed = Math.min(needed, consumer.needs);
    }
    this.#ring.dropBefore(needed);
  }

  /** The run has ended. Consumers stay and go on with the next one; nobody is shown an old picture as if it were live. */
  runEnded(): void {
    this.#ring.clear();
  }

  /**
   * Begins at the newest key frame; `init` comes first and whenever the format changes. Ends when the signal aborts, the
   * iterator is closed, or the fan-out is disposed of. Throws `MediaRefusedError` when viewers are shed.
   */
  async *open(signal: AbortSignal): AsyncGenerator<MediaItem, void, undefined> {
    if (signal.aborted) return;
    if (this.#viewers.shedding === 'CLOSED') throw shedError();
    this.#ring.keepAll();
    const consumer = new LiveConsumer({
      ring: this.#ring,
      viewers: this.#viewers,
      monotonicMs: this.#monotonicMs,
    });
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
        const reducedBecause = consumer.reducedBecause ?? entry.reducedBecause;
        yield { kind: 'fragment', fragment: entry.fragment, ...(reducedBecause && { reducedBecause }) };
      }
    } finally {
      signal.removeEventListener('abort', close);
      this.#consumers.delete(consumer);
    }
  }

  /** What the viewers may have has changed. */
  wakeAll(): void {
    for (const consumer of this.#consumers) consumer.wake();
  }

  [Symbol.dispose](): void {
    for (const consumer of this.#consumers) consumer.close();
    this.#consumers.clear();
    this.#ring.clear();
    this.#viewers.remove(this);
  }
}
