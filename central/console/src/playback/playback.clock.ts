import { type KnownSpans, type RecordingEdge, recordingEdge } from '../timeline/timeline.geometry.ts';
import type { CameraPlayer, Readiness } from './camera.player';
import { EDGE_MS, isPlayedByElement, type Pace } from './pace.ts';

export interface PlaybackState extends Pace {
  readonly skipGaps: boolean;
  /** Playing, but waiting for pictures of at least one camera. */
  readonly waiting: boolean;
}

/** One camera that does not come must not stop the others for ever. */
const WAIT_LIMIT_MS = 5_000;
/** The newest recording is sealed a little later than it happens. */
const PRESENT_MARGIN_MS = 1_000;
/** Before a camera has told its own. */
const PICTURE_MS = 40;

/** The nearest edge of these cameras' recordings, when the timeline that is loaded shows none; null when there is none at all. */
export type FindRecording = (
  deviceIds: readonly string[],
  ms: number,
  edge: RecordingEdge,
) => Promise<number | null>;

export interface PlaybackClockOptions {
  readonly startMs: number;
  readonly onState: (state: PlaybackState) => void;
  readonly findRecording: FindRecording;
  /** Nothing more is recorded that way. */
  readonly onEnd: (direction: Pace['direction']) => void;
}

interface Looking {
  readonly edge: RecordingEdge;
  /** Somebody has asked for it; else playing came to where nothing is. */
  readonly isAsked: boolean;
}

/** The common clock of all cameras on the page: who has pictures leads, the others follow, and all wait for each other. */
export class PlaybackClock implements Disposable {
  readonly #options: PlaybackClockOptions;
  readonly #cameras = new Map<string, CameraPlayer>();
  readonly #lanes = new Map<string, KnownSpans>();
  readonly #readiness = new Map<string, Readiness>();
  #state: PlaybackState = { playing: false, direction: 1, speed: 1, skipGaps: true, waiting: false };
  #positionMs: number;
  #waitingSinceMs: number | null = null;
  #tickedAtMs = performance.now();
  /** For which recording is being looked, beyond the timeline that is loaded. */
  #looking: Looking | null = null;
  #frame: number;

  constructor(options: PlaybackClockOptions) {
    this.#positionMs = options.startMs;
    this.#options = options;
    this.#frame = requestAnimationFrame(this.#tick);
  }

  get state(): PlaybackState {
    return this.#state;
  }
  get positionMs(): number {
    return this.#positionMs;
  }

  readinessOf(deviceId: string): Readiness {
    return this.#readiness.get(deviceId) ?? 'LOADING';
  }
  faultOf(deviceId: string): string | null {
    return this.#cameras.get(deviceId)?.fault ?? null;
  }

  add(camera: CameraPlayer): () => void {
    this.#cameras.set(camera.deviceId, camera);
    camera.setSpans(this.#lanes.get(camera.deviceId));
    return () => {
      if (this.#cameras.get(camera.deviceId) === camera) this.#cameras.delete(camera.deviceId);
    };
  }

  setSpans(deviceId: string, known: KnownSpans): void {
    this.#lanes.set(deviceId, known);
    this.#cameras.get(deviceId)?.setSpans(known);
  }

  change(next: Partial<PlaybackState>): void {
    const merged = { ...this.#state, ...next };
    const changed = (Object.keys(merged) as (keyof PlaybackState)[]).some(
      key => merged[key] !== this.#state[key],
    );
    const turns = merged.direction !== this.#state.direction;
    const stops = merged.playing !== this.#state.playing && this.#looking?.isAsked === false;
    if (turns || stops) this.#looking = null;
    this.#state = merged;
    if (changed) this.#options.onState(merged);
  }

  seek(ms: number): void {
    this.#positionMs = Math.min(ms, Date.now());
    this.#waitingSinceMs = null;
    this.#looking = null;
    for (const camera of this.#cameras.values()) {
      camera.askAgain();
      camera.prepare(this.#positionMs, this.#state);
      camera.seek(this.#positionMs);
    }
  }

  /** By pictures of the first camera that has some here; negative: back. */
  step(pictures: number): void {
    this.change({ playing: false, direction: 1 });
    const beside = [...this.#cameras.values()].map(camera => camera.beside(this.#positionMs, pictures));
    this.seek(beside.find(ms => ms !== null) ?? this.#positionMs + pictures * PICTURE_MS);
  }

  /** To the start of the next recording, or of the one before, of any camera. */
  async goToRecording(direction: Pace['direction']): Promise<void> {
    const edge = direction > 0 ? 'NEXT_START' : 'PREVIOUS_START';
    const there = this.#edge(edge);
    if (there !== null) this.seek(there);
    else if (this.#looking?.edge !== edge || !this.#looking.isAsked)
      await this.#lookFurther({ edge, isAsked: true });
  }

  readonly #tick = (): void => {
    const nowMs = performance.now();
    const passedMs = Math.min(250, nowMs - this.#tickedAtMs);
    this.#tickedAtMs = nowMs;
    const cameras = [...this.#cameras.values()];
    for (const camera of cameras)
      this.#readiness.set(camera.deviceId, camera.prepare(this.#positionMs, this.#state));
    this.#advance(cameras, passedMs);
    this.#frame = requestAnimationFrame(this.#tick);
  };

  #advance(cameras: readonly CameraPlayer[], passedMs: number): void {
    const { playing, direction, speed } = this.#state;
    const ready = cameras.filter(camera => this.#readiness.get(camera.deviceId) === 'READY');
    const waits = cameras.some(camera => this.#readiness.get(camera.deviceId) === 'LOADING');
    for (const camera of cameras) if (!ready.includes(camera)) camera.run(false);
    if (!playing) {
      for (const camera of ready) camera.follow(this.#positionMs, false, speed);
      this.#waitingSinceMs = null;
      this.change({ waiting: waits });
      return;
    }
    if (waits && this.#mayWait(cameras)) {
      for (const camera of ready) camera.run(false);
      this.change({ waiting: true });
      return;
    }
    if (!waits) this.#waitingSinceMs = null;
    this.change({ waiting: false });
    const [leader] = ready;
    if (leader === undefined) this.#passNothing(passedMs * speed * direction);
    else if (isPlayedByElement(this.#state)) this.#followLeader(leader, ready);
    else this.#show(ready, passedMs * speed * direction);
    if (direction > 0 && this.#positionMs >= Date.now() - PRESENT_MARGIN_MS) this.change({ playing: false });
  }

  #mayWait(cameras: readonly CameraPlayer[]): boolean {
    this.#waitingSinceMs ??= performance.now();
    if (performance.now() - this.#waitingSinceMs > WAIT_LIMIT_MS) return false;
    if (this.#state.direction < 0) return true;
    // Recording may begin a little after the instant asked for: go there instead of waiting for what will not come.
    const starts = cameras
      .map(camera => camera.firstPictureAfter(this.#positionMs))
      .filter(ms => ms !== null);
    if (starts.length > 0 && starts.length === cameras.length) this.seek(Math.min(...starts));
    return true;
  }

  #followLeader(leader: CameraPlayer, ready: readonly CameraPlayer[]): void {
    const { speed } = this.#state;
    const distanceMs = leader.positionMs - this.#positionMs;
    if (Math.abs(distanceMs) > 400 * Math.max(1, speed)) leader.seek(this.#positionMs);
    else if (distanceMs > 0) this.#positionMs += distanceMs;
    leader.setRate(speed);
    leader.run(true);
    for (const camera of ready) if (camera !== leader) camera.follow(this.#positionMs, true, speed);
  }

  /** Faster than an element plays, or backward: this clock runs by itself, and each camera shows what it can. */
  #show(ready: readonly CameraPlayer[], byMs: number): void {
    this.#positionMs += byMs;
    for (const camera of ready) camera.show(this.#positionMs);
  }

  /** In the timeline that is loaded, where that shows the playhead. */
  #edge(edge: RecordingEdge): number | null {
    const lanes = [...this.#cameras.keys()].map(id => this.#lanes.get(id));
    if (lanes.includes(undefined)) return null;
    return recordingEdge(edge, lanes as KnownSpans[], this.#positionMs);
  }

  /** No camera has a picture: over to where the next recording is, or through the gap at the chosen speed. */
  #passNothing(byMs: number): void {
    const { skipGaps, direction } = this.#state;
    if (!skipGaps) {
      this.#positionMs += byMs;
      return;
    }
    const edge = direction > 0 ? 'NEXT_START' : 'PREVIOUS_END';
    const there = this.#edge(edge);
    if (there !== null) this.#seekEdge(edge, there);
    // Nothing that playing does by itself overrides what somebody has asked for.
    else if (this.#looking === null) void this.#lookFurther({ edge, isAsked: false });
  }

  #seekEdge(edge: RecordingEdge, ms: number): void {
    this.seek(edge === 'PREVIOUS_END' ? ms - 2 * EDGE_MS : ms);
  }

  /** Beyond the timeline that is loaded. Meanwhile the clock stands. What is looked for last counts. */
  async #lookFurther(looking: Looking): Promise<void> {
    const { edge } = looking;
    this.#looking = looking;
    const found = await this.#options.findRecording([...this.#cameras.keys()], this.#positionMs, edge);
    if (this.#looking !== looking) return;
    this.#looking = null;
    if (found !== null) this.#seekEdge(edge, found);
    else {
      this.change({ playing: false });
      this.#options.onEnd(edge === 'NEXT_START' ? 1 : -1);
    }
  }

  [Symbol.dispose](): void {
    cancelAnimationFrame(this.#frame);
    this.change({ playing: false });
  }
}
