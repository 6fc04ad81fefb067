import type { MotionMeasure } from './motion-grid.js';

/** So many pictures without motion end it: one in between is somebody who stands still. */
export const QUIET_PICTURES = 2;
/** So many pictures in a row that nobody could judge count as motion: rather recorded than missed. */
export const UNJUDGED_PICTURES = 3;

export interface MotionState {
  readonly moving: boolean;
  readonly quietCount: number;
  readonly unjudgedCount: number;
}

export const STILL: MotionState = { moving: false, quietCount: 0, unjudgedCount: 0 };

/** The table of this machine stands in SPEC.md. `measure` null: the picture could not be judged. */
export function withPicture(
  state: MotionState,
  measure: MotionMeasure | null,
  thresholdPermille: number,
): MotionState {
  if (measure === null) {
    const unjudgedCount = state.unjudgedCount + 1;
    return { ...state, unjudgedCount, moving: state.moving || unjudgedCount >= UNJUDGED_PICTURES };
  }
  if (measure.permille >= thresholdPermille) return { moving: true, quietCount: 0, unjudgedCount: 0 };
  const quietCount = state.quietCount + 1;
  return { moving: state.moving && quietCount < QUIET_PICTURES, quietCount, unjudgedCount: 0 };
}
