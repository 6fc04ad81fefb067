import { fragmentByteLength } from '@holdfast/core';
import type { DeviceId, RecordingServerId, SegmentId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { LiveFanOut } from '../recording-server/camera/live-fan-out.js';
import type { CameraSink } from '../recording-server/drivers/driver.js';
import { runCameraSession } from '../recording-server/drivers/rtsp/camera-session.js';
import {
  MEDIA_DATABASE_LIMITS,
  type MediaDatabase,
} from '../recording-server/media-database/media-database.js';
import { openMediaDatabase } from '../recording-server/media-database/open-media-database.js';

/**
 * The recorder of `benchIngest`: real camera sessions into a real media database, with the live fan-out that a recording
 * server keeps. Answers each message of its parent with what it has recorded so far, and ends with its parent.
 */
export interface RecorderProgress {
  /** Cameras of which a whole group of pictures was recorded. */
  readonly recordingCount: number;
  readonly fragmentCount: number;
  readonly byteLength: number;
  /** Access units lost on the way, groups that the disk did not take, runs and connections that broke. */
  readonly lostCount: number;
  /** From when a group of pictures was handed over until it was durable: the 99th of a hundred, since it was asked before. */
  readonly writeDelayMsP99: number;
}

const [directory = ''] = process.argv.slice(2);
const controller = new AbortController();
const sessions: Promise<void>[] = [];
const recording = new Set<number>();
const delaysMs: number[] = [];
const progress = { fragmentCount: 0, byteLength: 0, lostCount: 0 };
const database = await openMediaDatabase({
  dir: directory,
  recordingServerId: v7() as RecordingServerId,
  now: Date.now,
  newSegmentId: () => v7() as SegmentId,
  limits: MEDIA_DATABASE_LIMITS,
  observer: {
    fragmentsDropped: drop => {
      progress.lostCount += drop.fragmentCount;
    },
    writeFailed: failure => {
      throw new Error(`the benchmark cannot write: ${failure.message}`);
    },
    damageFound: () => {},
    wrote: (_durationMs, delayMs) => delaysMs.push(delayMs),
  },
});

function sinkOf(index: number, media: MediaDatabase): CameraSink {
  const deviceId = v7() as DeviceId;
  const fanOut = new LiveFanOut();
  let expectedMs: number | null = null;
  return {
    connected: () => {},
    format: init => {
      expectedMs = null;
      fanOut.format(init);
      media.beginRun({ deviceId, init, cause: 'CAMERA_CONNECTED' });
    },
    liveFragment: fragment => fanOut.push(fragment),
    recordedFragment: fragment => {
      if (expectedMs !== null && fragment.fromMs !== expectedMs) progress.lostCount += 1;
      expectedMs = fragment.toMs;
      progress.fragmentCount += 1;
      progress.byteLength += fragmentByteLength(fragment);
      recording.add(index);
      media.append(deviceId, fragment);
    },
    runEnded: cause => {
      fanOut.runEnded();
      if (!controller.signal.aborted) progress.lostCount += 1;
      void media.endRun({ deviceId, cause });
    },
    accessUnitsLost: count => {
      if (!controller.signal.aborted) progress.lostCount += count;
    },
    connectionLost: () => {
      progress.lostCount += 1;
    },
  };
}

process.on('message', (addresses: readonly string[]) => {
  for (const address of addresses)
    sessions.push(
      runCameraSession(
        {
          address,
          credentials: null,
          sink: sinkOf(sessions.length, database),
          now: Date.now,
          random: Math.random,
        },
        controller.signal,
      ),
    );
  const sorted = delaysMs.splice(0).sort((one, other) => one - other);
  const writeDelayMsP99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  process.send?.({
    ...{ recordingCount: recording.size, ...progress, writeDelayMsP99 },
  } satisfies RecorderProgress);
});
process.once('disconnect', async () => {
  controller.abort();
  await Promise.all(sessions);
  await database[Symbol.asyncDispose]();
});
