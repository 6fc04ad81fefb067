import { nextRecording, type Span } from '../timeline/timeline.geometry';
import type { CameraPlayer, Readiness } from './camera.player';

export const SPEEDS = [0.5, 1, 2, 4, 8] as const;

export interface PlaybackState {
  readonly playing: boolean;
  readonly speed: number;
  readonly skipGaps: boolean;
  /** Playing, but waiting for pictures of at least one camera. */
  readonly waiting: boolean;
}

/** One camera that does not come must not stop the others for ever. */
const WAIT_LIMIT_MS = 5_000;
/** The newest recording is sealed a little later than it happens. */
const PRESENT_MARGIN_MS = 1_000;

/** The common clock of all cameras on the page: who has pictures leads, the others follow, and all wait for each other. */
export class PlaybackClock implements Disposable {
  readonly #onState: (state: PlaybackState) => void;
  readonly #cameras = new Map<string, CameraPlayer>();
  readonly #lanes = new Map<string, readonly Span[]>();
  readonly #readiness = new Map<string, Readiness>();
  #state: PlaybackState = { playing: false, speed: 1, skipGaps: true, waiting: false };
  #positionMs: number;
  #waitingSinceMs: number | null = null;
  #tickedAtMs = performance.now();
  #frame: number;

  constructor(startMs: number, onState: (state: PlaybackState) => void) {
    this.#positionMs = startMs;
    this.#onState = onState;
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
    this.#state = merged;
    if (changed) this.#onState(merged);
  }

  seek(ms: number): void {
    this.#positionMs = Math.min(ms, Date.now());
    this.#waitingSinceMs = null;
    for (const camera of this.#cameras.values()) {
      camera.prepare(this.#positionMs, this.#state.speed);
      camera.seek(this.#positionMs);
    }
  }

  step(frames: number): void {
    this.change({ playing: false });
    const frameMs = Math.max(10, [...this.#cameras.values()][0]?.frameMs ?? 40);
    this.seek(this.#positionMs + frames * frameMs);
  }

  readonly #tick = (): void => {
    const nowMs = performance.now();
    const passedMs = Math.min(250, nowMs - this.#tickedAtMs);
    this.#tickedAtMs = nowMs;
    const cameras = [...this.#cameras.values()];
    for (const camera of cameras)
      this.#readiness.set(camera.deviceId, camera.prepare(this.#positionMs, this.#state.speed));
    this.#advance(cameras, passedMs);
    this.#frame = requestAnimationFrame(this.#tick);
  };

  #advance(cameras: readonly CameraPlayer[], passedMs: number): void {
    const { playing, speed } = this.#state;
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
    const leader = ready[0];
    if (leader === undefined) this.#passNothing(passedMs * speed);
    else this.#followLeader(leader, ready);
    if (this.#positionMs >= Date.now() - PRESENT_MARGIN_MS) this.change({ playing: false });
  }

  #mayWait(cameras: readonly CameraPlayer[]): boolean {
    this.#waitingSinceMs ??= performance.now();
    if (performance.now() - this.#waitingSinceMs > WAIT_LIMIT_MS) return false;
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

  /** No camera has a picture: over to where the next recording begins, or through the gap at the chosen speed. */
  #passNothing(byMs: number): void {
    const lanes = [...this.#cameras.keys()].map(id => this.#lanes.get(id) ?? []);
    const next = this.#state.skipGaps ? nextRecording(lanes, this.#positionMs + 200) : null;
    if (next === null) this.#positionMs += byMs;
    else this.seek(next);
  }

  [Symbol.dispose](): void {
    cancelAnimationFrame(this.#frame);
    this.change({ playing: false });
  }
}
