import { suite } from 'uvu';
import * as assert from 'uvu/assert';
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
  const looked: { readonly direction: 1 | -1; readonly find: (ms: number | null) => Promise<void> }[] = [];
  const ends: number[] = [];
  const clock = new PlaybackClock({
    startMs: START_MS,
    onState: () => {},
    onEnd: direction => void ends.push(direction),
    findRecording: (_, __, direction) => {
      const { promise, resolve } = Promise.withResolvers<number | null>();
      const find = async (ms: number | null) => {
        resolve(ms);
        for (let turns = 0; turns < 5; turns += 1) await null;
      };
      looked.push({ direction, find });
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
      looked.map(({ direction }) => direction),
      [1, -1],
    );
    for (const index of order) await looked[index]!.find(index === 0 ? LATER_MS : EARLIER_MS);
    assert.ok(Math.abs(clock.positionMs - EARLIER_MS) < 1_000, new Date(clock.positionMs).toISOString());
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
    looked.map(({ direction }) => direction),
    [1, -1],
  );
  await looked[0]!.find(LATER_MS);
  assert.is(clock.positionMs, START_MS);
  await looked[1]!.find(EARLIER_MS);
  assert.ok(Math.abs(clock.positionMs - EARLIER_MS) < 1_000);
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
  assert.is(looked[2]!.direction, -1);
});

test.run();
