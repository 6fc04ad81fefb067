import { AppendQueue } from '../media/append-queue';
import { fragmentTimeS, timescalesOf } from '../media/mp4-box';
import { stayAtEdge } from './live-edge.policy';

/** Sound may begin a little before the first picture, and no time may be negative. */
const ORIGIN_BEFORE_S = 2;
/** While the browser opens a MediaSource, a moment passes. Who needs longer for that than ten seconds of 8 Mbit/s begins anew. */
const EARLY_BYTES_MAX = 12_000_000;

export interface LivePipelineOptions {
  readonly video: HTMLVideoElement;
  /** Of a kind that the browser plays. */
  readonly contentType: string;
  /** Nothing more is shown: why, in words. */
  readonly onFault: (reason: string) => void;
}

/** Fragments of one format on their way into a video element, which it keeps close to the newest picture. */
export class LivePipeline implements Disposable {
  readonly #options: LivePipelineOptions;
  readonly #source = new MediaSource();
  readonly #url = URL.createObjectURL(this.#source);
  /** What arrived before the MediaSource was open; null: it is open. */
  #early: ArrayBuffer[] | null = [];
  #earlyBytes = 0;
  #buffer: SourceBuffer | null = null;
  #queue: AppendQueue | null = null;
  #timescales: ReadonlyMap<number, number> | null = null;
  /** Wall time of the media element's zero. */
  #originMs: number | null = null;
  #soughtAtMs = Number.NEGATIVE_INFINITY;
  #seekCount = 0;
  #closed = false;

  constructor(options: LivePipelineOptions) {
    this.#options = options;
    this.#source.addEventListener('sourceopen', () => this.#open(), { once: true });
    options.video.addEventListener('error', this.#onVideoError);
    options.video.src = this.#url;
  }

  #open(): void {
    URL.revokeObjectURL(this.#url);
    const early = this.#early;
    if (this.#closed || early === null) return;
    try {
      this.#buffer = this.#source.addSourceBuffer(this.#options.contentType);
    } catch (error) {
      this.#fail((error as Error).message);
      return;
    }
    this.#buffer.mode = 'segments';
    this.#queue = new AppendQueue(this.#buffer, reason => this.#fail(reason));
    this.#early = null;
    for (const bytes of early) this.append(bytes);
  }

  /** The init segment first, then fragments. */
  append(bytes: ArrayBuffer): void {
    if (this.#closed) return;
    const queue = this.#queue;
    if (queue === null) {
      this.#early?.push(bytes);
      this.#earlyBytes += bytes.byteLength;
      if (this.#earlyBytes > EARLY_BYTES_MAX) this.#fail('The browser does not open the stream');
      return;
    }
    if (this.#timescales === null) {
      this.#timescales = timescalesOf(bytes);
      queue.append(bytes);
      return;
    }
    if (this.#originMs === null) {
      const timeS = fragmentTimeS(bytes, this.#timescales);
      if (timeS === null) return;
      const originS = timeS - ORIGIN_BEFORE_S;
      this.#originMs = originS * 1000;
      queue.configure(buffer => {
        buffer.timestampOffset = -originS;
      });
    }
    queue.append(bytes);
  }

  /** Milliseconds since the Unix epoch; null: nothing was appended yet. */
  capturedAtMs(mediaTimeS: number): number | null {
    return this.#originMs === null ? null : this.#originMs + mediaTimeS * 1000;
  }

  keepEdge(nowMs: number): void {
    if (this.#buffer === null || this.#source.readyState !== 'open') return;
    const { video } = this.#options;
    const { buffered } = this.#buffer;
    const ranges = Array.from({ length: buffered.length }, (_, index) => ({
      startS: buffered.start(index),
      endS: buffered.end(index),
    }));
    const action = stayAtEdge({
      currentS: video.currentTime,
      ranges,
      seeking: video.seeking,
      sinceSeekMs: nowMs - this.#soughtAtMs,
      seekCount: this.#seekCount,
    });
    this.#seekCount = action.seekCount;
    if (action.seekToS !== null) {
      this.#soughtAtMs = nowMs;
      video.currentTime = action.seekToS;
    }
    if (video.playbackRate !== action.rate) video.playbackRate = action.rate;
    if (action.trimToS !== null) this.#queue?.remove(0, action.trimToS);
    if (video.paused && ranges.length > 0) void video.play().catch(error => this.#onPlayRefused(error));
  }

  /** Browsers refuse sound on a page that nobody has touched; the picture is worth more. */
  #onPlayRefused(error: unknown): void {
    if ((error as DOMException).name === 'NotAllowedError') this.#options.video.muted = true;
  }

  readonly #onVideoError = (): void =>
    this.#fail(this.#options.video.error?.message || 'The stream could not be decoded');

  #fail(reason: string): void {
    if (!this.#closed) this.#options.onFault(reason);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    const { video } = this.#options;
    video.removeEventListener('error', this.#onVideoError);
    URL.revokeObjectURL(this.#url);
    this.#queue?.close();
    this.#early = null;
    video.removeAttribute('src');
    video.load();
  }
}
