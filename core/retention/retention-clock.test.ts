import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  CLOCK_DIFFERENCE_MS_MAX,
  CLOCK_DOUBTED_MS,
  RetentionClock,
  SWITCHED_OFF_MS_MAX,
} from './retention-clock.js';

const test = suite('retention clock');

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const YEAR_MS = 365 * 24 * HOUR_MS;
const startMs = Date.UTC(2026, 10, 26, 12);

test('goes with a clock that is slewed and corrected by minutes', () => {
  const clock = new RetentionClock({ wallMs: startMs, monotonicMs: 0 }, null);
  const wallMs = startMs + HOUR_MS + CLOCK_DIFFERENCE_MS_MAX;
  assert.equal(clock.read({ wallMs, monotonicMs: HOUR_MS }), { nowMs: wallMs, aheadMs: 0 });
});

test('does not follow a clock that jumps ahead, and says how far it is ahead', () => {
  const clock = new RetentionClock({ wallMs: startMs, monotonicMs: 0 }, null);
  const wallMs = startMs + MINUTE_MS + YEAR_MS;
  assert.equal(clock.read({ wallMs, monotonicMs: MINUTE_MS }), {
    nowMs: startMs + MINUTE_MS,
    aheadMs: YEAR_MS,
  });
});

test('believes the clock again as soon as it is right again', () => {
  const clock = new RetentionClock({ wallMs: startMs, monotonicMs: 0 }, null);
  clock.read({ wallMs: startMs + YEAR_MS, monotonicMs: MINUTE_MS });
  const time = clock.read({ wallMs: startMs + 2 * MINUTE_MS, monotonicMs: 2 * MINUTE_MS });
  assert.equal(time, { nowMs: startMs + 2 * MINUTE_MS, aheadMs: 0 });
});

test('believes a jump after the clock has gone on evenly for a day', () => {
  const clock = new RetentionClock({ wallMs: startMs, monotonicMs: 0 }, null);
  clock.read({ wallMs: startMs + YEAR_MS, monotonicMs: 0 });
  const almostMs = CLOCK_DOUBTED_MS - 1;
  assert.is(clock.read({ wallMs: startMs + YEAR_MS + almostMs, monotonicMs: almostMs }).aheadMs, YEAR_MS);
  const wallMs = startMs + YEAR_MS + CLOCK_DOUBTED_MS;
  assert.equal(clock.read({ wallMs, monotonicMs: CLOCK_DOUBTED_MS }), { nowMs: wallMs, aheadMs: 0 });
});

test('a jump to where the clock was doubted before is doubted for a day of its own', () => {
  const clock = new RetentionClock({ wallMs: startMs, monotonicMs: 0 }, null);
  clock.read({ wallMs: startMs + YEAR_MS, monotonicMs: 0 });
  clock.read({ wallMs: startMs + HOUR_MS, monotonicMs: HOUR_MS });
  const monotonicMs = CLOCK_DOUBTED_MS + HOUR_MS;
  assert.is(clock.read({ wallMs: startMs + YEAR_MS + monotonicMs, monotonicMs }).aheadMs, YEAR_MS);
});

test('takes minutes for a correction, a long weekend for a weekend, and nothing for a day but a day', () => {
  const clock = new RetentionClock({ wallMs: startMs, monotonicMs: 0 }, null);
  assert.is(clock.read({ wallMs: startMs + 4 * MINUTE_MS, monotonicMs: 0 }).aheadMs, 0);
  assert.is(clock.read({ wallMs: startMs + 10 * MINUTE_MS, monotonicMs: 0 }).aheadMs, 6 * MINUTE_MS);
  const stillAheadMs = (hours: number) =>
    clock.read({ wallMs: startMs + 10 * MINUTE_MS + hours * HOUR_MS, monotonicMs: hours * HOUR_MS }).aheadMs;
  assert.equal([23, 24].map(stillAheadMs), [6 * MINUTE_MS, 0]);
  const aheadAfter = (hoursOff: number) => {
    const reading = { wallMs: startMs + hoursOff * HOUR_MS, monotonicMs: 0 };
    return new RetentionClock(reading, startMs).read(reading).aheadMs;
  };
  // From Friday evening to Tuesday morning, and a week.
  assert.equal([86, 168].map(aheadAfter), [0, 168 * HOUR_MS]);
});

test('a clock that jumps every hour is never believed', () => {
  const clock = new RetentionClock({ wallMs: startMs, monotonicMs: 0 }, null);
  for (let hour = 1; hour <= 200; hour += 1) {
    const monotonicMs = hour * HOUR_MS;
    const wallMs = startMs + monotonicMs + hour * 24 * HOUR_MS;
    assert.is(clock.read({ wallMs, monotonicMs }).nowMs, startMs + monotonicMs);
  }
});

test('follows a clock that is set back at once: what is younger is kept longer', () => {
  const clock = new RetentionClock({ wallMs: startMs, monotonicMs: 0 }, null);
  const wallMs = startMs - YEAR_MS;
  assert.equal(clock.read({ wallMs, monotonicMs: MINUTE_MS }), { nowMs: wallMs, aheadMs: 0 });
});

test('a server that was off for a weekend is not doubted, one that seems to have been off for longer is', () => {
  const afterWeekend = { wallMs: startMs + SWITCHED_OFF_MS_MAX, monotonicMs: 0 };
  assert.is(new RetentionClock(afterWeekend, startMs).read(afterWeekend).aheadMs, 0);
  const afterJump = { wallMs: startMs + SWITCHED_OFF_MS_MAX + 1, monotonicMs: 0 };
  assert.is(new RetentionClock(afterJump, startMs).read(afterJump).nowMs, startMs);
});

test('never shows a later time than the clock, and never runs ahead of the monotonic one by more than a correction', () => {
  const steps = fc.array(
    fc.record({ passMs: fc.nat(2 * HOUR_MS), jumpMs: fc.integer({ min: -YEAR_MS, max: YEAR_MS }) }),
    { minLength: 1, maxLength: 11 },
  );
  fc.assert(
    fc.property(steps, list => {
      const clock = new RetentionClock({ wallMs: startMs, monotonicMs: 0 }, null);
      let [offsetMs, monotonicMs, corrections] = [0, 0, 0];
      for (const { passMs, jumpMs } of list) {
        monotonicMs += passMs;
        offsetMs += jumpMs;
        corrections += CLOCK_DIFFERENCE_MS_MAX;
        const wallMs = startMs + offsetMs + monotonicMs;
        const { nowMs, aheadMs } = clock.read({ wallMs, monotonicMs });
        assert.ok(nowMs <= wallMs);
        assert.is(nowMs + aheadMs, wallMs);
        assert.ok(nowMs <= startMs + monotonicMs + corrections);
      }
    }),
  );
});

test.run();
