import type { DeviceId, ManualRecordingEvent } from '@holdfast/schema';
import { suite } from 'uvu';
import { given } from '../decider/decider-specification.js';
import { manualRecordingDecider } from './manual-recording.decider.js';

const test = suite('manual recording');
const deviceId = '018f0000-0000-7000-8000-000000000002' as DeviceId;
const at = { deviceId, deviceKnown: true, nowMs: 1_000_000 };
const start = { kind: 'StartRecording', durationMs: 300_000, ...at } as const;
const stop = { kind: 'StopRecording', ...at } as const;
const started: ManualRecordingEvent = {
  type: 'ManualRecordingStarted',
  data: { deviceId, fromMs: 1_000_000, untilMs: 1_300_000 },
};
const stopped: ManualRecordingEvent = {
  type: 'ManualRecordingStopped',
  data: { deviceId, atMs: 1_100_000 },
};

test('a recording that somebody starts stops by itself', () => {
  given(manualRecordingDecider).when(start).then(started);
  given(manualRecordingDecider, started)
    .when({ ...stop, nowMs: 1_300_000 })
    .thenRefused('NOT_RECORDED_MANUALLY');
});

test('started again, it goes on', () => {
  given(manualRecordingDecider, started)
    .when({ ...start, nowMs: 1_200_000 })
    .then({
      type: 'ManualRecordingStarted',
      data: { deviceId, fromMs: 1_000_000, untilMs: 1_500_000 },
    });
});

test('it is stopped once', () => {
  given(manualRecordingDecider, started)
    .when({ ...stop, nowMs: 1_100_000 })
    .then(stopped);
  given(manualRecordingDecider, started, stopped)
    .when({ ...stop, nowMs: 1_200_000 })
    .thenRefused('NOT_RECORDED_MANUALLY');
  given(manualRecordingDecider).when(stop).thenRefused('NOT_RECORDED_MANUALLY');
});

test('what the site does not have is not recorded', () => {
  given(manualRecordingDecider)
    .when({ ...start, deviceKnown: false })
    .thenRefused('DEVICE_NOT_FOUND');
});

test.run();
