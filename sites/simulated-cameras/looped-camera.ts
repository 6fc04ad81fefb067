import {
  type ServedAccessUnit,
  type ServedPresentation,
  type ServedTrack,
} from '../rtsp-server/media-provider.js';
import { CLIP_FRAMES_PER_SECOND, type Clip } from './clip.js';

const VIDEO_CLOCK_HZ = 90_000;
const SAMPLES_PER_AAC_FRAME = 1024;
const TICKS_PER_PICTURE = VIDEO_CLOCK_HZ / CLIP_FRAMES_PER_SECOND;
/** After a stall (a suspended machine) what is older is skipped, as a real camera would have dropped it. */
const LATENESS_MS_MAX = 2000;

type Deliver = (accessUnits: readonly ServedAccessUnit[]) => void;

/**
 * A camera that never stops: picture n was captured at `startMs` + n/25 s for ever, whoever watches. Every client sees
 * the same stream and joins it wherever it is, mid-GOP too. It works only while somebody is watching.
 */
export class LoopedCamera implements ServedPresentation, Disposable {
  readonly name: string;
  readonly tracks: readonly ServedTrack[];
  readonly #clip: Clip;
  readonly #describe: ((atMs: number) => string) | null;
  readonly #startMs: number;
  readonly #now: () => number;
  readonly #watchers = new Set<Deliver>();
  #timer: NodeJS.Timeout | undefined;
  #nextPicture = 0;
  #nextAudioFrame = 0;

  constructor(options: {
    readonly name: string;
    readonly clip: Clip;
    /** What it says of the scene at a time, as ONVIF metadata, each second. Left out: nothing. */
    readonly describe?: (atMs: number) => string;
    /** Capture time of the first picture, milliseconds since the Unix epoch. */
    readonly startMs: number;
    /** The camera's clock: milliseconds since the Unix epoch, never stepping. */
    readonly now: () => number;
  }) {
    this.name = options.name;
    this.#clip = options.clip;
    this.#startMs = Math.round(options.startMs);
    this.#now = options.now;
    this.#describe = options.describe ?? null;
    this.tracks = [...tracksOf(options.clip), ...(this.#describe === null ? [] : [metadataTrack])];
  }

  subscribe(deliver: Deliver): () => void {
    // A watcher of its own for each call, so that one function may subscribe twice.
    const watcher: Deliver = accessUnits => deliver(accessUnits);
    this.#watchers.add(watcher);
    if (this.#watchers.size === 1) this.#resume();
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) clearTimeout(this.#timer);
    };
  }

  [Symbol.dispose](): void {
    this.#watchers.clear();
    clearTimeout(this.#timer);
  }

  #elapsedMs(): number {
    return this.#now() - this.#startMs;
  }

  /** Goes on with what is captured from now on. */
  #resume(): void {
    const elapsedS = Math.max(0, this.#elapsedMs()) / 1000;
    this.#nextPicture = Math.ceil(elapsedS * CLIP_FRAMES_PER_SECOND);
    const { audio } = this.#clip;
    if (audio) this.#nextAudioFrame = Math.ceil((elapsedS * audio.sampleRate) / SAMPLES_PER_AAC_FRAME);
    this.#schedule();
  }

  #schedule(): void {
    const dueMs = (this.#nextPicture * 1000) / CLIP_FRAMES_PER_SECOND;
    this.#timer = setTimeout(() => this.#tick(), Math.max(0, dueMs - this.#elapsedMs()));
  }

  /** Wakes once per picture; the sound captured since the last one goes with it. */
  #tick(): void {
    const elapsedMs = this.#elapsedMs();
    if (elapsedMs > (this.#nextPicture * 1000) / CLIP_FRAMES_PER_SECOND + LATENESS_MS_MAX) this.#resume();
    else {
      const accessUnits = this.#takeDue(elapsedMs);
      if (accessUnits.length > 0) for (const deliver of [...this.#watchers]) deliver(accessUnits);
      if (this.#watchers.size > 0) this.#schedule();
    }
  }

  #takeDue(elapsedMs: number): ServedAccessUnit[] {
    const { pictures, audio } = this.#clip;
    const due: ServedAccessUnit[] = [];
    for (; (this.#nextPicture * 1000) / CLIP_FRAMES_PER_SECOND <= elapsedMs; this.#nextPicture += 1) {
      const picture = pictures[this.#nextPicture % pictures.length]!;
      const ticks = this.#startMs * (VIDEO_CLOCK_HZ / 1000) + this.#nextPicture * TICKS_PER_PICTURE;
      due.push({ trackIndex: 0, ticks, units: picture.nalUnits });
      if (this.#describe !== null && this.#nextPicture % CLIP_FRAMES_PER_SECOND === 0) {
        const xml = this.#describe(this.#startMs + (this.#nextPicture * 1000) / CLIP_FRAMES_PER_SECOND);
        due.push({ trackIndex: this.tracks.length - 1, ticks, units: [Buffer.from(xml)] });
      }
    }
    if (!audio) return due;
    // A frame of sound is complete only when its last sample is captured.
    const frameMs = (SAMPLES_PER_AAC_FRAME * 1000) / audio.sampleRate;
    for (; (this.#nextAudioFrame + 1) * frameMs <= elapsedMs; this.#nextAudioFrame += 1) {
      const frame = audio.frames[this.#nextAudioFrame % audio.frames.length]!;
      const startTicks = Math.round((this.#startMs * audio.sampleRate) / 1000);
      const ticks = startTicks + this.#nextAudioFrame * SAMPLES_PER_AAC_FRAME;
      due.push({ trackIndex: 1, ticks, units: [frame] });
    }
    return due;
  }
}

const metadataTrack: ServedTrack = { kind: 'METADATA', clockRate: VIDEO_CLOCK_HZ };

function tracksOf(clip: Clip): ServedTrack[] {
  const video: ServedTrack = {
    kind: 'VIDEO',
    clockRate: VIDEO_CLOCK_HZ,
    sps: clip.sps,
    pps: clip.pps,
    framesPerSecond: CLIP_FRAMES_PER_SECOND,
  };
  if (!clip.audio) return [video];
  const { sampleRate, channels, audioSpecificConfig } = clip.audio;
  return [video, { kind: 'AUDIO', clockRate: sampleRate, channels, audioSpecificConfig }];
}
