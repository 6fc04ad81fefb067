export const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16, 32] as const;

/** Fragments begin and end at frames, not at the instant asked for. */
export const EDGE_MS = 90;

/** How the clock of the page runs. */
export interface Pace {
  readonly playing: boolean;
  readonly direction: 1 | -1;
  readonly speed: number;
}

/** More than this a browser does not decode of four cameras, nor a link carry: beyond it only key frames are fetched. */
const ALL_PICTURES_SPEED_MAX = { forward: 4, backward: 2 };

export type Pictures = 'ALL' | 'KEY';

/** Whoever pauses looks closely, so that all pictures are there to step through. */
export function picturesOf({ playing, direction, speed }: Pace): Pictures {
  const most = direction > 0 ? ALL_PICTURES_SPEED_MAX.forward : ALL_PICTURES_SPEED_MAX.backward;
  return playing && speed > most ? 'KEY' : 'ALL';
}

/** A video element plays forward only. Otherwise it is shown picture after picture, as many as it can seek to. */
export const isPlayedByElement = (pace: Pace): boolean => pace.direction > 0 && picturesOf(pace) === 'ALL';

/** How much is fetched at once and how early the next, in milliseconds of the recording. */
export interface Fetching {
  readonly windowMs: number;
  readonly aheadMs: number;
}

/**
 * Forward: long enough to be cheap, short enough that a seek seldom wastes much. Backward: short, because the picture that is shown
 * first arrives last. More would not fit into the browser's buffer of about 150 MB.
 */
export function fetchingFor(pace: Pace): Fetching {
  const { direction, speed } = pace;
  const isKey = picturesOf(pace) === 'KEY';
  if (direction < 0) {
    const windowMs = (isKey ? 4_000 : 6_000) * Math.max(1, speed);
    return { windowMs, aheadMs: windowMs };
  }
  if (isKey) return { windowMs: 12_000 * speed, aheadMs: 5_000 * speed };
  const times = Math.min(4, Math.max(1, speed));
  return { windowMs: 24_000 * times, aheadMs: 9_000 * times };
}
