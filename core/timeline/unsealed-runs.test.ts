import type {
  DeviceId,
  RecordingCause,
  RecordingEvent,
  RecordingServerId,
  SegmentId,
} from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { evolveUnsealedRuns, UNSEALED_RUNS_MAX, type UnsealedRun } from './unsealed-runs.js';

const test = suite('unsealed runs');

const [first, second] = ['a', 'b'] as unknown as readonly [RecordingServerId, RecordingServerId];
const deviceId = 'camera' as DeviceId;

const started = (recordingServerId: RecordingServerId, atMs: number): RecordingEvent => ({
  type: 'RecordingStarted',
  data: { deviceId, recordingServerId, atMs, cause: 'RECORDING_ENABLED' },
});
const stopped = (recordingServerId: RecordingServerId, atMs: number): RecordingEvent => ({
  type: 'RecordingStopped',
  data: { deviceId, recordingServerId, atMs, cause: 'HARDWARE_MOVED' },
});
const sealed = (
  recordingServerId: RecordingServerId,
  fromMs: number,
  toMs: number,
  endedBecause: RecordingCause = 'RECORDING_CONTINUED',
): RecordingEvent => ({
  type: 'RecordingSealed',
  data: {
    ...{ deviceId, recordingServerId, gaps: [] },
    segments: [
      {
        ...{ segmentId: `${fromMs}` as SegmentId, fromMs, toMs, fragmentCount: 1, byteLength: 1 },
        ...{
          digest: 'ab'.repeat(32),
          timeSource: 'ARRIVAL',
          beganBecause: 'RECORDING_ENABLED',
          endedBecause,
        },
      },
    ],
  },
});
const after = (...events: readonly RecordingEvent[]) =>
  events.reduce<readonly UnsealedRun[]>(evolveUnsealedRuns, []);

test('of a run that was moved to another server the rest is unsealed until its server tells of it', () => {
  const moved = [
    started(first, 0),
    sealed(first, 0, 10_000),
    stopped(first, 16_000),
    started(second, 16_500),
  ];
  const running = { recordingServerId: second, fromMs: 16_500, toMs: null };
  assert.equal(after(...moved), [{ recordingServerId: first, fromMs: 10_000, toMs: 16_000 }, running]);
  assert.equal(after(...moved, sealed(first, 10_000, 16_000, 'HARDWARE_MOVED')), [running]);
});

test('what one server seals says nothing of a run of another', () => {
  const runs = after(
    started(first, 0),
    stopped(first, 5000),
    started(second, 5500),
    sealed(second, 5500, 60_000),
  );
  assert.equal(runs[0], { recordingServerId: first, fromMs: 0, toMs: 5000 });
});

test('the last segment of a run ends it, also where the stop was told later than its last frame', () => {
  assert.equal(
    after(started(first, 0), stopped(first, 9000), sealed(first, 0, 8000, 'CAMERA_DISCONNECTED')),
    [],
  );
});

test('a rest of a frame interval is none', () => {
  assert.equal(after(started(first, 0), sealed(first, 0, 4950), stopped(first, 5000)), []);
});

test('segments of a later run of the same server end the earlier one', () => {
  const runs = after(
    started(first, 0),
    stopped(first, 5000),
    started(first, 9000),
    sealed(first, 9000, 20_000),
  );
  assert.equal(runs, [{ recordingServerId: first, fromMs: 20_000, toMs: null }]);
});

test('no more runs are kept than the bound', () => {
  const many = Array.from({ length: UNSEALED_RUNS_MAX + 8 }, (_, index) => [
    started(first, index * 10_000),
    stopped(first, index * 10_000 + 5000),
  ]).flat();
  assert.is(after(...many, started(first, 1_000_000)).length, UNSEALED_RUNS_MAX);
});

test.run();
