import type { ServedAccessUnit, ServedPresentation, ServedTrack } from '../../rtsp-server/media-provider.js';
import type { Clip } from '../../simulated-cameras/clip.js';
import { LoopedCamera } from '../../simulated-cameras/looped-camera.js';
import { isH265Key } from './h265-clip.js';

type Deliver = (accessUnits: readonly ServedAccessUnit[]) => void;

/** What a camera of the soak does wrong in the middle of its stream. */
export type StreamFailure =
  | 'FREEZES'
  | 'SWITCHES_FORMAT'
  | 'STEPS_ITS_CLOCK'
  | 'SENDS_NO_KEY_FRAMES'
  | 'FLOODS'
  | 'LOSES_PICTURES';
export const STREAM_FAILURES: readonly StreamFailure[] = [
  'FREEZES',
  'SWITCHES_FORMAT',
  'STEPS_ITS_CLOCK',
  'SENDS_NO_KEY_FRAMES',
  'FLOODS',
  'LOSES_PICTURES',
];

/** Beyond the 10 s after which a silent camera is given up. */
const FREEZE_MS = 14_000;
const NO_KEY_FRAMES_MS = 12_000;
const FLOOD_MS = 5_000;
const LOSS_MS = 10_000;
/** Together with 25 pictures a second 80 Mbit/s. */
const FLOOD_BYTES = 400_000;
/** As far as that a clock is believed, beyond it not: both. */
const CLOCK_STEPS_S = [1.4, -1.4, 7200, -3600];
/** The byte that a unit of filler data begins with: ITU-T H.264 table 7-1, H.265 table 7-1. */
const FILLER_DATA = { H264: 12, H265: 38 << 1 };
const isH264Key = (units: ServedAccessUnit['units']) => units.some(unit => (unit[0]! & 0x1f) === 5);

/** A simulated camera that fails when it is told to, and recovers by itself. */
export class FailingCamera implements ServedPresentation {
  readonly name: string;
  readonly #cameras: readonly LoopedCamera[];
  readonly #clips: readonly Clip[];
  readonly #watchers = new Map<Deliver, () => void>();
  readonly #isKey: (units: ServedAccessUnit['units']) => boolean;
  readonly #filler = Buffer.alloc(FLOOD_BYTES, 0xff);
  #current = 0;
  #announces = false;
  #offsetS = 0;
  #stepCount = 0;
  #failing: { readonly kind: StreamFailure; readonly untilMs: number } | null = null;

  constructor(options: {
    readonly name: string;
    /** Those between which it switches. */
    readonly clips: readonly Clip[];
    /** Its crystal: 1.0005 is 500 ppm too quick. */
    readonly drift: number;
    readonly codec?: 'H264' | 'H265';
  }) {
    const { name, clips, drift, codec = 'H264' } = options;
    this.name = name;
    this.#clips = clips;
    const beganMs = performance.timeOrigin + performance.now();
    const now = () => beganMs + (performance.timeOrigin + performance.now() - beganMs) * drift;
    this.#cameras = clips.map(clip => new LoopedCamera({ name, clip, startMs: beganMs, now }));
    this.#isKey = codec === 'H264' ? isH264Key : isH265Key;
    this.#filler[0] = FILLER_DATA[codec];
    this.#filler[1] = 1;
    this.#filler[FLOOD_BYTES - 1] = 0x80;
  }

  get tracks(): readonly ServedTrack[] {
    return this.#cameras[this.#current]!.tracks;
  }

  subscribe(deliver: Deliver): () => void {
    const watcher: Deliver = units => deliver(units);
    this.#watchers.set(watcher, this.#begin(watcher));
    return () => {
      this.#watchers.get(watcher)?.();
      this.#watchers.delete(watcher);
    };
  }

  fail(kind: StreamFailure): void {
    const nowMs = performance.now();
    if (kind === 'SWITCHES_FORMAT') {
      if (this.#cameras.length > 1) this.#switch();
    } else if (kind === 'STEPS_ITS_CLOCK') {
      this.#offsetS += CLOCK_STEPS_S[this.#stepCount++ % CLOCK_STEPS_S.length]!;
    } else {
      const lastingMs = { FREEZES: FREEZE_MS, FLOODS: FLOOD_MS, LOSES_PICTURES: LOSS_MS }[kind as 'FREEZES'];
      this.#failing = { kind, untilMs: nowMs + (lastingMs ?? NO_KEY_FRAMES_MS) };
    }
  }

  #switch(): void {
    this.#current = (this.#current + 1) % this.#cameras.length;
    this.#announces = true;
    for (const [watcher, end] of this.#watchers) {
      end();
      this.#watchers.set(watcher, this.#begin(watcher));
    }
  }

  #begin(watcher: Deliver): () => void {
    return this.#cameras[this.#current]!.subscribe(units => {
      const sent = units.flatMap(unit => this.#pass(unit));
      if (sent.length > 0) watcher(sent);
    });
  }

  #pass(unit: ServedAccessUnit): readonly ServedAccessUnit[] {
    const isVideo = unit.trackIndex === 0;
    const { clockRate } = this.tracks[unit.trackIndex]!;
    const ticks = unit.ticks + Math.round(this.#offsetS * clockRate);
    if (this.#failing !== null && performance.now() >= this.#failing.untilMs) this.#failing = null;
    const isKey = isVideo && this.#isKey(unit.units);
    switch (this.#failing?.kind) {
      case 'FREEZES':
        return [];
      case 'SENDS_NO_KEY_FRAMES':
        if (isKey) return [];
        break;
      case 'LOSES_PICTURES':
        if (isVideo && !isKey && ticks % 5 === 0) return [];
        break;
      case 'FLOODS':
        if (isVideo) return [{ ...unit, ticks, units: [...unit.units, this.#filler] }];
    }
    if (!isKey || !this.#announces) return [{ ...unit, ticks }];
    const { sps, pps } = this.#clips[this.#current]!;
    return [{ ...unit, ticks, units: [sps, pps, ...unit.units] }];
  }
}
