import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type BufferFacts, stayAtEdge, TARGET_BUFFER_S } from './live-edge.policy.ts';

const test = suite('staying at the live edge');

const at = (currentS: number, facts: Partial<BufferFacts> = {}) =>
  stayAtEdge({
    currentS,
    ranges: [{ startS: 0, endS: 10 }],
    ...{ seeking: false, sinceSeekMs: Number.POSITIVE_INFINITY, seekCount: 0 },
    ...facts,
  });

test('near the edge only the speed is changed, and far behind it jumps', () => {
  assert.equal(at(10 - TARGET_BUFFER_S), { seekToS: null, rate: 1, trimToS: null, seekCount: 0 });
  assert.ok(at(9.7).rate > 1);
  assert.ok(at(9.99).rate < 1);
  assert.is(at(5).seekToS, 10 - TARGET_BUFFER_S);
});

test('a seek is left to show its picture, however far behind it is', () => {
  assert.is(at(1, { seeking: true }).seekToS, null);
  assert.is(at(1, { seeking: true, ranges: [{ startS: 8, endS: 10 }] }).seekToS, null);
});

test('a computer that does not keep up is not sought again and again: each time it rests twice as long', () => {
  let nowMs = 0;
  let soughtAtMs = Number.NEGATIVE_INFINITY;
  let seekCount = 0;
  const seeks: number[] = [];
  for (; nowMs < 40_000; nowMs += 100) {
    // It is always two seconds behind.
    const action = at(8, { sinceSeekMs: nowMs - soughtAtMs, seekCount });
    ({ seekCount } = action);
    if (action.seekToS === null) continue;
    seeks.push(nowMs);
    soughtAtMs = nowMs;
  }
  assert.equal(seeks, [0, 1_000, 3_000, 7_000, 15_000, 23_000, 31_000, 39_000]);
  assert.is(at(10 - TARGET_BUFFER_S, { sinceSeekMs: 13_000, seekCount: 7 }).seekCount, 0);
});

test('from key frame to key frame it jumps each time', () => {
  const ranges = [
    { startS: 6, endS: 6.04 },
    { startS: 8, endS: 8.04 },
  ];
  const action = at(6.04, { ranges, sinceSeekMs: 100, seekCount: 5 });
  assert.equal([action.seekToS, action.seekCount], [8, 5]);
});

test('what lies far behind is removed in steps', () => {
  const ranges = [{ startS: 0, endS: 20 }];
  assert.is(at(13.9, { ranges }).trimToS, null);
  assert.is(at(19.9, { ranges }).trimToS, 19.9 - 8);
});

test.run();
