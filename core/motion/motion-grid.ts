import type { MotionDetection } from '@holdfast/schema';

/** What pictures are scaled to before they are compared: two pixels across and down for each cell of the finest grid. */
export const MOTION_PICTURE_SIDE = 128;
/** At full sensitivity a cell moves from this difference of its mean brightness on, out of 255: above the noise of a codec. */
const DIFFERENCE_MIN = 2;
const DIFFERENCE_MAX = 40;

export interface MotionMeasure {
  /** Of each cell of the grid, row by row, 1 or 0. */
  readonly cells: Uint8Array;
  /** Of the cells that are looked at, how many in a thousand move. */
  readonly permille: number;
}

/**
 * Compares two pictures of 128 × 128 brightnesses. What the whole picture became brighter or darker is taken away first: a lamp
 * that is switched on, or a camera that adjusts itself, is no motion.
 */
export function measureMotion(
  before: Uint8Array,
  now: Uint8Array,
  { gridSide, sensitivity, exclusionMask }: MotionDetection,
): MotionMeasure {
  const shift = meanDifference(before, now);
  const threshold = DIFFERENCE_MIN + ((100 - sensitivity) / 100) ** 2 * (DIFFERENCE_MAX - DIFFERENCE_MIN);
  const sums = new Float64Array(gridSide ** 2);
  const counts = new Uint32Array(gridSide ** 2);
  const cellOf = Uint16Array.from({ length: MOTION_PICTURE_SIDE }, (_, at) =>
    Math.floor((at * gridSide) / MOTION_PICTURE_SIDE),
  );
  for (let row = 0; row < MOTION_PICTURE_SIDE; row += 1) {
    const firstCell = cellOf[row]! * gridSide;
    const firstPixel = row * MOTION_PICTURE_SIDE;
    for (let column = 0; column < MOTION_PICTURE_SIDE; column += 1) {
      const cell = firstCell + cellOf[column]!;
      sums[cell]! += Math.abs(now[firstPixel + column]! - before[firstPixel + column]! - shift);
      counts[cell]! += 1;
    }
  }
  const cells = new Uint8Array(gridSide ** 2);
  let looked = 0;
  let moving = 0;
  for (let cell = 0; cell < cells.length; cell += 1) {
    if (exclusionMask[cell] === '1') continue;
    looked += 1;
    if (sums[cell]! / counts[cell]! < threshold) continue;
    cells[cell] = 1;
    moving += 1;
  }
  return { cells, permille: looked === 0 ? 0 : (moving * 1000) / looked };
}

/** Of the middle half of the differences: what moves must not shift what does not. */
function meanDifference(before: Uint8Array, now: Uint8Array): number {
  const counts = new Uint32Array(511);
  for (let at = 0; at < now.length; at += 1) counts[now[at]! - before[at]! + 255]! += 1;
  const quarter = now.length / 4;
  let passed = 0;
  let sum = 0;
  let taken = 0;
  for (let index = 0; index < counts.length; index += 1) {
    const count = counts[index]!;
    const from = Math.max(passed, quarter);
    const to = Math.min(passed + count, 3 * quarter);
    passed += count;
    if (to <= from) continue;
    sum += (to - from) * (index - 255);
    taken += to - from;
  }
  return taken === 0 ? 0 : sum / taken;
}
