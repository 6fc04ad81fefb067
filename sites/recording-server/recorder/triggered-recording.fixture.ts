// For tests of what triggers record: groups of pictures by number, and runs of recording in their terms.
import type { Fragment, TriggerChange, TriggerKind } from '@holdfast/core';
import type { RecordingPolicy, SealedSegment } from '@holdfast/schema';
import type { SqliteSiteLog } from '../../log/sqlite-site-log.js';
import { testFragment } from '../media-database/media-fixture.js';
import { cameraId, hardwareId, say } from '../recording-server.fixture.js';

/** When the `index`th group of pictures, of two seconds, arrives. */
export const at = (index: number) => testFragment(index).arrivalMs;

export const groups = (from: number, to: number): Fragment[] =>
  Array.from({ length: to - from }, (_, index) => testFragment(from + index));

/** `BEGAN`: until it ends. */
export const changeOf = (kind: TriggerKind, change: 'BEGAN' | 'ENDED', atMs: number): TriggerChange =>
  change === 'BEGAN' ? { change, key: kind, kind, atMs, untilMs: null } : { change, key: kind, atMs };

export const setPolicy = (log: SqliteSiteLog, policy: RecordingPolicy) =>
  say(log, `hardware-${hardwareId}`, {
    type: 'DeviceRecordingPolicySet',
    data: { hardwareId, deviceId: cameraId, policy },
  });

export const groupAt = (timeMs: number) => (timeMs - testFragment(0).fromMs) / 2000;

/** First and last group, and why the run began and ended. */
export const runOf = ({ fromMs, toMs, beganBecause, endedBecause }: SealedSegment) => [
  ...[groupAt(fromMs), groupAt(toMs) - 1, beganBecause, endedBecause],
];
