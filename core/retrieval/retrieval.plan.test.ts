import {
  DeviceId,
  RecordingServerId,
  RetrievalId,
  type RetrievalTrigger,
  SegmentId,
  SiteId,
} from '@holdfast/schema';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  missedWhileDown,
  type OpenRetrieval,
  planRetrievals,
  type RetrievableSegment,
  type SourceSite,
  TRANSFER_SEGMENTS_MAX,
  type Transfer,
} from './retrieval.plan.js';

const test = suite('retrieval plan');

const uuid = (number: number) => `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`;
const siteId = SiteId.parse(uuid(1));
const serverA = RecordingServerId.parse(uuid(10));
const serverB = RecordingServerId.parse(uuid(11));
const device = (number: number) => DeviceId.parse(uuid(100 + number));
const segmentId = (number: number) => SegmentId.parse(uuid(1000 + number));
const segment = (number: number, server = serverA): RetrievableSegment => ({
  segmentId: segmentId(number),
  recordingServerId: server,
  fromMs: number * 1000,
  toMs: number * 1000 + 1000,
  byteLength: 5000,
});

const retrieval = (number: number, rest: Partial<OpenRetrieval> = {}): OpenRetrieval => ({
  retrievalId: RetrievalId.parse(uuid(500 + number)),
  siteId,
  deviceId: device(number),
  trigger: 'REQUEST',
  fromMs: 0,
  toMs: 100_000,
  requestedAtMs: number,
  notBeforeMs: 0,
  isRunning: false,
  segments: [segment(1), segment(2), segment(3)],
  heldSegmentIds: new Set(),
  retentionMs: null,
  ...rest,
});
const site: SourceSite = {
  siteId,
  linkState: 'UP',
  attached: new Set([serverA, serverB]),
  budget: { devicesMax: 10, window: null, bytesPerSecondMax: null },
};
const plan = (retrievals: readonly OpenRetrieval[], rest: Partial<SourceSite> = {}, nowMs = 1_000_000) =>
  planRetrievals({ retrievals, sites: [{ ...site, ...rest }], nowMs });
const devices = (transfers: readonly Transfer[]) => transfers.map(transfer => transfer.deviceId);

test('all of the span is fetched, oldest first', () => {
  const [transfer] = plan([retrieval(1, { segments: [segment(3), segment(1), segment(2)] })]);
  assert.equal(transfer!.segmentIds, [segmentId(1), segmentId(2), segmentId(3)]);
  assert.is(transfer!.recordingServerId, serverA);
});

test('what is held is not fetched again, nor what lies outside the span', () => {
  const [transfer] = plan([
    retrieval(1, { fromMs: 2000, toMs: 4000, heldSegmentIds: new Set([segmentId(2)]) }),
  ]);
  assert.equal(transfer!.segmentIds, [segmentId(3)]);
  assert.equal(plan([retrieval(1, { heldSegmentIds: new Set([1, 2, 3].map(segmentId)) })]), []);
  const [between] = plan([retrieval(1, { fromMs: 2000, toMs: 3000 })]);
  assert.equal(between!.segmentIds, [segmentId(2)]);
});

test('a segment that straddles the edge of the span belongs to it', () => {
  const [transfer] = plan([retrieval(1, { fromMs: 1500, toMs: 2500 })]);
  assert.equal(transfer!.segmentIds, [segmentId(1), segmentId(2)]);
});

test('the most urgent trigger comes first', () => {
  const order: readonly RetrievalTrigger[] = [
    'ALARM',
    'EVIDENCE_LOCK',
    'REQUEST',
    'RULE',
    'LINK_RESTORE',
    'SCHEDULE',
  ];
  const retrievals = order.map((trigger, index) => retrieval(index, { trigger, requestedAtMs: -index }));
  assert.equal(
    devices(plan(retrievals.toReversed())),
    order.map((_, index) => device(index)),
  );
});

test('within the same urgency what the source deletes first comes first, then what was asked first', () => {
  const transfers = plan([
    retrieval(1, { retentionMs: null, requestedAtMs: 1 }),
    retrieval(2, { retentionMs: 9000, requestedAtMs: 3 }),
    retrieval(3, { retentionMs: 5000, requestedAtMs: 9 }),
    retrieval(4, { retentionMs: 9000, requestedAtMs: 2 }),
  ]);
  assert.equal(devices(transfers), [3, 4, 2, 1].map(device));
  const alike = [retrieval(1, { requestedAtMs: 1 }), retrieval(2, { requestedAtMs: 1 })];
  assert.equal(plan(alike.toReversed()), plan(alike));
});

test('a site is asked for no more devices at once than its budget says, and each device once', () => {
  const many = [1, 2, 3, 4].map(number => retrieval(number));
  assert.equal(devices(plan(many, { budget: { ...site.budget, devicesMax: 2 } })), [device(1), device(2)]);
  const same = [retrieval(1), retrieval(2, { deviceId: device(1) }), retrieval(3)];
  assert.equal(devices(plan(same)), [device(1), device(3)]);
});

test('nothing is planned while the link is down, or for a recording server that is not attached', () => {
  assert.equal(planRetrievals({ retrievals: [retrieval(1)], sites: [], nowMs: 1_000_000 }), []);
  assert.equal(plan([retrieval(1)], { linkState: 'DOWN' }), []);
  assert.equal(plan([retrieval(1)], { linkState: 'CONNECTING' }), []);
  assert.equal(plan([retrieval(1)], { attached: new Set([serverB]) }), []);
  const spread = retrieval(1, { segments: [segment(1, serverA), segment(2, serverB)] });
  assert.equal(plan([spread], { attached: new Set([serverB]) })[0]!.segmentIds, [segmentId(2)]);
});

test('after an interruption it waits until it may be tried again', () => {
  assert.equal(plan([retrieval(1, { notBeforeMs: 1_000_001 })]), []);
  assert.is(plan([retrieval(1, { notBeforeMs: 1_000_000 })]).length, 1);
});

test('a transfer is of one recording server, and of a bounded number of segments', () => {
  const segments = Array.from({ length: 100 }, (_, index) => segment(index, index < 90 ? serverA : serverB));
  const [transfer] = plan([retrieval(1, { segments })]);
  assert.is(transfer!.segmentIds.length, TRANSFER_SEGMENTS_MAX);
  const held = new Set(segments.slice(0, 89).map(one => one.segmentId));
  assert.equal(plan([retrieval(1, { segments, heldSegmentIds: held })])[0]!.segmentIds, [segmentId(89)]);
});

test('outside the window nothing begins, and what runs is not cut', () => {
  const hour = 3_600_000;
  const nights = { budget: { ...site.budget, window: { fromMinute: 22 * 60, toMinute: 5 * 60 } } };
  assert.is(plan([retrieval(1)], nights, 400 * 24 * hour + 23 * hour).length, 1);
  assert.is(plan([retrieval(1)], nights, 22 * hour).length, 1);
  assert.is(plan([retrieval(1)], nights, 29 * hour).length, 0);
  assert.is(plan([retrieval(1)], nights, 28 * hour).length, 1);
  assert.is(plan([retrieval(1)], nights, 12 * hour).length, 0);
  assert.is(plan([retrieval(1, { isRunning: true })], nights, 12 * hour).length, 1);
  const noon = { budget: { ...site.budget, window: { fromMinute: 12 * 60, toMinute: 13 * 60 } } };
  assert.is(plan([retrieval(1)], noon, 12 * hour).length, 1);
  assert.is(plan([retrieval(1)], noon, 13 * hour).length, 0);
  assert.is(plan([retrieval(1)], noon, 11 * hour).length, 0);
});

test('of an outage everything is missed that is not held', () => {
  const outage = { fromMs: 1000, toMs: 5000 };
  assert.equal(missedWhileDown(outage, []), [outage]);
  assert.equal(missedWhileDown(outage, [{ fromMs: 0, toMs: 9000 }]), []);
  assert.equal(
    missedWhileDown(outage, [
      { fromMs: 4000, toMs: 4500 },
      { fromMs: 500, toMs: 2000 },
      { fromMs: 1800, toMs: 2200 },
    ]),
    [
      { fromMs: 2200, toMs: 4000 },
      { fromMs: 4500, toMs: 5000 },
    ],
  );
});

test('every moment of an outage is either held or missed, never both', () => {
  const moment = fc.integer({ min: 0, max: 100 });
  const span = fc
    .tuple(moment, fc.integer({ min: 1, max: 40 }))
    .map(([fromMs, lengthMs]) => ({ fromMs, toMs: fromMs + lengthMs }));
  fc.assert(
    fc.property(span, fc.array(span), (outage, held) => {
      const missed = missedWhileDown(outage, held);
      const inside = (spans: readonly { fromMs: number; toMs: number }[], atMs: number) =>
        spans.some(one => one.fromMs <= atMs && atMs < one.toMs);
      for (let atMs = 0; atMs < 150; atMs += 1) {
        assert.is(inside(missed, atMs), inside([outage], atMs) && !inside(held, atMs));
      }
    }),
  );
});

test.run();
