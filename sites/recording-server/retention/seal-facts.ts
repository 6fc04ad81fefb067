import type { HoldfastEvent, RecordingServerId, SealedSegment } from '@holdfast/schema';
import type { SealReport } from '../media-database/media-database.js';

/** What the log hears of segments of one device that were sealed, and of those that were reduced since. */
export function sealEvents(
  recordingServerId: RecordingServerId,
  { deviceId, segments, gaps, reduced, found }: SealReport,
): readonly HoldfastEvent[] {
  const events: HoldfastEvent[] = [];
  if (found.length > 0) {
    const segmentIds = found.map(({ segmentId }) => segmentId);
    events.push({
      type: 'RecordingFound',
      data: { deviceId, recordingServerId, ...spanOf(found), segmentIds },
    });
  }
  if (segments.length > 0) {
    const data = { deviceId, recordingServerId, segments: [...segments], gaps: [...gaps] };
    events.push({ type: 'RecordingSealed', data });
  }
  if (reduced.length > 0) {
    const data = {
      ...{ deviceId, recordingServerId },
      ...spanOf(reduced),
      segments: reduced.map(({ segmentId, fragmentCount, byteLength, digest, previousDigest }) => ({
        ...{ segmentId, fragmentCount, byteLength, digest, previousDigest },
      })),
    };
    events.push({ type: 'RecordingReduced', data });
  }
  return events;
}

function spanOf(segments: readonly Pick<SealedSegment, 'fromMs' | 'toMs'>[]) {
  return {
    fromMs: Math.min(...segments.map(({ fromMs }) => fromMs)),
    toMs: Math.max(...segments.map(({ toMs }) => toMs)),
  };
}
