import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DeviceSegmentFacts } from '../timeline/timeline.js';
import { LINK_SETTLED_MS, SEAL_MS_MAX, settlementOf } from './retrieval.settlement.js';

const test = suite('retrieval settlement');

const span = { fromMs: 1_000_000, toMs: 1_060_000 };
const segment = (segmentId: string, fromMs: number, toMs: number) => ({ segmentId, fromMs, toMs });
const running: DeviceSegmentFacts = {
  sealed: [],
  gaps: [],
  losses: [],
  held: [],
  running: { sinceMs: 0 },
  unsealed: [],
  lastStop: null,
  known: { fromMs: 0, toMs: 990_000 },
  link: { state: 'UP', sinceMs: 1_000_000 },
  retentionMs: null,
};
const whole = [segment('a', 990_000, 1_030_000), segment('b', 1_030_000, 1_070_000)];

test('a span whose last segment is held is settled, and nothing is missing', () => {
  const facts = { ...running, sealed: whole, held: whole };
  assert.equal(settlementOf(facts, span, 1_080_000), { settled: true, missing: [] });
});

test('a span that reaches into the future, or into what is not sealed yet, is not settled', () => {
  assert.equal(settlementOf({ ...running, sealed: whole, held: whole }, span, 1_050_000), { settled: false });
  const half = whole.slice(0, 1);
  assert.equal(settlementOf({ ...running, sealed: half, held: half }, span, 1_080_000), { settled: false });
});

test('while the link is down nothing is settled that has not been told', () => {
  const facts = { ...running, running: null, link: { state: 'DOWN' as const, sinceMs: 1_000_000 } };
  assert.equal(settlementOf(facts, span, 9_000_000), { settled: false });
});

test('what was deleted, never recorded or reported as a gap is named as missing', () => {
  const facts: DeviceSegmentFacts = {
    ...running,
    sealed: [segment('a', 1_000_000, 1_010_000), segment('c', 1_050_000, 1_070_000)],
    held: [segment('c', 1_050_000, 1_070_000)],
    losses: [{ segmentId: 'a', fromMs: 1_000_000, toMs: 1_010_000, cause: 'DELETED' }],
    gaps: [{ fromMs: 1_020_000, toMs: 1_050_000, cause: 'CAMERA_DISCONNECTED' }],
  };
  assert.equal(settlementOf(facts, span, 1_080_000), {
    settled: true,
    missing: [
      { fromMs: 1_000_000, toMs: 1_010_000, cause: 'DELETED' },
      { fromMs: 1_010_000, toMs: 1_020_000, cause: 'NOT_RECORDED' },
      { fromMs: 1_020_000, toMs: 1_050_000, cause: 'CAMERA_DISCONNECTED' },
    ],
  });
});

test('a gap that was told up to the end says that all before it was told', () => {
  const gaps = [{ fromMs: 1_000_000, toMs: 1_060_000, cause: 'CAMERA_DISCONNECTED' }];
  assert.equal(settlementOf({ ...running, gaps }, span, 1_070_000), {
    settled: true,
    missing: [{ ...span, cause: 'CAMERA_DISCONNECTED' }],
  });
});

test('a device of this site has no link to wait for', () => {
  const own = { ...running, link: null };
  assert.ok(settlementOf({ ...own, running: null }, span, span.toMs).settled);
  assert.not(settlementOf(own, span, span.toMs + SEAL_MS_MAX).settled);
  assert.ok(settlementOf(own, span, span.toMs + SEAL_MS_MAX + 1).settled);
});

test('a stopped device is believed only when the facts have had time to arrive', () => {
  const facts: DeviceSegmentFacts = {
    ...running,
    running: null,
    lastStop: { atMs: 990_000, cause: 'RECORDING_DISABLED' },
    link: { state: 'UP', sinceMs: 1_060_000 },
  };
  assert.equal(settlementOf(facts, span, 1_060_000 + LINK_SETTLED_MS), { settled: false });
  assert.equal(settlementOf(facts, span, 1_060_001 + LINK_SETTLED_MS), {
    settled: true,
    missing: [{ ...span, cause: 'RECORDING_DISABLED' }],
  });
});

test('a fact just behind the span may be told before the last segment of it', () => {
  const facts = { ...running, known: { fromMs: 0, toMs: 1_061_000 } };
  assert.equal(settlementOf(facts, span, 1_062_000), { settled: false });
  assert.ok(settlementOf({ ...running, known: { fromMs: 0, toMs: 1_200_000 } }, span, 1_200_000).settled);
});

test('what is old may still be told by a link that has just come back', () => {
  const sinceMs = 9_000_000;
  const facts = {
    ...running,
    known: { fromMs: 0, toMs: 1_000_000 },
    link: { state: 'UP' as const, sinceMs },
  };
  assert.not(settlementOf(facts, span, sinceMs + SEAL_MS_MAX).settled);
  assert.ok(settlementOf(facts, span, sinceMs + SEAL_MS_MAX + 1).settled);
});

test('what is not sealed for minutes will never be', () => {
  const facts = { ...running, known: { fromMs: 0, toMs: 1_000_000 } };
  assert.equal(settlementOf(facts, span, span.toMs + SEAL_MS_MAX), { settled: false });
  assert.equal(settlementOf(facts, span, span.toMs + SEAL_MS_MAX + 1), {
    settled: true,
    missing: [{ ...span, cause: 'NOT_SEALED' }],
  });
});

test.run();
