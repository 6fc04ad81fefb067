import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Span } from '../timeline/timeline.geometry.ts';
import type { CameraPlayer } from './camera.player.ts';
import { PlaybackClock } from './playback.clock.ts';

const test = suite('the clock of playback');
const START_MS = Date.UTC(2026, 10, 27);

/** What a browser would call at its next frame. */
let nextFrame = () => {};
Object.assign(globalThis, {
  requestAnimationFrame: (frame: () => void) => {
    nextFrame = frame;
    return 1;
  },
  cancelAnimationFrame: () => {},
});

/** A clock whose timeline shows nothing, so that each recording is looked for, and found when the test says so. */
function openClock() {
  const looked: { readonly edge: string; readonly find: (ms: number | null) => Promise<void> }[] = [];
  const ends: number[] = [];
  const clock = new PlaybackClock({
    startMs: START_MS,
    onState: () => {},
    onEnd: direction => void ends.push(direction),
    findRecording: (_, __, edge) => {
      const { promise, resolve } = Promise.withResolvers<number | null>();
      const find = async (ms: number | null) => {
        resolve(ms);
        for (let turns = 0; turns < 5; turns += 1) await null;
      };
      looked.push({ edge, find });
      return promise;
    },
  });
  return { clock, looked, ends };
}

const [EARLIER_MS, LATER_MS] = [START_MS - 3_600_000, START_MS + 3_600_000];

test('goes where the newest of two keys asks for, whichever answer comes first', async () => {
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const { clock, looked, ends } = openClock();
    void clock.goToRecording(1);
    void clock.goToRecording(-1);
    assert.equal(
      looked.map(({ edge }) => edge),
      ['NEXT_START', 'PREVIOUS_START'],
    );
    for (const index of order) await looked[index]!.find(index === 0 ? LATER_MS : EARLIER_MS);
    assert.ok(clock.positionMs === EARLIER_MS, new Date(clock.positionMs).toISOString());
    assert.equal(ends, []);
  }
});

test('says of the newest key alone that nothing is there', async () => {
  const { clock, looked, ends } = openClock();
  void clock.goToRecording(1);
  void clock.goToRecording(-1);
  await looked[0]!.find(null);
  assert.equal(ends, []);
  await looked[1]!.find(null);
  assert.equal(ends, [-1]);
});

test('asks once for a key that is pressed again while it still looks', () => {
  const { clock, looked } = openClock();
  void clock.goToRecording(1);
  void clock.goToRecording(1);
  assert.is(looked.length, 1);
});

test('lets a key override what playing looks for by itself, and not the other way round', async () => {
  const { clock, looked } = openClock();
  clock.change({ playing: true });
  nextFrame();
  nextFrame();
  void clock.goToRecording(-1);
  nextFrame();
  assert.equal(
    looked.map(({ edge }) => edge),
    ['NEXT_START', 'PREVIOUS_START'],
  );
  await looked[0]!.find(LATER_MS);
  assert.is(clock.positionMs, START_MS);
  await looked[1]!.find(EARLIER_MS);
  assert.is(clock.positionMs, EARLIER_MS);
});

test('stays where it is when playing is ended, or turned round, while it looks', async () => {
  const { clock, looked } = openClock();
  clock.change({ playing: true });
  nextFrame();
  clock.change({ playing: false });
  await looked[0]!.find(LATER_MS);
  assert.is(clock.positionMs, START_MS);
  clock.change({ playing: true });
  nextFrame();
  clock.change({ direction: -1 });
  nextFrame();
  await looked[1]!.find(LATER_MS);
  assert.is(clock.positionMs, START_MS);
  assert.is(looked[2]!.edge, 'PREVIOUS_END');
});

/** Camera and timeline: what is known of a device, and a camera that has no picture anywhere. */
const DEVICE = 'a camera';
const blindCamera = {
  ...{
    deviceId: DEVICE,
    fault: null,
    askAgain() {},
    prepare: () => 'NOTHING',
    seek() {},
    run() {},
    setSpans() {},
  },
  beside: () => null,
} as unknown as CameraPlayer;
const held = (fromMs: number, toMs: number): Span => ({
  ...{ fromMs, toMs, state: 'HELD' as const, cause: null, retrievableUntil: null, keyFramesOnly: false },
});

test('goes to no recording by a timeline that shows another time: those between would be passed over', async () => {
  const minute = 60_000;
  for (const [direction, elsewhereMs] of [
    [1, START_MS + 100 * minute],
    [-1, START_MS - 100 * minute],
  ] as const) {
    const { clock, looked } = openClock();
    clock.add(blindCamera);
    const [fromMs, toMs] = [elsewhereMs - 10 * minute, elsewhereMs + 10 * minute];
    clock.setSpans(DEVICE, { fromMs, toMs, spans: [held(elsewhereMs - minute, elsewhereMs + minute)] });
    clock.change({ playing: true, direction });
    nextFrame();
    assert.is(clock.positionMs, START_MS);
    assert.is(looked[0]!.edge, direction > 0 ? 'NEXT_START' : 'PREVIOUS_END');
    clock[Symbol.dispose]();
  }
});

test('goes to a start that the timeline shows, and looks further for one that may lie before what is shown', async () => {
  const minute = 60_000;
  const { clock, looked } = openClock();
  clock.add(blindCamera);
  const fromMs = START_MS - 10 * minute;
  const spans = [held(fromMs, START_MS - 8 * minute), held(START_MS - 5 * minute, START_MS - minute)];
  clock.setSpans(DEVICE, { fromMs, toMs: START_MS + minute, spans });
  void clock.goToRecording(-1);
  assert.is(clock.positionMs, START_MS - 5 * minute);
  void clock.goToRecording(-1);
  await looked[0]!.find(START_MS - 60 * minute);
  assert.is(clock.positionMs, START_MS - 60 * minute);
});

test.run();
