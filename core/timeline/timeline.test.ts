import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type DeviceSegmentFacts,
  type DeviceTimelineFacts,
  deviceTimeline,
  type RecordedSpan,
  SEAM_MS_MAX,
  type TimelineSpan,
  type TimeSpan,
  timelineFacts,
} from './timeline.js';

const test = suite('timeline');

const nothing: DeviceTimelineFacts = {
  sealed: [],
  gaps: [],
  losses: [],
  held: [],
  running: null,
  unsealed: [],
  lastStop: null,
  known: null,
  link: { state: 'UP', sinceMs: 0 },
  retentionMs: null,
};
const segment = (segmentId: string, fromMs: number, toMs: number) => ({ segmentId, fromMs, toMs });
const brief = (spans: readonly TimelineSpan[]) =>
  spans.map(({ fromMs, toMs, state, cause }) => [fromMs, toMs, state, cause]);

test('a device without facts was not recorded', () => {
  assert.equal(brief(deviceTimeline(nothing, { fromMs: 0, toMs: 1000 }, 5000)), [
    [0, 1000, 'GAP', 'NOT_RECORDED'],
  ]);
});

test('sealed segments are remote until they are held', () => {
  const facts = {
    ...nothing,
    sealed: [segment('a', 1000, 2000), segment('b', 2000, 3000)],
    held: [segment('b', 2000, 3000)],
  };
  assert.equal(brief(deviceTimeline(facts, { fromMs: 500, toMs: 3000 }, 9000)), [
    [500, 1000, 'GAP', 'NOT_RECORDED'],
    [1000, 2000, 'REMOTE', null],
    [2000, 3000, 'HELD', null],
  ]);
});

test('what was reduced says so, unless all pictures of it are held here', () => {
  const facts = {
    ...nothing,
    sealed: [
      { ...segment('a', 0, 1000), keyFramesOnly: true },
      { ...segment('b', 1000, 2000), keyFramesOnly: true },
      { ...segment('c', 2000, 3000), keyFramesOnly: true },
      segment('d', 3000, 4000),
    ],
    held: [segment('b', 1000, 2000), { ...segment('c', 2000, 3000), keyFramesOnly: true }],
  };
  const spans = deviceTimeline(facts, { fromMs: 0, toMs: 4000 }, 9000);
  assert.equal(
    spans.map(({ fromMs, state, keyFramesOnly }) => [fromMs, state, keyFramesOnly]),
    [
      [0, 'REMOTE', true],
      [1000, 'HELD', false],
      [2000, 'HELD', true],
      [3000, 'REMOTE', false],
    ],
  );
});

test('the segments of a device of the answering site are held', () => {
  const facts = { ...nothing, link: null, sealed: [segment('a', 0, 2000)], running: { sinceMs: 0 } };
  assert.equal(brief(deviceTimeline(facts, { fromMs: 0, toMs: 5000 }, 3000)), [
    [0, 2000, 'HELD', null],
    [2000, 3000, 'HELD', 'RECORDING_NOW'],
  ]);
});

test('what lies at a recording server that is not connected says so, unless it is to be had elsewhere', () => {
  const away = 'b0';
  const cause = `RECORDING_SERVER_AWAY ${away}`;
  const facts = {
    ...nothing,
    sealed: [
      { fromMs: 0, toMs: 1000 },
      { fromMs: 1000, toMs: 4000, away },
      { fromMs: 3500, toMs: 4500 },
    ],
    held: [{ fromMs: 2000, toMs: 2500 }],
    unsealed: [
      { fromMs: 4500, toMs: 5000, away },
      { fromMs: 5000, toMs: 5200 },
    ],
    running: { sinceMs: 5200, away },
    retentionMs: 100_000,
  };
  const spans = deviceTimeline(facts, { fromMs: 0, toMs: 9000 }, 6000);
  assert.equal(brief(spans), [
    [0, 1000, 'REMOTE', null],
    [1000, 2000, 'REMOTE', cause],
    [2000, 2500, 'HELD', null],
    [2500, 3500, 'REMOTE', cause],
    [3500, 4500, 'REMOTE', null],
    [4500, 5000, 'REMOTE', cause],
    [5000, 5200, 'REMOTE', 'RECORDING_NOW'],
    [5200, 6000, 'REMOTE', cause],
  ]);
  assert.is(spans[1]!.retrievableUntilMs, null);
  const own = { ...nothing, link: null, sealed: facts.sealed };
  assert.equal(brief(deviceTimeline(own, { fromMs: 0, toMs: 4500 }, 6000)), [
    [0, 1000, 'HELD', null],
    [1000, 3500, 'REMOTE', cause],
    [3500, 4500, 'HELD', null],
  ]);
});

test('a remote span is retrievable until its first moment reaches the end of its retention', () => {
  const facts = {
    ...nothing,
    sealed: [segment('a', 0, 1000), segment('b', 1000, 2000)],
    retentionMs: 100_000,
  };
  const [span] = deviceTimeline(facts, { fromMs: 0, toMs: 2000 }, 5000);
  assert.is(span!.retrievableUntilMs, 100_000);
  assert.is(span!.toMs, 2000);
});

test('known gaps keep their cause, deleted and damaged segments are gaps', () => {
  const facts = timelineFacts({
    ...nothing,
    sealed: [segment('a', 0, 1000), segment('b', 2000, 3000), segment('c', 3000, 4000)],
    gaps: [{ fromMs: 1000, toMs: 2000, cause: 'CAMERA_DISCONNECTED' }],
    losses: [
      { ...segment('a', 0, 1000), cause: 'DELETED' },
      { ...segment('c', 3000, 4000), cause: 'DAMAGED' },
    ],
    held: [],
  });
  assert.equal(brief(deviceTimeline(facts, { fromMs: 0, toMs: 4000 }, 9000)), [
    [0, 1000, 'GAP', 'DELETED'],
    [1000, 2000, 'GAP', 'CAMERA_DISCONNECTED'],
    [2000, 3000, 'REMOTE', null],
    [3000, 4000, 'GAP', 'DAMAGED'],
  ]);
});

test('what was retrieved before its deletion at the remote site stays held', () => {
  const a = segment('a', 0, 1000);
  const facts = timelineFacts({
    ...nothing,
    sealed: [a],
    losses: [{ ...a, cause: 'DELETED' }],
    held: [a],
  });
  assert.equal(brief(deviceTimeline(facts, { fromMs: 0, toMs: 1000 }, 9000)), [[0, 1000, 'HELD', null]]);
});

test('behind the last fact of a running recording it is being recorded now, up to now', () => {
  const facts = { ...nothing, sealed: [segment('a', 0, 1000)], running: { sinceMs: 0 } };
  assert.equal(brief(deviceTimeline(facts, { fromMs: 0, toMs: 90_000 }, 2500)), [
    [0, 1000, 'REMOTE', null],
    [1000, 2500, 'REMOTE', 'RECORDING_NOW'],
  ]);
});

test('behind the last fact nothing is known while the link is down, and the cause says since when', () => {
  const facts: DeviceTimelineFacts = {
    ...nothing,
    sealed: [segment('a', 0, 1000)],
    running: { sinceMs: 0 },
    link: { state: 'DOWN', sinceMs: 1500 },
  };
  assert.equal(brief(deviceTimeline(facts, { fromMs: 0, toMs: 5000 }, 4000)), [
    [0, 1000, 'REMOTE', null],
    [1000, 4000, 'UNKNOWN', 'LINK_DOWN_SINCE 1970-01-01T00:00:01.500Z'],
  ]);
});

test('a stop that was reported holds until the link was lost', () => {
  const facts: DeviceTimelineFacts = {
    ...nothing,
    sealed: [segment('a', 0, 1000)],
    lastStop: { atMs: 1000, cause: 'RECORDING_DISABLED' },
    link: { state: 'CONNECTING', sinceMs: 1500 },
  };
  assert.equal(brief(deviceTimeline(facts, { fromMs: 0, toMs: 5000 }, 4000)), [
    [0, 1000, 'REMOTE', null],
    [1000, 1500, 'GAP', 'RECORDING_DISABLED'],
    [1500, 4000, 'UNKNOWN', 'LINK_DOWN_SINCE 1970-01-01T00:00:01.500Z'],
  ]);
});

test('a recording that was moved may go on at the other server: its stop says nothing of later while the link is down', () => {
  const facts: DeviceTimelineFacts = {
    ...nothing,
    sealed: [segment('a', 0, 1000)],
    lastStop: { atMs: 1000, cause: 'HARDWARE_MOVED' },
    link: { state: 'DOWN', sinceMs: 1500 },
  };
  assert.equal(brief(deviceTimeline(facts, { fromMs: 0, toMs: 5000 }, 4000)), [
    [0, 1000, 'REMOTE', null],
    [1000, 4000, 'UNKNOWN', 'LINK_DOWN_SINCE 1970-01-01T00:00:01.500Z'],
  ]);
});

test('a run that has stopped is being sealed, and nothing is known of it where the link went down before its seal', () => {
  const moved: DeviceTimelineFacts = {
    ...nothing,
    sealed: [segment('a', 0, 1000)],
    unsealed: [{ fromMs: 1000, toMs: 3000 }],
    lastStop: { atMs: 3000, cause: 'HARDWARE_MOVED' },
    running: { sinceMs: 3500 },
  };
  const window = { fromMs: 0, toMs: 5000 };
  assert.equal(brief(deviceTimeline(moved, window, 5000)), [
    [0, 1000, 'REMOTE', null],
    [1000, 3000, 'REMOTE', 'RECORDING_NOW'],
    [3000, 3500, 'GAP', 'HARDWARE_MOVED'],
    [3500, 5000, 'REMOTE', 'RECORDING_NOW'],
  ]);
  const down = 'LINK_DOWN_SINCE 1970-01-01T00:00:04.000Z';
  assert.equal(brief(deviceTimeline({ ...moved, link: { state: 'DOWN', sinceMs: 4000 } }, window, 5000)), [
    [0, 1000, 'REMOTE', null],
    [1000, 3000, 'UNKNOWN', down],
    [3000, 3500, 'GAP', 'HARDWARE_MOVED'],
    [3500, 5000, 'UNKNOWN', down],
  ]);
});

test('a window that holds no fact is still judged by the newest fact outside of it', () => {
  const facts: DeviceTimelineFacts = {
    ...nothing,
    running: { sinceMs: 0 },
    known: { fromMs: 0, toMs: 8000 },
  };
  assert.equal(brief(deviceTimeline(facts, { fromMs: 2000, toMs: 3000 }, 9000)), [
    [2000, 3000, 'GAP', 'NOT_RECORDED'],
  ]);
});

test('a frame interval between two segments is no gap, a longer hole is', () => {
  const facts = {
    ...nothing,
    sealed: [segment('a', 0, 1000), segment('b', 1040, 2000), segment('c', 2000 + SEAM_MS_MAX, 3000)],
    held: [segment('a', 0, 1000)],
  };
  assert.equal(brief(deviceTimeline(facts, { fromMs: 0, toMs: 3000 }, 9000)), [
    [0, 1040, 'HELD', null],
    [1040, 2000, 'REMOTE', null],
    [2000, 2200, 'GAP', 'NOT_RECORDED'],
    [2200, 3000, 'REMOTE', null],
  ]);
});

test('a seam after pieces that end together is of the piece that is shown, in whatever order they are told', () => {
  const reduced = { ...segment('a', 0, 1000), keyFramesOnly: true };
  const sealed = [reduced, segment('b', 0, 1000), segment('c', 1040, 2000)];
  for (const told of [sealed, sealed.toReversed()]) {
    const spans = deviceTimeline({ ...nothing, sealed: told }, { fromMs: 0, toMs: 2000 }, 9000);
    assert.equal(brief(spans), [[0, 2000, 'REMOTE', null]]);
    assert.not(spans[0]!.keyFramesOnly);
  }
});

test('the future and an empty window are not covered', () => {
  assert.equal(deviceTimeline(nothing, { fromMs: 10, toMs: 20 }, 10), []);
  assert.equal(deviceTimeline(nothing, { fromMs: 10, toMs: 10 }, 90), []);
});

/** On a coarse grid, so that spans touch, end together and leave seams. */
const GRID_MS = 50;
const interval = fc
  .tuple(fc.integer({ min: 0, max: 200 }), fc.integer({ min: 1, max: 60 }))
  .map(([from, length]) => ({ fromMs: from * GRID_MS, toMs: (from + length) * GRID_MS }));
const segments = fc.array(fc.tuple(interval, fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'))).map(pairs => {
  const byId = new Map(pairs.map(([at, segmentId]) => [segmentId, { ...at, segmentId }]));
  return [...byId.values()];
});
const anyFacts: fc.Arbitrary<DeviceSegmentFacts> = fc.record({
  sealed: segments,
  held: segments,
  gaps: fc.array(
    interval.map(at => ({ ...at, cause: 'CAMERA_DISCONNECTED' })),
    { maxLength: 4 },
  ),
  losses: segments.map(lost =>
    lost.slice(0, 2).map((one, index) => ({ ...one, cause: index === 0 ? 'DELETED' : 'DAMAGED' }) as const),
  ),
  unsealed: fc.array(interval, { maxLength: 2 }),
  running: fc.option(fc.record({ sinceMs: fc.integer({ min: 0, max: 20_000 }) })),
  lastStop: fc.option(
    fc.record({ atMs: fc.integer({ min: 0, max: 20_000 }), cause: fc.constant('SERVER_STOPPED') }),
  ),
  known: fc.option(interval),
  link: fc.option(
    fc.record({
      state: fc.constantFrom('UP' as const, 'DOWN' as const, 'CONNECTING' as const),
      sinceMs: fc.integer({ min: 0, max: 25_000 }),
    }),
  ),
  retentionMs: fc.option(fc.integer({ min: 0, max: 100_000 })),
});
const anyWindow = interval;
const anyNow = fc.integer({ min: 0, max: 20_000 });

test('the spans cover the window up to now, in order, without hole or overlap, neighbours differing', () => {
  fc.assert(
    fc.property(anyFacts, anyWindow, anyNow, (facts, window, nowMs) => {
      const spans = deviceTimeline(timelineFacts(facts), window, nowMs);
      const endMs = Math.min(window.toMs, nowMs);
      if (endMs <= window.fromMs) return spans.length === 0;
      let cursor = window.fromMs;
      for (const [index, span] of spans.entries()) {
        assert.is(span.fromMs, cursor);
        assert.ok(span.toMs > span.fromMs);
        const before = spans[index - 1];
        if (before) assert.not(before.state === span.state && before.cause === span.cause);
        cursor = span.toMs;
      }
      return cursor === endMs;
    }),
  );
});

test('each span is justified by a fact at every moment of it', () => {
  fc.assert(
    fc.property(anyFacts, anyWindow, anyNow, fc.nat(), (facts, window, nowMs, seed) => {
      for (const span of deviceTimeline(timelineFacts(facts), window, nowMs)) {
        const atMs = span.fromMs + (seed % (span.toMs - span.fromMs));
        assert.ok(justified(timelineFacts(facts), span, atMs), `${span.state} ${span.cause} at ${atMs}`);
      }
    }),
    { numRuns: 400 },
  );
});

/** One after the other: with seams, with holes, over each other; some are held, some are lost. */
const anyChain = fc
  .array(
    fc.record({
      holeMs: fc.constantFrom(0, 0, 0, 40, SEAM_MS_MAX - 1, SEAM_MS_MAX, -300, -300),
      // 300 also to end together with the one before.
      lengthMs: fc.oneof(fc.constant(300), fc.integer({ min: 1, max: 1000 })),
      keyFramesOnly: fc.boolean(),
      lost: fc.constantFrom(null, null, null, 'DELETED' as const, 'DAMAGED' as const),
      held: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  .map(chain => {
    let endMs = 0;
    return chain.map(({ holeMs, lengthMs, ...rest }, index) => {
      const fromMs = Math.max(0, endMs + holeMs);
      endMs = fromMs + lengthMs;
      return { ...segment(String(index), fromMs, endMs), ...rest };
    });
  });

test('stretches without a hole say the same as the segments that they consist of', () => {
  const anyOrWholeWindow = fc.oneof(anyWindow, fc.constant({ fromMs: 0, toMs: 20_000 }));
  fc.assert(
    fc.property(anyFacts, anyChain, anyOrWholeWindow, anyNow, (rest, chain, window, nowMs) => {
      const facts = timelineFacts({
        ...{ ...rest, sealed: chain, held: chain.filter(({ held }) => held) },
        losses: chain.flatMap(({ lost, ...one }) => (lost === null ? [] : [{ ...one, cause: lost }])),
      });
      const losses = (['DELETED', 'DAMAGED'] as const).flatMap(cause =>
        joinedSpans(facts.losses.filter(loss => loss.cause === cause)).map(at => ({ ...at, cause })),
      );
      const joined = { ...facts, sealed: stretches(facts.sealed), held: stretches(facts.held), losses };
      assert.equal(deviceTimeline(joined, window, nowMs), deviceTimeline(facts, window, nowMs));
    }),
    { numRuns: 1000 },
  );
});

/** What touches or overlaps, joined with its kind. */
function stretches(spans: readonly RecordedSpan[]): readonly RecordedSpan[] {
  return [false, true].flatMap(keyFramesOnly =>
    joinedSpans(spans.filter(one => (one.keyFramesOnly ?? false) === keyFramesOnly)).map(at => ({
      ...at,
      keyFramesOnly,
    })),
  );
}

function joinedSpans(spans: readonly TimeSpan[]): readonly TimeSpan[] {
  const joined: TimeSpan[] = [];
  for (const { fromMs, toMs } of spans.toSorted((left, right) => left.fromMs - right.fromMs)) {
    const last = joined.at(-1);
    if (last === undefined || fromMs > last.toMs) joined.push({ fromMs, toMs });
    else joined[joined.length - 1] = { fromMs: last.fromMs, toMs: Math.max(last.toMs, toMs) };
  }
  return joined;
}

/** Written from the rules, moment by moment, and not from the implementation. A seam widens a segment to the right. */
function justified(facts: DeviceTimelineFacts, span: TimelineSpan, atMs: number): boolean {
  const touches = (spans: readonly { fromMs: number; toMs: number }[], slackMs = 0) =>
    spans.some(one => one.fromMs <= atMs && atMs < one.toMs + slackMs);
  const present = facts.sealed;
  const here = facts.link === null ? [...facts.held, ...present] : facts.held;
  const remote = facts.link === null ? [] : present;
  const linkDown = facts.link !== null && facts.link.state !== 'UP';
  const unsealed = touches(facts.unsealed);
  if (span.cause === 'RECORDING_NOW')
    return (facts.running !== null || unsealed) && !linkDown && !touches(here);
  switch (span.state) {
    case 'HELD':
      return touches(here, SEAM_MS_MAX);
    case 'REMOTE':
      return touches(remote, SEAM_MS_MAX) && !touches(here);
    case 'UNKNOWN':
      return (
        linkDown &&
        !touches([...here, ...remote]) &&
        (unsealed || atMs >= Math.max(...present.map(one => one.toMs), 0))
      );
    case 'GAP':
      if (touches([...here, ...remote])) return false;
      if (span.cause === 'SERVER_STOPPED' || span.cause === 'NOT_RECORDED') assert.not(unsealed);
      if (span.cause === 'CAMERA_DISCONNECTED') return touches(facts.gaps);
      if (span.cause === 'DELETED' || span.cause === 'DAMAGED')
        return touches(facts.losses.filter(({ cause }) => cause === span.cause));
      if (span.cause === 'SERVER_STOPPED') return facts.lastStop !== null && atMs >= facts.lastStop.atMs;
      return span.cause === 'NOT_RECORDED';
  }
}

test.run();
