import {
  DeviceId,
  type RetrievalEvent,
  RetrievalId,
  type RetrievedSegment,
  retrievalEvents,
  SegmentId,
  SiteId,
} from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fold } from '../decider/decider.js';
import type { RequestRetrieval, RetrievalCommand, RetrievalRefusal } from './retrieval.commands.js';
import { RETRIEVAL_SPAN_MS_MAX, retrievalDecider } from './retrieval.decider.js';

const test = suite('retrieval decider');

const uuid = (digit: number) => `00000000-0000-4000-8000-00000000000${digit}`;
const retrievalId = RetrievalId.parse(uuid(1));
const siteId = SiteId.parse(uuid(2));
const deviceId = DeviceId.parse(uuid(3));
const requestData = { retrievalId, siteId, deviceId, fromMs: 1000, toMs: 9000, trigger: 'REQUEST' as const };
const requestCommand: RequestRetrieval = { type: 'RequestRetrieval', ...requestData, nowMs: 10_000 };
const segment = (digit: number): RetrievedSegment => ({
  segmentId: SegmentId.parse(uuid(digit)),
  fromMs: 1000,
  toMs: 2000,
  byteLength: 500,
  digest: 'ab'.repeat(32),
  keyFramesOnly: false,
});

const requested: RetrievalEvent = { type: 'RetrievalRequested', data: requestData };
const started: RetrievalEvent = {
  type: 'RetrievalStarted',
  data: { retrievalId, segmentCount: 2, totalBytes: 1000 },
};
const progressed: RetrievalEvent = {
  type: 'RetrievalProgressed',
  data: { retrievalId, deviceId, segments: [segment(4)], transferredBytes: 500 },
};
const interrupted: RetrievalEvent = {
  type: 'RetrievalInterrupted',
  data: { retrievalId, cause: 'LINK_LOST' },
};
const completed: RetrievalEvent = {
  type: 'RetrievalCompleted',
  data: { retrievalId, transferredBytes: 1000, missing: [] },
};
const failed: RetrievalEvent = {
  type: 'RetrievalFailed',
  data: { retrievalId, cause: 'DISK_FULL', detail: 'no space' },
};
const cancelled: RetrievalEvent = { type: 'RetrievalCancelled', data: { retrievalId } };

function given(...events: readonly RetrievalEvent[]) {
  const state = fold(retrievalDecider, events);
  return {
    when: (command: RetrievalCommand) => {
      const decision = retrievalDecider.decide(command, state);
      return {
        thenEvents: (...expected: readonly RetrievalEvent[]) => {
          assert.ok(decision.accepted, JSON.stringify(decision));
          assert.equal(decision.events, expected);
        },
        thenRefused: (refusal: RetrievalRefusal) => {
          assert.not(decision.accepted, 'accepted');
          if (!decision.accepted) assert.equal(decision.refusal, refusal);
        },
      };
    },
  };
}

test('a span in the past can be requested, and one that reaches into the future', () => {
  given().when(requestCommand).thenEvents(requested);
  given()
    .when({ ...requestCommand, nowMs: 5000 })
    .thenEvents(requested);
  const longest = { fromMs: 2e9, toMs: 2e9 + RETRIEVAL_SPAN_MS_MAX };
  given()
    .when({ ...requestCommand, ...longest, nowMs: 9e9 })
    .thenEvents({ type: 'RetrievalRequested', data: { ...requestData, ...longest } });
});

test('a span that is empty, wholly in the future or too long is refused by name', () => {
  given()
    .when({ ...requestCommand, toMs: 1000 })
    .thenRefused({ code: 'EMPTY_SPAN', fromMs: 1000, toMs: 1000 });
  given()
    .when({ ...requestCommand, nowMs: 1000 })
    .thenRefused({ code: 'SPAN_IN_FUTURE', fromMs: 1000, nowMs: 1000 });
  const spanMs = RETRIEVAL_SPAN_MS_MAX + 1;
  given()
    .when({ ...requestCommand, toMs: 1000 + spanMs })
    .thenRefused({ code: 'SPAN_TOO_LONG', spanMs, spanMsMax: RETRIEVAL_SPAN_MS_MAX });
});

test('the same retrieval is not requested twice', () => {
  given(requested).when(requestCommand).thenRefused({ code: 'ALREADY_REQUESTED', retrievalId });
});

test('a requested retrieval starts with what is known to be fetched', () => {
  given(requested).when({ type: 'StartRetrieval', segmentCount: 2, totalBytes: 1000 }).thenEvents(started);
});

test('progress reports each segment once', () => {
  given(requested, started)
    .when({ type: 'ProgressRetrieval', segments: [segment(4)], transferredBytes: 500 })
    .thenEvents(progressed);
  given(requested, started, progressed)
    .when({ type: 'ProgressRetrieval', segments: [segment(4), segment(5)], transferredBytes: 1000 })
    .thenEvents({
      type: 'RetrievalProgressed',
      data: { retrievalId, deviceId, segments: [segment(5)], transferredBytes: 1000 },
    });
  given(requested, started, progressed)
    .when({ type: 'ProgressRetrieval', segments: [segment(4)], transferredBytes: 500 })
    .thenRefused({ code: 'NOTHING_NEW', segmentIds: [segment(4).segmentId] });
});

test('progress of more segments than an event holds is refused', () => {
  const full = Array.from({ length: 500 }, () => segment(4));
  given(requested, started)
    .when({ type: 'ProgressRetrieval', segments: full, transferredBytes: 1 })
    .thenEvents({
      type: 'RetrievalProgressed',
      data: { retrievalId, deviceId, segments: full, transferredBytes: 1 },
    });
  const segments = Array.from({ length: 501 }, () => segment(4));
  given(requested, started)
    .when({ type: 'ProgressRetrieval', segments, transferredBytes: 1 })
    .thenRefused({ code: 'TOO_MANY_SEGMENTS', segmentCount: 501, segmentCountMax: 500 });
});

test('an interrupted retrieval goes on where it was', () => {
  given(requested, started, progressed)
    .when({ type: 'InterruptRetrieval', cause: 'LINK_LOST' })
    .thenEvents(interrupted);
  given(requested, started, progressed, interrupted)
    .when({ type: 'ResumeRetrieval' })
    .thenEvents({ type: 'RetrievalResumed', data: { retrievalId } });
  const state = fold(retrievalDecider, [requested, started, progressed, interrupted]);
  assert.is(state.status, 'INTERRUPTED');
  if (state.status !== 'NONE') assert.equal([...state.retrievedSegmentIds], [segment(4).segmentId]);
});

test('it completes while in progress and names what could not be had', () => {
  const missing = [{ fromMs: 2000, toMs: 3000, cause: 'DELETED' }];
  given(requested, started, progressed)
    .when({ type: 'CompleteRetrieval', transferredBytes: 500, missing })
    .thenEvents({ type: 'RetrievalCompleted', data: { retrievalId, transferredBytes: 500, missing } });
});

test('it can fail or be cancelled at any time before its end, and what was fetched stays', () => {
  for (const before of [[], [started], [started, progressed], [started, progressed, interrupted]]) {
    given(requested, ...before)
      .when({ type: 'CancelRetrieval' })
      .thenEvents(cancelled);
    given(requested, ...before)
      .when({ type: 'FailRetrieval', cause: 'DISK_FULL', detail: 'no space' })
      .thenEvents(failed);
  }
  const state = fold(retrievalDecider, [requested, started, progressed, cancelled]);
  assert.is(state.status, 'CANCELLED');
  if (state.status !== 'NONE') {
    assert.is(state.transferredBytes, 500);
    assert.is(state.retrievedSegmentIds.size, 1);
  }
});

const steps: readonly Exclude<RetrievalCommand, RequestRetrieval>[] = [
  { type: 'StartRetrieval', segmentCount: 0, totalBytes: 0 },
  { type: 'ProgressRetrieval', segments: [segment(5)], transferredBytes: 1 },
  { type: 'InterruptRetrieval', cause: 'STOPPED' },
  { type: 'ResumeRetrieval' },
  { type: 'CompleteRetrieval', transferredBytes: 0, missing: [] },
  { type: 'FailRetrieval', cause: 'DISK_FULL', detail: '' },
  { type: 'CancelRetrieval' },
];

test('nothing happens to a retrieval that was never requested, or that has ended', () => {
  for (const command of steps) {
    given().when(command).thenRefused({ code: 'NO_SUCH_RETRIEVAL' });
    // Nor to what began without a request.
    given(started, progressed).when(command).thenRefused({ code: 'NO_SUCH_RETRIEVAL' });
    given(requested, started, completed)
      .when(command)
      .thenRefused({ code: 'ALREADY_ENDED', status: 'COMPLETED' });
    given(requested, failed).when(command).thenRefused({ code: 'ALREADY_ENDED', status: 'FAILED' });
    given(requested, cancelled).when(command).thenRefused({ code: 'ALREADY_ENDED', status: 'CANCELLED' });
  }
});

test('a step that does not fit the state is refused with what would fit', () => {
  given(requested)
    .when({ type: 'CompleteRetrieval', transferredBytes: 0, missing: [] })
    .thenRefused({ code: 'NOT_NOW', status: 'PENDING', expected: ['IN_PROGRESS'] });
  given(requested, started)
    .when({ type: 'ResumeRetrieval' })
    .thenRefused({ code: 'NOT_NOW', status: 'IN_PROGRESS', expected: ['INTERRUPTED'] });
  given(requested, started, interrupted)
    .when({ type: 'ProgressRetrieval', segments: [segment(5)], transferredBytes: 1 })
    .thenRefused({ code: 'NOT_NOW', status: 'INTERRUPTED', expected: ['IN_PROGRESS'] });
});

test('every event that is decided fits its schema', () => {
  for (const event of [requested, started, progressed, interrupted, completed, failed, cancelled]) {
    const definition = retrievalEvents.find(candidate => candidate.type === event.type);
    assert.ok(definition?.data.safeParse(event.data).success, event.type);
  }
});

test.run();
