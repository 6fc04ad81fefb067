import type { HoldfastEvent, RecordingServerId } from '@holdfast/schema';
import type { SealReport } from '../media-database/media-database.js';

/** What the log hears of segments of one device that were sealed, and of those that were reduced since. */
export function sealEvents(
  recordingServerId: RecordingServerId,
  { deviceId, segments, gaps, reduced }: SealReport,
): readonly HoldfastEvent[] {
  const events: HoldfastEvent[] = [];
  if (segments.length > 0) {
    const data = { deviceId, recordingServerId, segments: [...segments], gaps: [...gaps] };
    events.push({ type: 'RecordingSealed', data });
  }
  if (reduced.length > 0) {
    const data = {
      ...{ deviceId, recordingServerId },
      fromMs: Math.min(...reduced.map(({ fromMs }) => fromMs)),
      toMs: Math.max(...reduced.map(({ toMs }) => toMs)),
      segments: reduced.map(({ segmentId, fragmentCount, byteLength, digest, previousDigest }) => ({
        ...{ segmentId, fragmentCount, byteLength, digest, previousDigest },
      })),
    };
    events.push({ type: 'RecordingReduced', data });
  }
  return events;
}
