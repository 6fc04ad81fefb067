import { AppendQueue } from '../media/append-queue';
import { fragmentTimeS, timescalesOf } from '../media/mp4-box';
import { backOffMs } from '../session/reconnect.gate';
import { currentSession } from '../session/session.store';
import { stayAtEdge } from './live-edge.policy';

export type LiveState =
  | { readonly kind: 'CONNECTING'; readonly sinceMs: number; readonly reason: string | null }
  | { readonly kind: 'PLAYING'; readonly sinceMs: number }
  | { readonly kind: 'NO_SIGNAL'; readonly sinceMs: number; readonly reason: string | null }
  /** The central has closed it for a reason that does not pass at once; `retryNow` does not wait. */
  | { readonly kind: 'CLOSED'; readonly sinceMs: number; readonly reason: string | null }
  | { readonly kind: 'UNSUPPORTED'; readonly sinceMs: number; readonly reason: string };

export interface DisplayedFrame {
  /** Capture time of the frame on the screen, milliseconds since the Unix epoch. */
  readonly capturedAtMs: number;
  readonly latencyMs: number;
}

/** Why only key frames come; in words in the tile. */
export type LiveReduction = 'SLOW_VIEWER' | 'SLOW_LINK' | 'OVERLOAD';

export interface LivePlayerOptions {
  readonly deviceId: string;
  /** Null: the one that the site shows live. */
  readonly stream: string | null;
  readonly video: HTMLVideoElement;
  readonly onState: (state: LiveState) => void;
  readonly onFrame: (frame: DisplayedFrame) => void;
  readonly onReduced: (reducedBecause: LiveReduction | null) => void;
}

const EDGE_INTERVAL_MS = 100;
/** A camera at 1 fps still sends within this; after it there is no signal. */
const SILENCE_MS = 4_000;
const DEAD_MS = 12_000;
/** Who was closed as too slow, or because of overload, would only add to it by coming back at once. */
const RETRY_CLOSED_MS = 15_000;
const closedFor = /^(TOO_SLOW|SOURCE_BUSY)\b/;
/** Key frames alone may be many seconds apart. */
const REDUCED_TIMES = 5;
/** Sound may begin a little before the first picture, and no time may be negative. */
const ORIGIN_BEFORE_S = 2;

/** One live stream: WebSocket in, pictures out. Reconnects by itself until closed. */
export class LivePlayer implements Disposable {
  readonly #options: LivePlayerOptions;
  #state: LiveState = { kind: 'CONNECTING', sinceMs: Date.now(), reason: null };
  #socket: WebSocket | null = null;
  #source: MediaSource | null = null;
  #queue: AppendQueue | null = null;
  #buffer: SourceBuffer | null = null;
  #codecs = '';
  #timescales: ReadonlyMap<number, number> = new Map();
  #awaitsInit = false;
  #reducedBecause: LiveReduction | null = null;
  /** Wall time of the media element's zero. */
  #originMs: number | null = null;
  #heardAtMs = 0;
  #attempt = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #edgeTimer: ReturnType<typeof setInterval>;
  #frameCallback = 0;
  #closed = false;

  constructor(options: LivePlayerOptions) {
    this.#options = options;
    options.video.addEventListener('error', this.#onVideoError);
    this.#edgeTimer = setInterval(() => this.#keepEdge(), EDGE_INTERVAL_MS);
    this.#watchFrames();
    this.#connect();
  }

  #say(kind: LiveState['kind'], reason: string | null = null): void {
    const before = this.#state;
    const sinceMs = before.kind === kind ? before.sinceMs : Date.now();
    this.#state = { kind, sinceMs, reason } as LiveState;
    if (before.kind !== kind || ('reason' in before && before.reason !== reason))
      this.#options.onState(this.#state);
  }

  #connect(): void {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const { deviceId, stream } = this.#options;
    const query = stream === null ? '' : `?stream=${encodeURIComponent(stream)}`;
    const url = `${scheme}//${location.host}/media/${encodeURIComponent(deviceId)}/live${query}`;
    const socket = new WebSocket(url, ['holdfast.media.v1', `bearer.${currentSession()?.token ?? ''}`]);
    socket.binaryType = 'arraybuffer';
    this.#socket = socket;
    this.#heardAtMs = Date.now();
    socket.onmessage = message => {
      this.#heardAtMs = Date.now();
      if (typeof message.data === 'string') this.#onText(message.data);
      else this.#onBytes(message.data as ArrayBuffer);
    };
    socket.onclose = event => this.#onClose(event.reason);
  }

  #onText(text: string): void {
    const message = JSON.parse(text) as {
      type?: string;
      codecs?: string;
      reason?: string;
      reducedBecause?: LiveReduction | null;
    };
    if (message.type === 'init' && message.codecs !== undefined) this.#begin(message.codecs);
    else if (message.type === 'pace') this.#reduce(message.reducedBecause ?? null);
    else if (message.reason !== undefined) this.#say('NO_SIGNAL', message.reason);
  }

  #reduce(because: LiveReduction | null): void {
    if (because === this.#reducedBecause) return;
    this.#reducedBecause = because;
    this.#options.onReduced(because);
  }

  #begin(codecs: string): void {
    this.#awaitsInit = true;
    this.#codecs = codecs;
    this.#releaseMedia();
    const type = `video/mp4; codecs="${codecs}"`;
    if (!MediaSource.isTypeSupported(type)) {
      this.#say('UNSUPPORTED', `This browser does not play ${codecs}`);
      return;
    }
    const source = new MediaSource();
    this.#source = source;
    this.#options.video.src = URL.createObjectURL(source);
    const waiting: ArrayBuffer[] = [];
    this.#early = waiting;
    source.addEventListener(
      'sourceopen',
      () => {
        URL.revokeObjectURL(this.#options.video.src);
        if (source !== this.#source || this.#closed) return;
        this.#buffer = source.addSourceBuffer(type);
        this.#buffer.mode = 'segments';
        this.#queue = new AppendQueue(this.#buffer, reason => this.#restart(reason));
        this.#early = null;
        for (const bytes of waiting) this.#onBytes(bytes);
      },
      { once: true },
    );
  }
  /** What arrived before the MediaSource was open. */
  #early: ArrayBuffer[] | null = null;

  #onBytes(bytes: ArrayBuffer): void {
    if (this.#early !== null) {
      this.#early.push(bytes);
      return;
    }
    const queue = this.#queue;
    if (queue === null) return;
    if (this.#awaitsInit) {
      this.#awaitsInit = false;
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

  #keepEdge(): void {
    const { video } = this.#options;
    const silentMs = (Date.now() - this.#heardAtMs) / (this.#reducedBecause === null ? 1 : REDUCED_TIMES);
    if (silentMs > SILENCE_MS && this.#state.kind === 'PLAYING') this.#say('NO_SIGNAL', 'No picture arrives');
    if (silentMs > DEAD_MS) {
      this.#restart('No picture arrives');
      return;
    }
    if (this.#buffer === null || this.#source?.readyState !== 'open') return;
    const { buffered } = this.#buffer;
    const ranges = Array.from({ length: buffered.length }, (_, index) => ({
      startS: buffered.start(index),
      endS: buffered.end(index),
    }));
    const action = stayAtEdge({ currentS: video.currentTime, ranges });
    if (action.seekToS !== null) video.currentTime = action.seekToS;
    if (video.playbackRate !== action.rate) video.playbackRate = action.rate;
    if (action.trimToS !== null) this.#queue?.remove(0, action.trimToS);
    if (video.paused && ranges.length > 0) void video.play().catch(() => {});
  }

  #watchFrames(): void {
    const { video } = this.#options;
    this.#frameCallback = video.requestVideoFrameCallback((_, frame) => {
      if (this.#originMs !== null) {
        const capturedAtMs = this.#originMs + frame.mediaTime * 1000;
        this.#attempt = 0;
        if (Date.now() - this.#heardAtMs < SILENCE_MS || this.#reducedBecause !== null) this.#say('PLAYING');
        const displayedAtMs = performance.timeOrigin + frame.expectedDisplayTime;
        this.#options.onFrame({ capturedAtMs, latencyMs: displayedAtMs - capturedAtMs });
      }
      if (!this.#closed) this.#watchFrames();
    });
  }

  readonly #onVideoError = (): void => {
    if (this.#source !== null)
      this.#restart(this.#options.video.error?.message || 'The stream could not be decoded');
  };

  #onClose(reason: string): void {
    this.#socket = null;
    if (this.#closed) return;
    const words = reason === '' ? null : reason;
    this.#reduce(null);
    if (closedFor.test(reason)) {
      this.#releaseMedia();
      this.#say('CLOSED', reason);
      this.#retryLater(RETRY_CLOSED_MS);
      return;
    }
    if (this.#state.kind === 'PLAYING' || words !== null) this.#say('NO_SIGNAL', words);
    else this.#say('CONNECTING', null);
    this.#retryLater();
  }

  retryNow(): void {
    clearTimeout(this.#retryTimer);
    if (this.#closed || this.#socket !== null) return;
    this.#say('CONNECTING');
    this.#connect();
  }

  #restart(reason: string): void {
    if (this.#closed) return;
    this.#reduce(null);
    this.#say('NO_SIGNAL', reason);
    this.#dropSocket();
    this.#releaseMedia();
    this.#retryLater();
  }

  #retryLater(leastMs = 200): void {
    clearTimeout(this.#retryTimer);
    this.#heardAtMs = Number.POSITIVE_INFINITY;
    this.#retryTimer = setTimeout(() => this.#connect(), leastMs + backOffMs(this.#attempt, Math.random()));
    this.#attempt += 1;
  }

  #dropSocket(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  #releaseMedia(): void {
    this.#queue?.close();
    this.#queue = null;
    this.#buffer = null;
    this.#early = null;
    this.#originMs = null;
    if (this.#source === null) return;
    this.#source = null;
    this.#options.video.removeAttribute('src');
    this.#options.video.load();
  }

  get codecs(): string {
    return this.#codecs;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearInterval(this.#edgeTimer);
    clearTimeout(this.#retryTimer);
    this.#options.video.cancelVideoFrameCallback(this.#frameCallback);
    this.#options.video.removeEventListener('error', this.#onVideoError);
    this.#dropSocket();
    this.#releaseMedia();
  }
}
