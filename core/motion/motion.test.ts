import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MOTION_DETECTION } from '../recording-policy/recording-policy.js';
import { decodeHeatMap, encodeHeatMap, searchHeatMap } from './heat-map.js';
import { STILL, withPicture } from './motion.machine.js';
import { MOTION_PICTURE_SIDE, measureMotion } from './motion-grid.js';

const test = suite('motion');

const side = MOTION_PICTURE_SIDE;
/** A textured wall, so and so bright, with a dark square of 16 × 16 pixels at a place, and noise. */
function picture(options: {
  readonly square?: readonly [number, number];
  readonly brighter?: number;
  readonly seed?: number;
}) {
  const { square, brighter = 0, seed = 1 } = options;
  let random = seed;
  return Uint8Array.from({ length: side * side }, (_, at) => {
    const [x, y] = [at % side, Math.floor(at / side)];
    random = (random * 1_103_515_245 + 12_345) & 0x7fffffff;
    const noise = (random >> 16) % 3;
    const inSquare = square && x >= square[0] && x < square[0] + 16 && y >= square[1] && y < square[1] + 16;
    return (inSquare ? 20 : 100 + ((x * 7 + y * 13) % 40)) + brighter + noise;
  });
}

test('what moves is found in the cells that it left and that it came into', () => {
  const { cells, permille } = measureMotion(
    picture({ square: [0, 0] }),
    picture({ square: [64, 32], seed: 2 }),
    MOTION_DETECTION,
  );
  const moving = [...cells.keys()].filter(cell => cells[cell] === 1);
  // 16 pixels are two cells of a grid of 16: four cells where it was, four where it is.
  assert.equal(moving, [0, 1, 16, 17, 4 * 16 + 8, 4 * 16 + 9, 5 * 16 + 8, 5 * 16 + 9]);
  assert.is(Math.round(permille), 31);
});

test('noise, and light that is switched on, are no motion', () => {
  const measure = measureMotion(picture({}), picture({ brighter: 40, seed: 9 }), {
    ...MOTION_DETECTION,
    sensitivity: 100,
  });
  assert.is(measure.permille, 0);
});

test('cells that are excluded are not looked at', () => {
  const exclusionMask = '1'.repeat(128) + '0'.repeat(128);
  const [before, now] = [picture({ square: [0, 0] }), picture({ square: [0, 32], seed: 3 })];
  assert.is(measureMotion(before, now, { ...MOTION_DETECTION, exclusionMask }).permille, 0);
  const all = measureMotion(before, now, { ...MOTION_DETECTION, exclusionMask: '1'.repeat(256) });
  assert.is(all.permille, 0);
});

test('a finer grid, and less sensitivity, say so', () => {
  const [before, now] = [picture({}), picture({ square: [0, 0], seed: 3 })];
  assert.is(
    measureMotion(before, now, { ...MOTION_DETECTION, gridSide: 64 }).cells.filter(Boolean).length,
    64,
  );
  assert.is(measureMotion(before, now, { ...MOTION_DETECTION, gridSide: 8 }).cells.filter(Boolean).length, 1);
});

const moves = { cells: new Uint8Array(256), permille: 20 };
const rests = { cells: new Uint8Array(256), permille: 0 };

test('motion begins with one picture and ends with two quiet ones', () => {
  const states = [STILL];
  for (const measure of [moves, rests, moves, rests, rests, rests]) {
    states.push(withPicture(states.at(-1)!, measure, 8));
  }
  assert.equal(
    states.map(state => state.moving),
    [false, true, true, true, true, false, false],
  );
});

test('what cannot be judged is recorded rather than missed, until it can', () => {
  const unjudged = [null, null, null].reduce<typeof STILL>(
    (state, measure) => withPicture(state, measure, 8),
    STILL,
  );
  assert.is(unjudged.moving, true);
  const judged = withPicture(withPicture(unjudged, rests, 8), rests, 8);
  assert.is(judged.moving, false);
  assert.is(withPicture(withPicture(STILL, null, 8), null, 8).moving, false);
});

const pictures = [
  { atMs: 120_000, cells: Uint8Array.from({ length: 256 }, (_, cell) => (cell < 3 ? 1 : 0)) },
  { atMs: 121_000, cells: Uint8Array.from({ length: 256 }, (_, cell) => (cell % 5 === 0 ? 1 : 0)) },
  { atMs: 179_999, cells: Uint8Array.from({ length: 256 }, (_, cell) => (cell >= 250 ? 1 : 0)) },
];
const row = { fromMs: 120_000, bytes: encodeHeatMap(120_000, 16, pictures) };

test('a heat map is told as it was', () => {
  assert.equal(decodeHeatMap(row), pictures);
  assert.equal(decodeHeatMap({ ...row, bytes: row.bytes.subarray(0, -1) }), pictures.slice(0, 2));
  assert.equal(decodeHeatMap({ fromMs: 0, bytes: new Uint8Array() }), []);
});

test('a search finds when enough of a region moved, whatever the grid of its mask', () => {
  const topLeft = `1${'0'.repeat(63)}`;
  const query = { mask: topLeft, fromMs: 0, toMs: 1e9, thresholdPermille: 1 };
  assert.equal(searchHeatMap([row], query), [120_000, 121_000]);
  // A cell of a grid of 8 is four of a grid of 16, of which the first picture moves two.
  assert.equal(searchHeatMap([row], { ...query, thresholdPermille: 500 }), [120_000]);
  assert.equal(searchHeatMap([row], { ...query, thresholdPermille: 501 }), []);
  assert.equal(
    searchHeatMap([row], { ...query, mask: '1'.repeat(64), fromMs: 121_000, toMs: 179_999 }),
    [121_000],
  );
  assert.equal(searchHeatMap([row], { ...query, mask: '0'.repeat(64) }), []);
});

test.run();
