import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CaptureClock, type CaptureTime, type TimedUnit } from './capture-clock.js';

const test = suite('capture clock');

const startMs = 1_767_225_600_000;
const frameTicks = 3600;
const frameMs = 40;

function harness() {
  const times: CaptureTime[] = [];
  const clock = new CaptureClock<TimedUnit>({
    timescale: 90_000,
    emit: (_unit, time) => times.push(time),
  });
  const frame = (rtpTimestamp: number, arrivalMs: number, options: { readonly mayBeginRun?: boolean } = {}) =>
    clock.push({
      rtpTimestamp: rtpTimestamp >>> 0,
      arrivalMs,
      byteLength: 1000,
      mayBeginRun: options.mayBeginRun ?? true,
    });
  const report = (wallMs: number | null, rtpTimestamp: number, arrivalMs: number) =>
    clock.senderReport(
      { synchronisationSource: 1, wallMs, rtpTimestamp: rtpTimestamp >>> 0, middleOfNtp: 0 },
      arrivalMs,
    );
  return { times, clock, frame, report };
}

const spacings = (times: readonly CaptureTime[]) =>
  times.slice(1).map((time, index) => time.ticks - times[index]!.ticks);

test('back-dates the pictures that came before the first sender report', () => {
  const { times, frame, report } = harness();
  for (let index = 0; index < 30; index += 1) frame(index * frameTicks, startMs + index * frameMs + 7);
  assert.is(times.length, 0);
  report(startMs - 100 + 29 * frameMs, 29 * frameTicks, startMs + 29 * frameMs);
  assert.is(times.length, 30);
  assert.is(times[0]!.ticks, (startMs - 100) * 90);
  assert.ok(spacings(times).every(spacing => spacing === frameTicks));
  assert.ok(times.every(time => time.timeSource === 'SENDER_REPORT'));
});

test('is anchored to the quickest arrival, with exact spacing, when no sender report comes', () => {
  const { times, frame } = harness();
  const jitter = [30, 5, 80, 12, 0, 40, 3];
  for (let index = 0; index < 100; index += 1)
    frame(index * frameTicks, startMs + index * frameMs + jitter[index % jitter.length]!);
  assert.is(times.length, 100);
  assert.is(times[0]!.ticks, startMs * 90);
  assert.ok(spacings(times).every(spacing => spacing === frameTicks));
  assert.ok(times.every(time => time.timeSource === 'ARRIVAL' && !time.stepped));
});

test('uses a sender report that comes before the first picture', () => {
  const { times, frame, report } = harness();
  report(startMs, 5000, startMs);
  frame(5000, startMs + 20);
  assert.is(times[0]!.ticks, startMs * 90);
  assert.is(times[0]!.timeSource, 'SENDER_REPORT');
});

test('does not believe a first report whose RTP timestamp belongs to no stream', () => {
  const { times, frame, report } = harness();
  report(startMs, 0, startMs);
  for (let index = 0; index < 90; index += 1)
    frame(3_000_000_000 + index * frameTicks, startMs + 20 + index * frameMs);
  assert.is(times[0]!.ticks, (startMs + 20) * 90);
  assert.is(times[0]!.timeSource, 'ARRIVAL');
});

test('goes by arrival when the camera has no clock, or one that is far off, and does not wait for better', () => {
  for (const wallMs of [null, 0, startMs - 3600_000, startMs + 2000]) {
    const { times, frame, report } = harness();
    frame(0, startMs);
    report(wallMs, 0, startMs);
    assert.is(times.length, 1, String(wallMs));
    assert.equal(times[0], {
      ticks: startMs * 90,
      compositionOffsetTicks: 0,
      timeSource: 'ARRIVAL',
      stepped: false,
    });
  }
});

test('carries on over a wrap of the RTP timestamp', () => {
  const { times, frame, report } = harness();
  const begin = 2 ** 32 - 2 * frameTicks;
  frame(begin, startMs);
  report(startMs, begin, startMs);
  for (let index = 1; index < 10; index += 1) frame(begin + index * frameTicks, startMs + index * frameMs);
  assert.ok(spacings(times).every(spacing => spacing === frameTicks));
  assert.not(times.some(time => time.stepped));
});

test('works off a small difference slowly, never backwards, until it is gone', () => {
  const { times, frame, report } = harness();
  frame(0, startMs);
  report(startMs, 0, startMs);
  for (let index = 1; index < 3000; index += 1) {
    frame(index * frameTicks, startMs + index * frameMs);
    if (index === 100) report(startMs + index * frameMs - 50, index * frameTicks, startMs + index * frameMs);
  }
  const between = spacings(times);
  assert.ok(Math.min(...between) >= frameTicks - 4);
  assert.ok(Math.max(...between) <= frameTicks);
  assert.is(times.at(-1)!.ticks, (startMs + 2999 * frameMs - 50) * 90);
  assert.is(between.at(-1), frameTicks);
});

test('follows a crystal that drifts by 500 ppm for an hour, with sender reports and without, in one run', () => {
  const jitter = [30, 5, 80, 12, 0, 40, 3];
  for (const drift of [1.0005, 0.9995]) {
    for (const reports of [true, false]) {
      const { times, frame, report } = harness();
      const count = 3600 * 25;
      for (let index = 0; index < count; index += 1) {
        // What the camera counts as 40 ms is a little more or less.
        const takenMs = startMs + index * frameMs * drift;
        frame(index * frameTicks, takenMs + jitter[index % jitter.length]!);
        if (reports && index % 125 === 0) report(takenMs, index * frameTicks, takenMs + 5);
      }
      assert.is(times.length, count);
      assert.not(times.some(time => time.stepped));
      assert.ok(spacings(times).every(spacing => spacing > 0 && Math.abs(spacing - frameTicks) <= 4));
      const worstMs = Math.max(
        ...Array.from({ length: 100 }, (_, part) => {
          const index = Math.floor(((part + 1) * count) / 100) - 1;
          return Math.abs(times[index]!.ticks / 90 - (startMs + index * frameMs * drift));
        }),
      );
      assert.ok(worstMs < (reports ? 20 : 100), `${worstMs} ms beside the truth, ${reports} ${drift}`);
    }
  }
});

test('ends the run when the camera clock is stepped, at the next picture that a run may begin with', () => {
  const { times, frame, report } = harness();
  frame(0, startMs);
  report(startMs, 0, startMs);
  frame(frameTicks, startMs + frameMs);
  report(startMs + frameMs + 1500, frameTicks, startMs + frameMs);
  frame(2 * frameTicks, startMs + 2 * frameMs, { mayBeginRun: false });
  frame(3 * frameTicks, startMs + 3 * frameMs);
  assert.equal(
    times.map(time => [time.ticks / 90 - startMs, time.stepped]),
    [
      [0, false],
      [40, false],
      [80, false],
      [1620, true],
    ],
  );
});

test('ends the run when the RTP timestamps jump, forwards or backwards', () => {
  for (const jump of [90_000 * 60, -90_000 * 60, 2 ** 31 - 5000]) {
    const { times, frame, report, clock } = harness();
    for (let index = 0; index < 10; index += 1) {
      frame(index * frameTicks, startMs + index * frameMs);
      if (index === 0) report(startMs, 0, startMs);
    }
    for (let index = 10; index < 20; index += 1) frame(index * frameTicks + jump, startMs + index * frameMs);
    clock.flush();
    assert.is(times.length, 20);
    assert.is(times.filter(time => time.stepped).length, 1, `jump ${jump}`);
    assert.ok(times[10]!.stepped);
    assert.is(times[10]!.ticks, (startMs + 400) * 90);
  }
});

test('takes a stall of the network, and the burst after it, for what it is', () => {
  const { times, frame, report } = harness();
  frame(0, startMs);
  report(startMs, 0, startMs);
  for (let index = 1; index < 200; index += 1) {
    const stalled = index >= 50 && index < 150;
    frame(index * frameTicks, startMs + (stalled ? 150 : index) * frameMs);
  }
  assert.not(times.some(time => time.stepped));
  assert.ok(spacings(times).every(spacing => spacing === frameTicks));
});

test('does not mistake the burst of a cached group of pictures at the start for a jump', () => {
  const { times, frame } = harness();
  for (let index = 0; index < 50; index += 1) frame(index * frameTicks, startMs + 2000);
  for (let index = 50; index < 160; index += 1) frame(index * frameTicks, startMs + index * frameMs);
  assert.not(times.some(time => time.stepped));
  assert.is(times[0]!.ticks, startMs * 90);
});

test('notices within a minute that our own clock was set', () => {
  for (const stepMs of [-10_000, 10_000]) {
    const { times, frame } = harness();
    for (let index = 0; index < 3000; index += 1)
      frame(index * frameTicks, startMs + index * frameMs + (index < 500 ? 0 : stepMs));
    assert.is(times.filter(time => time.stepped).length, 1, `step ${stepMs}`);
    assert.is(times.at(-1)!.ticks, (startMs + 2999 * frameMs + stepMs) * 90);
  }
});

test('keeps decoding time increasing and presentation time exact when pictures come out of order', () => {
  const { times, frame, report } = harness();
  const order = [0, 3, 1, 2, 6, 4, 5, 9, 7, 8];
  frame(0, startMs);
  report(startMs, 0, startMs);
  for (const index of order.slice(1)) frame(index * frameTicks, startMs + 500);
  assert.ok(spacings(times).every(spacing => spacing > 0));
  assert.equal(
    times.map(time => (time.ticks + time.compositionOffsetTicks - startMs * 90) / frameTicks),
    order,
  );
});

test('never runs backwards within a run, whatever a camera sends', () => {
  const step = fc.record({
    advance: fc.oneof(fc.integer({ min: 0, max: 10_000 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 })),
    passedMs: fc.integer({ min: 0, max: 5000 }),
    reportMs: fc.option(fc.integer({ min: -5000, max: 5000 })),
    mayBeginRun: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), steps => {
      const { times, frame, report, clock } = harness();
      let rtp = 0;
      let nowMs = startMs;
      for (const one of steps) {
        rtp = (rtp + one.advance) >>> 0;
        nowMs += one.passedMs;
        frame(rtp, nowMs, { mayBeginRun: one.mayBeginRun });
        if (one.reportMs !== null) report(nowMs + one.reportMs, rtp, nowMs);
      }
      clock.flush();
      assert.is(times.length, steps.length);
      times.forEach((time, index) => {
        assert.ok(Number.isSafeInteger(time.ticks));
        if (index > 0 && !time.stepped) assert.ok(time.ticks > times[index - 1]!.ticks);
      });
    }),
    { numRuns: 300 },
  );
});

test.run();
