import { AppendQueue } from '../media/append-queue';
import { PictureIndex } from '../media/picture-index';
import {
  isWithin,
  type KnownSpans,
  playableFrom,
  playableUntil,
  type Span,
  spanAt,
} from '../timeline/timeline.geometry';
import { EDGE_MS, fetchingFor, type Pace, type Pictures, picturesOf } from './pace';
import { fetchRecording } from './recording.fetch';

/** READY: the picture of that instant is there. LOADING: it will be. NOTHING: none can be had. */
export type Readiness = 'READY' | 'LOADING' | 'NOTHING';

/** Of what was played. */
const KEEP_S = 40;
const TRIM_STEP_S = 20;
/** A span may begin inside a group of pictures: the first picture comes a little later. */
const FIRST_PICTURE_MS = 1_500;
/** While paused, a few pictures before the one that is shown are there to step back to. */
const STEP_BACK_MS = 500;
const RETRY_MS = 3_000;
/** What is being recorded this very moment is not asked for in crumbs. */
const PRESENT_MS = 2_000;
/** The media element's zero lies this long before the first instant played, so that its time is never negative. */
const ORIGIN_BEFORE_MS = 35 * 24 * 3_600_000;
const DRIFT_SEEK_S = 0.35;
const DRIFT_RATE = 0.06;
/** Inside a picture, whatever the clocks of tracks and element round to. */
const WITHIN_PICTURE_MS = 0.5;

interface Range {
  readonly fromMs: number;
  readonly toMs: number;
}

interface Load extends Range {
  readonly abort: AbortController;
  state: 'ACTIVE' | 'DONE' | 'NOTHING';
  endedAtMs: number;
  /** When the last picture that has come begins. */
  reachedMs: number;
  /** The answer before it, to the same question, brought nothing: this one promises as little. */
  readonly isRepeated: boolean;
}

/** One camera's recorded pictures in one video element. It follows a clock that is not its own. */
export class CameraPlayer implements Disposable {
  readonly deviceId: string;
  readonly #video: HTMLVideoElement;
  readonly #index = new PictureIndex();
  #source!: MediaSource;
  #url = '';
  #opened!: Promise<void>;
  #queue: AppendQueue | null = null;
  #buffer: SourceBuffer | null = null;
  #codecs = '';
  #originMs: number;
  #known: KnownSpans | null = null;
  #load: Load | null = null;
  #pictures: Pictures = 'ALL';
  #direction: Pace['direction'] = 1;
  /** What the buffer has is of another kind of pictures and on its way out. */
  #emptying = false;
  #shownMs: number | null = null;
  #trimmedAtS = 0;
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
  }

  #open(): void {
    const source = new MediaSource();
    this.#source = source;
    this.#queue?.close();
    this.#queue = null;
    this.#buffer = null;
    this.#codecs = '';
    this.#emptying = false;
    this.#index.clear();
    URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(source);
    this.#video.src = this.#url;
    this.#opened = new Promise(resolve =>
      source.addEventListener(
        'sourceopen',
        () => {
          // One that was replaced meanwhile is gone already.
          if (source === this.#source) URL.revokeObjectURL(this.#url);
          // Else it ends with what has arrived, and a seek to what is still coming would stop there for good.
          source.duration = Number.POSITIVE_INFINITY;
          resolve();
        },
        { once: true },
      ),
    );
  }

  /** After a fault in decoding nothing of the old media source can be used. */
  #reopen(reason: string): void {
    if (this.#closed) return;
    this.#load?.abort.abort();
    this.#openAgain();
    if (this.#load !== null) {
      this.#load.state = 'NOTHING';
      this.#load.endedAtMs = Date.now();
    }
    this.fault = reason;
  }

  #openAgain(): void {
    const atS = this.#video.currentTime;
    this.#open();
    this.#video.currentTime = atS;
  }

  setSpans(known: KnownSpans | undefined): void {
    this.#known = known ?? null;
  }

  /** What the timeline says of that instant; undefined when it says nothing. */
  spanAt(ms: number): Span | undefined {
    return this.#known === null ? undefined : spanAt(this.#known.spans, ms);
  }

  /** Null: what is there is not known, as where an operator has moved the timeline elsewhere. */
  #spansAround(ms: number): readonly Span[] | null {
    return this.#known !== null && isWithin(this.#known, ms) ? this.#known.spans : null;
  }

  get positionMs(): number {
    return this.#originMs + this.#video.currentTime * 1000;
  }

  /** An instant within the picture that is so many after (or, negative, before) the one shown at `ms`. Null: not known yet. */
  beside(ms: number, pictures: number): number | null {
    const beginsMs = this.#index.beside(ms, pictures);
    return beginsMs === null ? null : beginsMs + WITHIN_PICTURE_MS;
  }

  #bufferedAt(ms: number): Range | null {
    if (this.#buffer === null || this.#source.readyState !== 'open') return null;
    const atS = (ms - this.#originMs) / 1000;
    const { buffered } = this.#buffer;
    for (let index = 0; index < buffered.length; index += 1)
      if (atS >= buffered.start(index) - 0.02 && atS < buffered.end(index))
        return {
          fromMs: buffered.start(index) * 1000 + this.#originMs,
          toMs: buffered.end(index) * 1000 + this.#originMs,
        };
    return null;
  }

  /** Makes sure that the pictures from `ms` on are there or on their way, and says how it stands. */
  prepare(ms: number, pace: Pace): Readiness {
    this.#change(pace);
    if (this.#emptying) return 'LOADING';
    const there = this.#bufferedAt(ms);
    if (there !== null && (pace.direction < 0 || there.toMs - ms > EDGE_MS / 2)) {
      if (pace.direction > 0) this.#loadOn(ms, there.toMs, pace);
      if (pace.direction < 0) this.#loadBack(ms, there.fromMs, fetchingFor(pace));
      else if (!pace.playing) this.#loadBack(ms, there.fromMs, { windowMs: 2_000, aheadMs: STEP_BACK_MS });
      this.fault = null;
      this.#trim();
      return 'READY';
    }
    const span = this.spanAt(ms);
    const isPlayable = span?.state === 'HELD' || span?.state === 'REMOTE';
    if (!isPlayable && this.#spansAround(ms) !== null) return 'NOTHING';
    if (span !== undefined && span.toMs - ms < EDGE_MS) return 'NOTHING';
    return this.#await(ms, pace);
  }

  /** Other pictures, or the other way: what is under way is of no use. */
  #change(pace: Pace): void {
    const pictures = picturesOf(pace);
    if (pictures === this.#pictures && pace.direction === this.#direction) return;
    if (this.#load?.state === 'ACTIVE') {
      this.#load.abort.abort();
      this.#load = null;
      this.#queue?.reset();
    }
    this.#waitUntilMs = 0;
    this.#direction = pace.direction;
    if (pictures === this.#pictures) return;
    this.#pictures = pictures;
    this.#load = null;
    this.#index.clear();
    if (this.#queue === null) return;
    this.#emptying = true;
    this.#queue.reset();
    this.#queue.remove(0, Number.POSITIVE_INFINITY);
    this.#queue.configure(() => {
      this.#emptying = false;
    });
  }

  #await(ms: number, pace: Pace): Readiness {
    const load = this.#load;
    const { windowMs } = fetchingFor(pace);
    const begin = (how = {}) =>
      pace.direction > 0
        ? this.#begin({ fromMs: ms, toMs: ms + windowMs }, how)
        : this.#begin({ fromMs: ms - windowMs, toMs: ms + EDGE_MS }, how);
    const covers = load !== null && ms >= load.fromMs && ms < load.toMs;
    if (!covers) {
      if (Date.now() < this.#waitUntilMs) return 'NOTHING';
      begin();
      return 'LOADING';
    }
    if (load.state === 'ACTIVE' || this.#isAppending()) return load.isRepeated ? 'NOTHING' : 'LOADING';
    if (Date.now() - load.endedAtMs > RETRY_MS) begin({ isRepeated: true });
    return 'NOTHING';
  }

  #isAppending(): boolean {
    return (this.#queue?.waitingCount ?? 0) > 0 || (this.#buffer?.updating ?? false);
  }

  #loadOn(ms: number, fromMs: number, pace: Pace): void {
    const { windowMs, aheadMs } = fetchingFor(pace);
    const load = this.#load;
    if (fromMs - ms >= aheadMs || load?.state === 'ACTIVE' || Date.now() < this.#waitUntilMs) return;
    const nextMs = load !== null && fromMs < load.toMs && fromMs > load.fromMs ? load.toMs : fromMs;
    const spans = this.#spansAround(nextMs);
    const heldMs = spans === null ? nextMs : playableFrom(spans, nextMs);
    if (heldMs === null || Date.now() - heldMs < PRESENT_MS || heldMs - fromMs > aheadMs) return;
    if (this.#hasTried(heldMs)) return;
    this.#begin({ fromMs: heldMs, toMs: heldMs + windowMs }, { continues: load?.state === 'DONE' });
  }

  #loadBack(ms: number, toMs: number, { windowMs, aheadMs }: ReturnType<typeof fetchingFor>): void {
    const load = this.#load;
    if (ms - toMs >= aheadMs || load?.state === 'ACTIVE' || this.#isAppending()) return;
    if (Date.now() < this.#waitUntilMs) return;
    const spans = this.#spansAround(toMs);
    const heldMs = spans === null ? toMs : playableUntil(spans, toMs);
    // What lies between them is a gap, which the clock passes.
    if (heldMs === null || toMs - heldMs > EDGE_MS || this.#hasTried(heldMs - 1)) return;
    this.#begin({ fromMs: heldMs - windowMs, toMs: heldMs }, { continues: load?.state === 'DONE' });
  }

  #hasTried(ms: number): boolean {
    const load = this.#load;
    return load !== null && ms >= load.fromMs && ms < load.toMs && Date.now() - load.endedAtMs < RETRY_MS;
  }

  /** `continues`: behind a whole answer the next one is read as it comes. */
  #begin({ fromMs, toMs: wantedMs }: Range, { continues = false, isRepeated = false } = {}): void {
    if (this.#source.readyState !== 'open' || this.#closed) return;
    this.#load?.abort.abort();
    if (!continues) this.#queue?.reset();
    const toMs = Math.min(wantedMs, Math.max(Date.now(), fromMs + 1000));
    const load: Load = {
      ...{ fromMs, toMs, abort: new AbortController(), state: 'ACTIVE', endedAtMs: 0 },
      ...{ reachedMs: Number.NEGATIVE_INFINITY, isRepeated },
    };
    this.#load = load;
    void this.#run(load);
  }

  async #run(load: Load): Promise<void> {
    const read = this.#index.reader(ms => {
      load.reachedMs = ms;
    });
    try {
      const outcome = await fetchRecording({
        ...{ deviceId: this.deviceId, fromMs: load.fromMs, toMs: load.toMs, signal: load.abort.signal },
        pictures: this.#pictures,
        onCodecs: codecs => this.#useCodecs(codecs, load),
        onBytes: async bytes => {
          if (this.#load !== load || load.abort.signal.aborted) return;
          read(bytes);
          this.#queue?.append(bytes);
          await this.#queue?.room();
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

  async #useCodecs(codecs: string, load: Load): Promise<void> {
    if (codecs === this.#codecs || this.#load !== load || this.#closed) return;
    const type = `video/mp4; codecs="${codecs}"`;
    if (!MediaSource.isTypeSupported(type)) {
      this.fault = `This browser does not play ${codecs}`;
      load.abort.abort();
      return;
    }
    const trackCount = (all: string) => all.split(',').length;
    if (this.#buffer !== null && trackCount(codecs) === trackCount(this.#codecs)) {
      this.#codecs = codecs;
      this.#queue?.configure(buffer => buffer.changeType(type));
      return;
    }
    // A source buffer keeps the number of its tracks for good.
    if (this.#buffer !== null) this.#openAgain();
    await this.#opened;
    if (this.#load !== load || this.#closed || this.#buffer !== null) return;
    this.#codecs = codecs;
    this.#buffer = this.#source.addSourceBuffer(type);
    this.#buffer.mode = 'segments';
    this.#buffer.timestampOffset = -this.#originMs / 1000;
    this.#queue = new AppendQueue(this.#buffer, reason => this.#reopen(reason));
  }

  readonly #onError = (): void => {
    if (this.#video.error !== null)
      this.#reopen(this.#video.error.message || 'The recording could not be decoded');
  };

  /** Whoever goes somewhere is not told what could not be had before: it is asked for at once. */
  askAgain(): void {
    this.#waitUntilMs = 0;
    if (this.#load?.state !== 'NOTHING' && this.#load?.isRepeated !== true) return;
    this.#load.abort.abort();
    this.#load = null;
  }

  /** Shows the instant `ms` as soon as its picture is there. */
  seek(ms: number): void {
    this.#shownMs = null;
    this.#video.currentTime = Math.max(0, (ms - this.#originMs) / 1000);
  }

  /** For what the element cannot play: the picture of that instant, when the one before is on the screen. */
  show(ms: number): void {
    this.run(false);
    if (this.#video.seeking) return;
    const pictureMs = this.beside(ms, 0) ?? ms;
    if (pictureMs === this.#shownMs) return;
    this.seek(pictureMs);
    this.#shownMs = pictureMs;
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

  /**
   * Where the first picture after `ms` is, when recording begins a little later. Null when there is none, and while what was asked for
   * at `ms` may still come: pictures of before may lie behind it.
   */
  firstPictureAfter(ms: number): number | null {
    const load = this.#load;
    const nextMs = this.#index.beside(ms, 1);
    if (load === null || nextMs === null || ms < load.fromMs || nextMs > load.reachedMs) return null;
    const there = this.#bufferedAt(nextMs + 1);
    return there !== null && there.fromMs > ms && nextMs - ms < FIRST_PICTURE_MS ? nextMs + 1 : null;
  }

  #trim(): void {
    const atS = this.#video.currentTime;
    if (Math.abs(atS - this.#trimmedAtS) < TRIM_STEP_S) return;
    this.#trimmedAtS = atS;
    if (this.#direction > 0) this.#queue?.remove(0, atS - KEEP_S);
    else this.#queue?.remove(atS + KEEP_S, Number.POSITIVE_INFINITY);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#load?.abort.abort();
    this.#queue?.close();
    this.#video.removeEventListener('error', this.#onError);
    URL.revokeObjectURL(this.#url);
    this.#video.removeAttribute('src');
    this.#video.load();
  }
}
