import type { MediaRefusalCode, MediaSource, TimeSpan } from '@holdfast/core';
import type { DeviceId } from '@holdfast/schema';
import type { MediaDatabase } from '@holdfast/sites';

export interface MediaRefusal {
  readonly refused: MediaRefusalCode | 'NO_DECODER' | 'NOTHING_RECORDED';
  /** In words. */
  readonly message: string;
}

export function isRefusal(answer: object): answer is MediaRefusal {
  return 'refused' in answer;
}

/** Recordings that lie in this central's own media database, or at a recording server of its own site. */
export interface HeldRecordings {
  readonly source: MediaSource;
  /** What of [fromMs, toMs) is there, in order. */
  spans(span: TimeSpan): Promise<readonly TimeSpan[]> | readonly TimeSpan[];
  /** For answers of known length. Null: the recordings can only be streamed. */
  readonly database: MediaDatabase | null;
}

export interface RecordingSources {
  readonly held: HeldRecordings | null;
  /** Over the media channel of the device's site. Null: the device is ours, or its link is down. */
  readonly remote: MediaSource | null;
}

/** Where the media of a device are to be had at this moment. */
export interface MediaDirectory {
  liveSource(deviceId: DeviceId): Promise<MediaSource | MediaRefusal>;
  recordingSources(deviceId: DeviceId): Promise<RecordingSources | MediaRefusal>;
  /** A JPEG of the picture at `atMs`; null: the newest. */
  snapshot(
    deviceId: DeviceId,
    atMs: number | null,
    signal: AbortSignal,
  ): Promise<{ readonly jpeg: Uint8Array; readonly atMs: number | null } | MediaRefusal>;
}

/** The recordings of a media database in this process. */
export function heldInMediaDatabase(database: MediaDatabase, deviceId: DeviceId): HeldRecordings {
  return {
    database,
    spans: span => database.spans({ deviceId, ...span }),
    source: {
      open(request, { signal }) {
        if (request.kind === 'PLAYBACK') return database.read({ ...request, signal });
        if (request.kind === 'RETRIEVE') return database.readSegments({ ...request, signal });
        throw new RangeError('a media database has no live pictures');
      },
    },
  };
}
