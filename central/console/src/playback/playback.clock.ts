import { nextRecording, previousRecording, type Span } from '../timeline/timeline.geometry.ts';
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

/** Where the next recording of these cameras is, when the timeline that is loaded shows none; null when there is none at all. */
export type FindRecording = (
  deviceIds: readonly string[],
  fromMs: number,
  direction: Pace['direction'],
) => Promise<number | null>;

export interface PlaybackClockOptions {
  readonly startMs: number;
  readonly onState: (state: PlaybackState) => void;
  readonly findRecording: FindRecording;
  /** Nothing more is recorded that way. */
  readonly onEnd: (direction: Pace['direction']) => void;
}

interface Looking {
  readonly direction: Pace['direction'];
  /** Somebody has asked for it; else playing came to where nothing is. */
  readonly isAsked: boolean;
}

/** The common clock of all cameras on the page: who has pictures leads, the others follow, and all wait for each other. */
export class PlaybackClock implements Disposable {
  readonly #options: PlaybackClockOptions;
  readonly #cameras = new Map<string, CameraPlayer>();
  readonly #lanes = new Map<string, readonly Span[]>();
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

  setSpans(deviceId: string, spans: readonly Span[]): void {
    this.#lanes.set(deviceId, spans);
    this.#cameras.get(deviceId)?.setSpans(spans);
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
    const lanes = this.#shownLanes();
    const startsBefore = lanes.flatMap(spans =>
      spans.filter(
        ({ state, fromMs }) => (state === 'HELD' || state === 'REMOTE') && fromMs < this.#positionMs - 1_000,
      ),
    );
    const there =
      direction > 0
        ? nextRecording(lanes, this.#positionMs)
        : Math.max(...startsBefore.map(({ fromMs }) => fromMs));
    if (there !== null && Number.isFinite(there)) this.seek(there);
    else if (this.#looking?.direction !== direction || !this.#looking.isAsked)
      await this.#lookFurther({ direction, isAsked: true });
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

  #shownLanes(): readonly (readonly Span[])[] {
    return [...this.#cameras.keys()].map(id => this.#lanes.get(id) ?? []);
  }

  /** No camera has a picture: over to where the next recording is, or through the gap at the chosen speed. */
  #passNothing(byMs: number): void {
    const { skipGaps, direction } = this.#state;
    if (!skipGaps) {
      this.#positionMs += byMs;
      return;
    }
    const next =
      direction > 0
        ? nextRecording(this.#shownLanes(), this.#positionMs)
        : previousRecording(this.#shownLanes(), this.#positionMs);
    if (next === null) {
      // Nothing that playing does by itself overrides what somebody has asked for.
      if (this.#looking === null) void this.#lookFurther({ direction, isAsked: false });
    } else this.seek(direction > 0 ? next : next - 2 * EDGE_MS);
  }

  /** Beyond the timeline that is loaded. Meanwhile the clock stands. What is looked for last counts. */
  async #lookFurther(looking: Looking): Promise<void> {
    const { direction } = looking;
    this.#looking = looking;
    const found = await this.#options.findRecording([...this.#cameras.keys()], this.#positionMs, direction);
    if (this.#looking !== looking) return;
    this.#looking = null;
    if (found !== null) this.seek(direction > 0 ? found : found - 2 * EDGE_MS);
    else {
      this.change({ playing: false });
      this.#options.onEnd(direction);
    }
  }

  [Symbol.dispose](): void {
    cancelAnimationFrame(this.#frame);
    this.change({ playing: false });
  }
}
