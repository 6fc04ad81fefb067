import { randomBytes } from 'node:crypto';
import { newEvent, type SiteLog } from '@holdfast/core';
import type { DeviceId, EventId, RecordingServerId, SegmentId } from '@holdfast/schema';
import { MEDIA_DATABASE_LIMITS, type MediaDatabase, newUuid, openMediaDatabase } from '@holdfast/sites';

/** A group of pictures of a camera in daily use. */
export const FRAGMENT_MS = 2000;

export function openBenchMediaDatabase(
  dir: string,
  recordingServerId: RecordingServerId,
): Promise<MediaDatabase> {
  const fault = (facts: object) => {
    throw new Error(`the media database of the benchmark failed: ${JSON.stringify(facts)}`);
  };
  return openMediaDatabase({
    ...{ dir, recordingServerId, now: Date.now, newSegmentId: newUuid<SegmentId> },
    limits: { ...MEDIA_DATABASE_LIMITS, queueFragmentsMax: 1000, queueBytesMax: 256 * 1024 * 1024 },
    observer: { fragmentsDropped: fault, writeFailed: fault, damageFound: fault },
  });
}

/** Records the same span of each device, with noise for pictures, and tells the log. The digests in the log are the real ones. */
export async function recordCameras(options: {
  readonly database: MediaDatabase;
  readonly log: SiteLog;
  readonly deviceIds: readonly DeviceId[];
  readonly fromMs: number;
  readonly fragmentCount: number;
  readonly fragmentBytes: number;
}): Promise<void> {
  const { database, log, deviceIds, fragmentCount, fragmentBytes } = options;
  const { recordingServerId } = database;
  for (const deviceId of deviceIds) {
    const bytes = Buffer.concat([box('ftyp', Buffer.from('iso6')), box('moov', randomBytes(600))]);
    database.beginRun({ deviceId, init: { bytes, codecs: 'avc1.640028' }, cause: 'SERVER_STARTED' });
    for (let index = 0; index < fragmentCount; index += 1) {
      const fromMs = options.fromMs + index * FRAGMENT_MS;
      const times = { fromMs, toMs: fromMs + FRAGMENT_MS, arrivalMs: fromMs };
      const media = Buffer.concat([box('moof', randomBytes(100)), box('mdat', randomBytes(fragmentBytes))]);
      const fragment = {
        ...times,
        timeSource: 'SENDER_REPORT',
        beginsWithKeyFrame: true,
        bytes: media,
      } as const;
      const outcome = database.append(deviceId, fragment);
      if (!outcome.accepted) throw new Error(`the media database refused: ${outcome.refusal}`);
    }
    await database.endRun({ deviceId, cause: 'SERVER_STOPPED' });
    const segments = database
      .segments({ deviceId, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, after: null, limit: 200 })
      .map(({ segment }) => segment);
    const data = { deviceId, recordingServerId, segments, gaps: [] };
    const facts = { id: newUuid<EventId>(), occurredAtMs: Date.now(), clockQuality: 'NTP' } as const;
    const event = newEvent(
      { type: 'RecordingSealed', data },
      { ...facts, actor: `server:${recordingServerId}` },
    );
    await log.append([{ stream: `recording-${deviceId}`, expected: 'any', events: [event] }]);
  }
}

function box(type: string, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + payload.length, 0);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, payload]);
}
