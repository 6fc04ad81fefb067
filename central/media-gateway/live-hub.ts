import { type LiveReduction, type MediaItem, MediaRefusedError, type MediaSource } from '@holdfast/core';
import type { DeviceId } from '@holdfast/schema';
import { LiveFanOut, LiveViewers } from '@holdfast/sites';

/** Devices watched at once: every one costs a stream over a link. */
const DEVICES_MAX = 1000;
/** Viewers at once: every one costs a socket, and up to `VIEWER_WINDOW_BYTES_MAX` in it. */
const VIEWERS_MAX = 2000;

/** One live stream per device and name, however many look at it. */
export class LiveHub implements AsyncDisposable {
  /** By device and name of the stream. */
  readonly #streams = new Map<string, LiveStream>();
  /** Where all of them are counted, and shed when this central is overloaded. */
  readonly viewers = new LiveViewers();
  #viewerCount = 0;

  /**
   * The pictures of the device until the signal is aborted or the stream ends. Throws what the source throws. A viewer
   * that does not keep up is reduced to key frames; it never slows down the others, nor the link.
   */
  async *watch(wanted: WantedStream, source: MediaSource, signal: AbortSignal): AsyncGenerator<MediaItem> {
    if (this.#viewerCount >= VIEWERS_MAX) {
      throw new MediaRefusedError('SOURCE_BUSY', `${VIEWERS_MAX} live pictures are watched already`);
    }
    const stream = this.#stream(wanted, source);
    stream.viewerCount += 1;
    this.#viewerCount += 1;
    try {
      yield* stream.fanOut.open(signal);
      if (!signal.aborted && stream.fault !== null) throw stream.fault;
    } finally {
      stream.viewerCount -= 1;
      this.#viewerCount -= 1;
      if (stream.viewerCount === 0) this.#close(keyOf(wanted), stream);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const streams = [...this.#streams];
    for (const [key, stream] of streams) this.#close(key, stream);
    await Promise.all(streams.map(([, stream]) => stream.ended));
  }

  #stream(wanted: WantedStream, source: MediaSource): LiveStream {
    const running = this.#streams.get(keyOf(wanted));
    // Who comes after the end begins a new one.
    if (running && running.fault === null) return running;
    if (this.#streams.size >= DEVICES_MAX) {
      throw new MediaRefusedError('SOURCE_BUSY', `${DEVICES_MAX} devices are watched already`);
    }
    const stream = new LiveStream(wanted, source, this.viewers);
    this.#streams.set(keyOf(wanted), stream);
    return stream;
  }

  #close(key: string, stream: LiveStream): void {
    stream.stop();
    if (this.#streams.get(key) === stream) this.#streams.delete(key);
  }
}

export interface WantedStream {
  readonly deviceId: DeviceId;
  /** One of the device's streams by its name; left out: the live default. */
  readonly stream?: string;
}

function keyOf({ deviceId, stream = '' }: WantedStream): string {
  return `${deviceId} ${stream}`;
}

class LiveStream {
  readonly fanOut: LiveFanOut;
  viewerCount = 0;
  /** Why the source ended; null while it runs. */
  fault: unknown = null;
  readonly ended: Promise<void>;
  readonly #stopped = new AbortController();

  constructor(wanted: WantedStream, source: MediaSource, viewers: LiveViewers) {
    this.fanOut = new LiveFanOut({ viewers });
    this.ended = this.#run(wanted, source);
  }

  stop(): void {
    this.#stopped.abort();
    this.fanOut[Symbol.dispose]();
  }

  async #run(wanted: WantedStream, source: MediaSource): Promise<void> {
    const { signal } = this.#stopped;
    try {
      const items = source.open({ kind: 'LIVE', ...wanted }, { signal, priority: 'LIVE' });
      for await (const item of items) {
        if (item.kind === 'init') this.fanOut.format(item.init);
        else if (item.kind === 'fragment') this.fanOut.push(item.fragment, atHub(item.reducedBecause));
      }
      this.fault = new MediaRefusedError('NO_LIVE_STREAM', 'the live stream of the device has ended');
    } catch (error) {
      this.fault = error;
    } finally {
      this.fanOut[Symbol.dispose]();
    }
  }
}

/** For the recording server the central is a viewer, and what lies between them is the link. */
function atHub(reducedBecause: LiveReduction | undefined): LiveReduction | null {
  return reducedBecause === 'SLOW_VIEWER' ? 'SLOW_LINK' : (reducedBecause ?? null);
}
