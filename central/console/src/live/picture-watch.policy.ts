/** A camera at one picture a second still shows one within this; after it, what is on the screen is not the present. */
export const PICTURE_OLD_MS = 4_000;
/** Nothing at all comes for so long: the connection is dead, whatever it says of itself. */
const DEAD_MS = 12_000;
/** Pictures come and none is shown for so long: whoever decodes them is stuck. Twice as long after each attempt that showed none. */
const STUCK_MS = 10_000;
const STUCK_MS_MAX = 60_000;
/** Key frames alone may be many seconds apart. */
const REDUCED_TIMES = 5;
/** A page that the browser held up for longer was not able to look, nor to be told: that proves nothing about the stream. */
const HELD_UP_MS = 1_000;

/** FRESH: the picture on the screen is the present. OLD: it is not. DEAD, STUCK: nor will it be, without beginning anew. */
export type PictureFinding = 'FRESH' | 'OLD' | 'DEAD' | 'STUCK';

export interface LookFacts {
  /** By a clock that never steps. */
  readonly nowMs: number;
  /** Only key frames come. */
  readonly reduced: boolean;
  /** Attempts in succession that showed nothing. */
  readonly attempt: number;
}

/** How old the picture on the screen is, and whether it will be followed by another. */
export class PictureWatch {
  #lookedMs: number;
  /** Since something came, as far as this page was able to notice. */
  #silentMs = 0;
  /** Since a picture was shown, likewise. */
  #unshownMs = 0;
  #shownAtMs: number | null = null;

  constructor(nowMs: number) {
    this.#lookedMs = nowMs;
  }

  /** A new connection is opened. The picture on the screen stays as old as it is. */
  begin(nowMs: number): void {
    this.#lookedMs = nowMs;
    this.#silentMs = 0;
    this.#unshownMs = 0;
  }

  heard(): void {
    this.#silentMs = 0;
  }

  shown(nowMs: number): void {
    this.#shownAtMs = nowMs;
    this.#unshownMs = 0;
  }

  get isSilent(): boolean {
    return this.#silentMs >= PICTURE_OLD_MS;
  }

  look({ nowMs, reduced, attempt }: LookFacts): PictureFinding {
    const times = reduced ? REDUCED_TIMES : 1;
    const passedMs = Math.min(nowMs - this.#lookedMs, HELD_UP_MS);
    this.#lookedMs = nowMs;
    this.#silentMs += passedMs;
    this.#unshownMs += passedMs;
    if (this.#silentMs >= DEAD_MS * times) return 'DEAD';
    if (this.#unshownMs >= Math.min(STUCK_MS * 2 ** attempt, STUCK_MS_MAX) * times) return 'STUCK';
    const isFresh = this.#shownAtMs !== null && nowMs - this.#shownAtMs < PICTURE_OLD_MS * times;
    return isFresh ? 'FRESH' : 'OLD';
  }
}
