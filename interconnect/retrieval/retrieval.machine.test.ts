import { fold, type RetrievalCommand, retrievalDecider } from '@holdfast/core';
import { DeviceId, type RetrievalEvent, RetrievalId, SegmentId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { advanceRetrieval, type RetrievalFact, restoreRetrieval } from './retrieval.machine.js';

const test = suite('retrieval machine');

const retrievalId = RetrievalId.parse(v7());
const deviceId = DeviceId.parse(v7());
const segment = {
  segmentId: SegmentId.parse(v7()),
  fromMs: 0,
  toMs: 1,
  byteLength: 700,
  digest: '00'.repeat(32),
  keyFramesOnly: false,
};
const requested: RetrievalEvent = {
  type: 'RetrievalRequested',
  data: {
    retrievalId,
    siteId: SiteId.parse(v7()),
    deviceId,
    fromMs: 0,
    toMs: 9,
    trigger: 'REQUEST',
  },
};

type FactType = RetrievalFact['type'];
const facts: { readonly [Type in FactType]: Extract<RetrievalFact, { readonly type: Type }> } = {
  RetrievalStarted: { type: 'RetrievalStarted', data: { retrievalId, segmentCount: 3, totalBytes: 2100 } },
  RetrievalProgressed: {
    type: 'RetrievalProgressed',
    data: { retrievalId, deviceId, segments: [segment], transferredBytes: 800 },
  },
  RetrievalInterrupted: { type: 'RetrievalInterrupted', data: { retrievalId, cause: 'LINK_LOST' } },
  RetrievalResumed: { type: 'RetrievalResumed', data: { retrievalId } },
  RetrievalCompleted: {
    type: 'RetrievalCompleted',
    data: { retrievalId, transferredBytes: 900, missing: [{ fromMs: 3, toMs: 4, cause: 'DELETED' }] },
  },
  RetrievalFailed: {
    type: 'RetrievalFailed',
    data: { retrievalId, cause: 'DIGEST_MISMATCH', detail: 'fragment 7' },
  },
  RetrievalCancelled: { type: 'RetrievalCancelled', data: { retrievalId } },
};
const commands: { readonly [Type in FactType]: RetrievalCommand } = {
  RetrievalStarted: { type: 'StartRetrieval', segmentCount: 3, totalBytes: 2100 },
  RetrievalProgressed: { type: 'ProgressRetrieval', segments: [segment], transferredBytes: 800 },
  RetrievalInterrupted: { type: 'InterruptRetrieval', cause: 'LINK_LOST' },
  RetrievalResumed: { type: 'ResumeRetrieval' },
  RetrievalCompleted: { type: 'CompleteRetrieval', transferredBytes: 900, missing: [] },
  RetrievalFailed: { type: 'FailRetrieval', cause: 'DIGEST_MISMATCH', detail: 'fragment 7' },
  RetrievalCancelled: { type: 'CancelRetrieval' },
};

const { RetrievalStarted: started, RetrievalInterrupted: interrupted } = facts;
/** A way into each state, and the table's row: where each fact leads; what is not named leads nowhere. */
const table: readonly {
  readonly state: string;
  readonly way: readonly RetrievalFact[];
  readonly leadsTo: { readonly [Type in FactType]?: string };
}[] = [
  {
    state: 'PENDING',
    way: [],
    leadsTo: {
      RetrievalStarted: 'IN_PROGRESS',
      RetrievalFailed: 'FAILED',
      RetrievalCancelled: 'CANCELLED',
    },
  },
  {
    state: 'IN_PROGRESS',
    way: [started],
    leadsTo: {
      RetrievalProgressed: 'IN_PROGRESS',
      RetrievalInterrupted: 'INTERRUPTED',
      RetrievalCompleted: 'COMPLETED',
      RetrievalFailed: 'FAILED',
      RetrievalCancelled: 'CANCELLED',
    },
  },
  {
    state: 'INTERRUPTED',
    way: [started, interrupted],
    leadsTo: {
      RetrievalResumed: 'IN_PROGRESS',
      RetrievalFailed: 'FAILED',
      RetrievalCancelled: 'CANCELLED',
    },
  },
  { state: 'COMPLETED', way: [started, facts.RetrievalCompleted], leadsTo: {} },
  { state: 'FAILED', way: [facts.RetrievalFailed], leadsTo: {} },
  { state: 'CANCELLED', way: [facts.RetrievalCancelled], leadsTo: {} },
];

test('every cell of the table is as specified, and machine and decider agree on it', () => {
  for (const { state, way, leadsTo } of table) {
    for (const type of Object.keys(facts) as FactType[]) {
      const cell = `${state} × ${type}`;
      const before = restoreRetrieval([requested, ...way])!;
      assert.is(before.value, state, cell);
      const after = advanceRetrieval(before, facts[type]);
      assert.is(after.value, leadsTo[type] ?? state, cell);
      if (leadsTo[type] === undefined) assert.is(after, before, `${cell} changes nothing at all`);
      const decided = retrievalDecider.decide(commands[type], fold(retrievalDecider, [requested, ...way]));
      assert.is(decided.accepted, leadsTo[type] !== undefined, cell);
    }
  }
});

test('a second request is ignored', () => {
  const before = restoreRetrieval([requested])!;
  assert.is(advanceRetrieval(before, requested), before);
});

test('restored from its events it is where it was, with what was fetched', () => {
  const snapshot = restoreRetrieval([
    requested,
    started,
    facts.RetrievalProgressed,
    interrupted,
    facts.RetrievalResumed,
    facts.RetrievalCompleted,
  ])!;
  assert.is(snapshot.value, 'COMPLETED');
  assert.equal(snapshot.context, {
    request: requested.data,
    segmentCount: 3,
    totalBytes: 2100,
    retrievedSegmentCount: 1,
    retrievedBytes: 700,
    transferredBytes: 900,
    interruption: null,
    failure: null,
    missing: [{ fromMs: 3, toMs: 4, cause: 'DELETED' }],
  });
});

test('why it is interrupted or failed can be read from it', () => {
  assert.is(restoreRetrieval([requested, started, interrupted])!.context.interruption, 'LINK_LOST');
  const failed = restoreRetrieval([requested, facts.RetrievalFailed])!;
  assert.equal(failed.context.failure, { cause: 'DIGEST_MISMATCH', detail: 'fragment 7' });
});

test('events that do not begin with the request are no retrieval', () => {
  assert.is(restoreRetrieval([]), null);
  assert.is(restoreRetrieval([started]), null);
});

test.run();
