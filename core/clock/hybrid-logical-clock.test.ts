import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HLC_MAX, hlcAt, hlcCounter, hlcMs, mergeHlc, nextHlc } from './hybrid-logical-clock.js';

const test = suite('hybrid logical clock');

test('follows the wall clock while it moves on', () => {
  const reading = nextHlc(hlcAt(1000), 1001);
  assert.is(hlcMs(reading), 1001);
  assert.is(hlcCounter(reading), 0);
});

test('counts within a millisecond and while the wall clock is set back', () => {
  const first = nextHlc(0n, 5000);
  const second = nextHlc(first, 5000);
  const third = nextHlc(second, 1);
  assert.equal([hlcMs(third), hlcCounter(third)], [5000, 2]);
});

test('never runs back, whatever the wall clock says', () => {
  fc.assert(
    fc.property(fc.array(fc.double()), times => {
      let reading = 0n;
      for (const time of times) {
        const next = nextHlc(reading, Number.isFinite(time) ? time : 0);
        assert.ok(next > reading && next <= HLC_MAX);
        reading = next;
        if (reading === HLC_MAX) return;
      }
    }),
  );
});

test('carries a full counter into the milliseconds', () => {
  assert.is(nextHlc(hlcAt(7) + 0xffffn, 7), hlcAt(8));
});

test('is later than a remote reading it has heard of, unless that one is too far ahead', () => {
  const clock = { nowMs: 1000, driftMsMax: 500 };
  assert.is(mergeHlc(hlcAt(900), hlcAt(1400) + 3n, clock), hlcAt(1400) + 4n);
  assert.is(mergeHlc(hlcAt(900), hlcAt(1501), clock), hlcAt(1000));
});

test.run();
