import { backOffMs } from '../session/reconnect.gate';
import { currentSession } from '../session/session.store';
import { LastPicture } from './last-picture';
import { LivePipeline } from './live-pipeline';
import { PictureWatch } from './picture-watch.policy';

export type LiveState =
  | { readonly kind: 'CONNECTING'; readonly sinceMs: number; readonly reason: string | null }
  | { readonly kind: 'PLAYING'; readonly sinceMs: number }
  /** What is on the screen, if anything, is not the present. It tries again by itself. */
  | { readonly kind: 'NO_PICTURE'; readonly sinceMs: number; readonly reason: string | null }
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
  /** Over the video, hidden while that shows pictures. */
  readonly lastPicture: HTMLCanvasElement;
  readonly onState: (state: LiveState) => void;
  readonly onFrame: (frame: DisplayedFrame) => void;
  readonly onReduced: (reducedBecause: LiveReduction | null) => void;
}

const LOOK_INTERVAL_MS = 100;
/** Who was closed as too slow, or because of overload, would only add to it by coming back at once. */
const RETRY_CLOSED_MS = 15_000;
const closedFor = /^(TOO_SLOW|SOURCE_BUSY)\b/;

/** One live stream: WebSocket in, pictures out. Reconnects by itself until closed. */
export class LivePlayer implements Disposable {
  readonly #options: LivePlayerOptions;
  #state: LiveState = { kind: 'CONNECTING', sinceMs: Date.now(), reason: null };
  #socket: WebSocket | null = null;
  #pipeline: LivePipeline | null = null;
  readonly #lastPicture: LastPicture;
  readonly #watch = new PictureWatch(performance.now());
  #shownMediaTimeS: number | null = null;
  #reducedBecause: LiveReduction | null = null;
  #attempt = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #lookTimer: ReturnType<typeof setInterval>;
  #frameCallback = 0;
  #closed = false;

  constructor(options: LivePlayerOptions) {
    this.#options = options;
    this.#lastPicture = new LastPicture(options.video, options.lastPicture);
    this.#lookTimer = setInterval(() => this.#look(), LOOK_INTERVAL_MS);
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
    this.#watch.begin(performance.now());
    socket.onmessage = message => {
      this.#watch.heard();
      if (typeof message.data === 'string') this.#onText(message.data);
      else this.#pipeline?.append(message.data as ArrayBuffer);
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
    else if (message.reason !== undefined) this.#say('NO_PICTURE', message.reason);
  }

  #reduce(because: LiveReduction | null): void {
    if (because === this.#reducedBecause) return;
    this.#reducedBecause = because;
    this.#options.onReduced(because);
  }

  #begin(codecs: string): void {
    this.#releaseMedia();
    const contentType = `video/mp4; codecs="${codecs}"`;
    if (!MediaSource.isTypeSupported(contentType)) {
      this.#say('UNSUPPORTED', `This browser does not play ${codecs}`);
      return;
    }
    if (this.#state.kind === 'UNSUPPORTED') this.#say('CONNECTING');
    const { video } = this.#options;
    this.#pipeline = new LivePipeline({ video, contentType, onFault: reason => this.#restart(reason) });
  }

  #look(): void {
    // Who is not connected has said so, and will try again; what the browser cannot play will not be shown.
    if (this.#socket === null || this.#state.kind === 'UNSUPPORTED') return;
    const nowMs = performance.now();
    const reduced = this.#reducedBecause !== null;
    const finding = this.#watch.look({ nowMs, reduced, attempt: this.#attempt });
    const why = this.#watch.isSilent ? 'Nothing arrives' : 'Pictures arrive, but are not shown in time';
    if (finding === 'DEAD' || finding === 'STUCK') this.#restart(why);
    else {
      if (finding === 'OLD' && this.#state.kind === 'PLAYING') this.#say('NO_PICTURE', why);
      this.#pipeline?.keepEdge(nowMs);
    }
  }

  #watchFrames(): void {
    const { video } = this.#options;
    this.#frameCallback = video.requestVideoFrameCallback((_, frame) => {
      this.#onShown(frame);
      if (!this.#closed) this.#watchFrames();
    });
  }

  #onShown({ mediaTime, expectedDisplayTime }: VideoFrameCallbackMetadata): void {
    const capturedAtMs = this.#pipeline?.capturedAtMs(mediaTime) ?? null;
    // The same picture once more, as after a seek within it, is not a newer one.
    if (capturedAtMs === null || mediaTime === this.#shownMediaTimeS) return;
    this.#shownMediaTimeS = mediaTime;
    this.#attempt = 0;
    this.#watch.shown(performance.now());
    this.#lastPicture.uncover();
    // What was under way when the connection ended is still shown, and is no beginning.
    if (this.#socket !== null) this.#say('PLAYING');
    const displayedAtMs = performance.timeOrigin + expectedDisplayTime;
    this.#options.onFrame({ capturedAtMs, latencyMs: displayedAtMs - capturedAtMs });
  }

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
    if (this.#state.kind === 'PLAYING' || words !== null) this.#say('NO_PICTURE', words);
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
    this.#say('NO_PICTURE', reason);
    this.#dropSocket();
    this.#releaseMedia();
    this.#retryLater();
  }

  #retryLater(leastMs = 200): void {
    clearTimeout(this.#retryTimer);
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
    if (this.#shownMediaTimeS !== null) this.#lastPicture.keep();
    this.#shownMediaTimeS = null;
    this.#pipeline?.[Symbol.dispose]();
    this.#pipeline = null;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearInterval(this.#lookTimer);
    clearTimeout(this.#retryTimer);
    this.#options.video.cancelVideoFrameCallback(this.#frameCallback);
    this.#dropSocket();
    this.#releaseMedia();
  }
}
