import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PICTURE_OLD_MS, type PictureFinding, PictureWatch } from './picture-watch.policy.ts';

const test = suite('the age of the picture on the screen');

/** Looks ten times a second, while `each` says what happens meanwhile; gives the first finding of each kind with its time. */
function look(
  watch: PictureWatch,
  {
    fromMs = 0,
    toMs,
    reduced = false,
    attempt = 0,
    stepMs = 100,
    each = () => undefined,
  }: {
    fromMs?: number;
    toMs: number;
    reduced?: boolean;
    attempt?: number;
    stepMs?: number;
    each?: (nowMs: number) => void;
  },
): Partial<Record<PictureFinding, number>> {
  const first: Partial<Record<PictureFinding, number>> = {};
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += stepMs) {
    each(nowMs);
    first[watch.look({ nowMs, reduced, attempt })] ??= nowMs;
  }
  return first;
}

test('a picture that another follows is fresh', () => {
  const watch = new PictureWatch(0);
  const each = (nowMs: number) => {
    watch.heard();
    watch.shown(nowMs);
  };
  assert.equal(look(watch, { toMs: 60_000, each }), { FRESH: 0 });
});

test('pictures that come and are not shown: the one on the screen is old, then the decoder is stuck', () => {
  const watch = new PictureWatch(0);
  watch.shown(0);
  const found = look(watch, { toMs: 20_000, each: () => watch.heard() });
  assert.equal(found, { FRESH: 0, OLD: PICTURE_OLD_MS, STUCK: 10_000 });
  assert.not.ok(watch.isSilent);
});

test('who showed nothing last time gets twice the time, up to a minute', () => {
  for (const [attempt, stuckMs] of [
    [1, 20_000],
    [2, 40_000],
    [9, 60_000],
  ] as const) {
    const watch = new PictureWatch(0);
    assert.is(look(watch, { toMs: 70_000, attempt, each: () => watch.heard() }).STUCK, stuckMs);
  }
});

test('a connection on which nothing comes is dead, and silent before', () => {
  const watch = new PictureWatch(0);
  watch.shown(0);
  assert.equal(look(watch, { toMs: 12_000, attempt: 3 }), { FRESH: 0, OLD: PICTURE_OLD_MS, DEAD: 12_000 });
  assert.ok(watch.isSilent);
});

test('key frames alone may be far apart, and are not old before', () => {
  const watch = new PictureWatch(0);
  watch.shown(0);
  assert.equal(look(watch, { toMs: 25_000, reduced: true, each: () => watch.heard() }), {
    FRESH: 0,
    OLD: 5 * PICTURE_OLD_MS,
  });
});

test('a page that was held up says that its picture is old, and does not give up a stream for that', () => {
  const watch = new PictureWatch(0);
  watch.heard();
  watch.shown(0);
  assert.is(watch.look({ nowMs: 60_000, reduced: false, attempt: 0 }), 'OLD');
  // Looked at every five seconds, ten looks are ten seconds of which anything is known.
  const found = look(watch, { fromMs: 65_000, toMs: 120_000, stepMs: 5_000, each: () => watch.heard() });
  assert.equal(found, { OLD: 65_000, STUCK: 105_000 });
});

test('a new connection begins anew, and the picture stays as old as it is', () => {
  const watch = new PictureWatch(0);
  watch.shown(0);
  look(watch, { toMs: 11_900 });
  watch.begin(12_000);
  assert.is(watch.look({ nowMs: 12_100, reduced: false, attempt: 1 }), 'OLD');
  watch.shown(12_200);
  assert.is(watch.look({ nowMs: 12_300, reduced: false, attempt: 0 }), 'FRESH');
});

test.run();
