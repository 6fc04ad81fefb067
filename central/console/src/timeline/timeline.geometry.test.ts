import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { clock, zoneOffsetAt } from '../ui/time.ts';
import {
  LONGEST_VIEW_MS,
  lengthOf,
  recordingEdge,
  SHORTEST_VIEW_MS,
  type Span,
  ticks,
  turnPage,
  windowAround,
} from './timeline.geometry.ts';

process.env.TZ = 'Europe/Berlin';

const test = suite('geometry of the timeline');

const ANSWERED_MS_MAX = 32 * 24 * 3_600_000;

test('what is asked for covers the view, whatever its length, and is never more than the central answers', () => {
  const startMs = Date.UTC(2026, 10, 27, 1, 2, 3, 4);
  for (let length = SHORTEST_VIEW_MS; length <= LONGEST_VIEW_MS; length *= 1.07) {
    for (const view of [0, 0.3, 0.77].map(share => ({
      fromMs: startMs + share * length,
      toMs: startMs + (1 + share) * length,
    }))) {
      const asked = windowAround(view);
      assert.ok(asked.fromMs < view.fromMs && asked.toMs > view.toMs);
      assert.ok(lengthOf(asked) <= ANSWERED_MS_MAX, `${lengthOf(view)} ms are shown`);
    }
  }
  assert.ok(lengthOf(windowAround({ fromMs: startMs, toMs: startMs + LONGEST_VIEW_MS })) <= ANSWERED_MS_MAX);
});

test('the page turns when the playhead leaves it, whichever way, and not under who looks elsewhere', () => {
  const view = { fromMs: 1_000, toMs: 2_000 };
  assert.equal(turnPage(view, 1_900, 1_999), view);
  assert.equal(turnPage(view, 1_900, 2_000), { fromMs: 1_900, toMs: 2_900 });
  assert.equal(turnPage(view, 1_100, 990), { fromMs: 90, toMs: 1_090 });
  assert.equal(turnPage(view, 2_000, 2_300), view);
  assert.equal(turnPage(view, 900, 500), view);
});

test('in a night in which the clock is changed, ticks stay at round local times and days begin at midnight', () => {
  const hour = 3_600_000;
  for (const [midnightMs, hours, doubled] of [
    [Date.UTC(2026, 9, 24, 22), 25, '02:00'],
    [Date.UTC(2026, 2, 28, 23), 23, null],
  ] as const) {
    const day = { fromMs: midnightMs, toMs: midnightMs + hours * hour };
    const hourly = ticks(day, 76 * hours, zoneOffsetAt);
    assert.is(hourly.length, hours);
    const labels = hourly.map(({ ms }) => clock(ms).slice(0, 5));
    assert.equal(
      labels.filter((label, index) => labels.indexOf(label) !== index),
      doubled === null ? [] : [doubled],
    );
    assert.equal(
      hourly.filter(({ hasZone }) => hasZone).map(({ ms }) => clock(ms)),
      [doubled === null ? '03:00:00' : '02:00:00'],
    );
    const month = { fromMs: midnightMs - 10 * 24 * hour, toMs: midnightMs + 11 * 24 * hour };
    for (const step of [80, 200, 400])
      for (const tick of ticks(month, step * 21, zoneOffsetAt))
        assert.is(tick.isDay, clock(tick.ms) === '00:00:00', new Date(tick.ms).toISOString());
  }
});

test('an edge of a recording is told where it is known: not beyond what was asked for, and no start where that begins', () => {
  const held = (fromMs: number, toMs: number): Span => ({
    ...{ fromMs, toMs, state: 'HELD', cause: null, retrievableUntil: null, keyFramesOnly: false },
  });
  const lane = { fromMs: 10_000, toMs: 90_000, spans: [held(10_000, 20_000), held(50_000, 60_000)] };
  assert.is(recordingEdge('NEXT_START', [lane], 30_000), 50_000);
  assert.is(recordingEdge('PREVIOUS_END', [lane], 30_000), 20_000);
  assert.is(recordingEdge('PREVIOUS_START', [lane], 55_000), 50_000);
  assert.is(recordingEdge('PREVIOUS_START', [lane], 30_000), null);
  assert.is(recordingEdge('PREVIOUS_END', [lane], 100_000), null);
  assert.is(recordingEdge('NEXT_START', [lane], 5_000), null);
});

test.run();
