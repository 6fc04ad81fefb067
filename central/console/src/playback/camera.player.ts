import { AppendQueue } from '../media/append-queue';
import { playableFrom, type Span, spanAt } from '../timeline/timeline.geometry';
import { fetchRecording } from './recording.fetch';

/** READY: the picture of that instant is there. LOADING: it will be. NOTHING: none can be had. */
export type Readiness = 'READY' | 'LOADING' | 'NOTHING';

/** One request; long enough to be cheap, short enough that a seek seldom wastes much. */
const WINDOW_MS = 24_000;
/** Fetch on when less than this is left, times the speed. */
const AHEAD_MS = 9_000;
const KEEP_BEHIND_S = 40;
const TRIM_STEP_S = 20;
/** Fragments begin and end at frames, not at the instant asked for. */
const EDGE_MS = 90;
/** A span may begin inside a group of pictures: the first picture comes a little later. */
const FIRST_PICTURE_MS = 1_500;
const RETRY_MS = 3_000;
/** What is being recorded this very moment is not asked for in crumbs. */
const PRESENT_MS = 2_000;
/** The media element's zero lies this long before the first instant played, so that its time is never negative. */
const ORIGIN_BEFORE_MS = 35 * 24 * 3_600_000;
const DRIFT_SEEK_S = 0.35;
const DRIFT_RATE = 0.06;

/** How much more is fetched at higher speeds. More than this would not fit into the browser's buffer of about 150 MB. */
const ahead = (speed: number): number => Math.min(4, Math.max(1, speed));

interface Load {
  readonly fromMs: number;
  readonly toMs: number;
  readonly abort: AbortController;
  state: 'ACTIVE' | 'DONE' | 'NOTHING';
  endedAtMs: number;
}

/** One camera's recorded pictures in one video element. It follows a clock that is not its own. */
export class CameraPlayer implements Disposable {
  readonly deviceId: string;
  readonly #video: HTMLVideoElement;
  #source = new MediaSource();
  #queue: AppendQueue | null = null;
  #buffer: SourceBuffer | null = null;
  #codecs = '';
  #originMs: number;
  #spans: readonly Span[] | null = null;
  #load: Load | null = null;
  #frameS = 0.04;
  #lastFrameS = -1;
  #trimmedToS = 0;
  /** After a request that brought nothing, the next one waits. */
  #waitUntilMs = 0;
  #closed = false;
  /** Why there is nothing although something should be held. */
  fault: string | null = null;

  constructor(deviceId: string, video: HTMLVideoElement, startMs: number) {
    this.deviceId = deviceId;
    this.#video = video;
    this.#originMs = startMs - ORIGIN_BEFORE_MS;
    this.#open();
    video.addEventListener('error', this.#onError);
    this.#watchFrames();
  }

  #open(): void {
    const source = new MediaSource();
    this.#source = source;
    this.#video.src = URL.createObjectURL(source);
    source.addEventListener(
      'sourceopen',
      () => {
        URL.revokeObjectURL(this.#video.src);
        // Else it ends with what has arrived, and a seek to what is still coming would stop there for good.
        source.duration = Number.POSITIVE_INFINITY;
      },
      { once: true },
    );
  }

  /** After a fault in decoding nothing of the old media source can be used. */
  #reopen(reason: string): void {
    if (this.#closed) return;
    this.#load?.abort.abort();
    this.#queue?.close();
    this.#queue = null;
    this.#buffer = null;
    this.#codecs = '';
    this.#trimmedToS = 0;
    const atS = this.#video.currentTime;
    this.#open();
    this.#video.currentTime = atS;
    if (this.#load !== null) {
      this.#load.state = 'NOTHING';
      this.#load.endedAtMs = Date.now();
    }
    this.fault = reason;
  }

  setSpans(spans: readonly Span[] | undefined): void {
    this.#spans = spans ?? null;
  }

  /** What the timeline says of that instant; undefined when it says nothing. */
  spanAt(ms: number): Span | undefined {
    return this.#spans === null ? undefined : spanAt(this.#spans, ms);
  }

  get positionMs(): number {
    return this.#originMs + this.#video.currentTime * 1000;
  }
  get frameMs(): number {
    return this.#frameS * 1000;
  }

  #bufferedUntilMs(ms: number): number | null {
    if (this.#buffer === null || this.#source.readyState !== 'open') return null;
    const atS = (ms - this.#originMs) / 1000;
    const { buffered } = this.#buffer;
    for (let index = 0; index < buffered.length; index += 1)
      if (atS >= buffered.start(index) - 0.02 && atS < buffered.end(index))
        return buffered.end(index) * 1000 + this.#originMs;
    return null;
  }

  /** Makes sure that pictures from `ms` on are there or on their way, and says how it stands. */
  prepare(ms: number, speed: number): Readiness {
    const untilMs = this.#bufferedUntilMs(ms);
    if (untilMs !== null && untilMs - ms > EDGE_MS / 2) {
      if (untilMs - ms < AHEAD_MS * ahead(speed)) this.#loadOn(untilMs, speed);
      this.fault = null;
      this.#trim();
      return 'READY';
    }
    const span = this.spanAt(ms);
    if (this.#spans !== null && span?.state !== 'HELD' && span?.state !== 'REMOTE') return 'NOTHING';
    if (span !== undefined && span.toMs - ms < EDGE_MS) return 'NOTHING';
    return this.#await(ms, speed);
  }

  #await(ms: number, speed: number): Readiness {
    const load = this.#load;
    const covers = load !== null && ms >= load.fromMs && ms < load.toMs;
    if (!covers) {
      if (Date.now() < this.#waitUntilMs) return 'NOTHING';
      this.#begin(ms, speed);
      return 'LOADING';
    }
    if (load.state === 'ACTIVE' || (this.#queue?.waitingCount ?? 0) > 0 || this.#buffer?.updating)
      return 'LOADING';
    if (Date.now() - load.endedAtMs > RETRY_MS) this.#begin(ms, speed);
    return 'NOTHING';
  }

  #loadOn(fromMs: number, speed: number): void {
    const load = this.#load;
    if (load?.state === 'ACTIVE' || Date.now() < this.#waitUntilMs) return;
    const nextMs = load !== null && fromMs < load.toMs && fromMs > load.fromMs ? load.toMs : fromMs;
    const heldMs = this.#spans === null ? nextMs : playableFrom(this.#spans, nextMs);
    if (heldMs === null || Date.now() - heldMs < PRESENT_MS || heldMs - fromMs > AHEAD_MS * ahead(speed))
      return;
    if (
      load !== null &&
      heldMs >= load.fromMs &&
      heldMs < load.toMs &&
      Date.now() - load.endedAtMs < RETRY_MS
    )
      return;
    this.#begin(heldMs, speed, { continues: load?.state === 'DONE' });
  }

  #begin(fromMs: number, speed: number, { continues } = { continues: false }): void {
    if (this.#source.readyState !== 'open' || this.#closed) return;
    this.#load?.abort.abort();
    if (!continues) this.#queue?.reset();
    const toMs = Math.min(fromMs + WINDOW_MS * ahead(speed), Math.max(Date.now(), fromMs + 1000));
    const load: Load = { fromMs, toMs, abort: new AbortController(), state: 'ACTIVE', endedAtMs: 0 };
    this.#load = load;
    void this.#run(load);
  }

  async #run(load: Load): Promise<void> {
    try {
      const outcome = await fetchRecording({
        ...{ deviceId: this.deviceId, fromMs: load.fromMs, toMs: load.toMs, signal: load.abort.signal },
        onCodecs: codecs => this.#useCodecs(codecs),
        onBytes: async bytes => {
          const queue = this.#load === load ? this.#queue : null;
          queue?.append(bytes);
          await queue?.room();
        },
      });
      if (load !== this.#load || load.state !== 'ACTIVE') return;
      load.state = outcome.kind;
      if (outcome.kind === 'NOTHING') this.#waitUntilMs = Date.now() + RETRY_MS;
      this.fault = outcome.kind === 'NOTHING' ? outcome.reason : null;
    } catch (error) {
      load.state = 'NOTHING';
      if (load === this.#load) this.#waitUntilMs = Date.now() + RETRY_MS;
      if (!load.abort.signal.aborted)
        this.fault = `The recording did not arrive: ${(error as Error).message}`;
    }
    load.endedAtMs = Date.now();
  }

  #useCodecs(codecs: string): void {
    if (codecs === this.#codecs || this.#closed || this.#source.readyState !== 'open') return;
    const type = `video/mp4; codecs="${codecs}"`;
    if (!MediaSource.isTypeSupported(type)) {
      this.fault = `This browser does not play ${codecs}`;
      return;
    }
    this.#codecs = codecs;
    if (this.#buffer !== null) {
      this.#queue?.configure(buffer => buffer.changeType(type));
      return;
    }
    this.#buffer = this.#source.addSourceBuffer(type);
    this.#buffer.mode = 'segments';
    this.#buffer.timestampOffset = -this.#originMs / 1000;
    this.#queue = new AppendQueue(this.#buffer, reason => this.#reopen(reason));
  }

  readonly #onError = (): void => {
    if (this.#video.error !== null)
      this.#reopen(this.#video.error.message || 'The recording could not be decoded');
  };

  /** Shows the instant `ms` as soon as its picture is there. */
  seek(ms: number): void {
    this.#waitUntilMs = 0;
    this.#video.currentTime = Math.max(0, (ms - this.#originMs) / 1000);
  }

  /** Follows the clock: small differences by speed, large ones by a seek. */
  follow(ms: number, playing: boolean, speed: number): void {
    const video = this.#video;
    const driftS = (this.positionMs - ms) / 1000;
    // A seek that is under way is left alone, unless it goes somewhere else.
    const leastS = playing || video.seeking ? DRIFT_SEEK_S * Math.max(1, speed) : 0.001;
    if (Math.abs(driftS) > leastS) this.seek(ms);
    const rate = playing ? speed * (1 - Math.max(-DRIFT_RATE, Math.min(DRIFT_RATE, driftS))) : 1;
    if (Math.abs(video.playbackRate - rate) > 0.004) video.playbackRate = rate;
    this.run(playing);
  }

  run(playing: boolean): void {
    const video = this.#video;
    if (playing && video.paused) void video.play().catch(() => {});
    if (!playing && !video.paused) video.pause();
  }

  setRate(speed: number): void {
    if (this.#video.playbackRate !== speed) this.#video.playbackRate = speed;
  }

  /** Where the first picture near `ms` is, when recording begins a little after it; null when there is none. */
  firstPictureAfter(ms: number): number | null {
    if (this.#buffer === null || this.#source.readyState !== 'open') return null;
    const { buffered } = this.#buffer;
    for (let index = 0; index < buffered.length; index += 1) {
      const startMs = buffered.start(index) * 1000 + this.#originMs;
      if (startMs > ms && startMs - ms < FIRST_PICTURE_MS) return startMs + 1;
    }
    return null;
  }

  #trim(): void {
    const keepS = this.#video.currentTime - KEEP_BEHIND_S;
    if (keepS < this.#trimmedToS + TRIM_STEP_S) {
      this.#trimmedToS = Math.min(this.#trimmedToS, Math.max(0, keepS));
      return;
    }
    this.#trimmedToS = keepS;
    this.#queue?.remove(0, keepS);
  }

  #watchFrames(): void {
    this.#video.requestVideoFrameCallback((_, frame) => {
      const stepS = frame.mediaTime - this.#lastFrameS;
      if (stepS > 0.005 && stepS < 0.5 && !this.#video.seeking)
        this.#frameS += (Math.min(stepS, this.#frameS * 2) - this.#frameS) * 0.2;
      this.#lastFrameS = frame.mediaTime;
      if (!this.#closed) this.#watchFrames();
    });
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#load?.abort.abort();
    this.#queue?.close();
    this.#video.removeEventListener('error', this.#onError);
    this.#video.removeAttribute('src');
    this.#video.load();
  }
}
