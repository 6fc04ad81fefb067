import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HLC_MAX, hlcAt, hlcMs, nextHlc } from './hybrid-logical-clock.js';

const test = suite('hybrid logical clock');

test('follows the wall clock while it moves on', () => {
  const reading = nextHlc(hlcAt(1000), 1001);
  assert.is(hlcMs(reading), 1001);
  assert.is(reading, hlcAt(hlcMs(reading)));
});

test('counts within a millisecond and while the wall clock is set back', () => {
  const first = nextHlc(0n, 5000);
  const second = nextHlc(first, 5000);
  const third = nextHlc(second, 1);
  assert.is(third, hlcAt(5000) + 2n);
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

test.run();
