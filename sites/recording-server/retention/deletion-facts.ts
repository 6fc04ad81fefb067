import type { DeletionPolicy, DeviceId, HoldfastEvent, RecordingServerId } from '@holdfast/schema';
import type { StoredSegment } from '../media-database/media-database.js';

/** As `RecordingDeleted` allows. */
const segmentsMax = 1000;

/** What the log hears of a deletion: lists of at most 1,000 segments, each of one device. */
export function deletionEvents(
  recordingServerId: RecordingServerId,
  policy: DeletionPolicy,
  segments: readonly StoredSegment[],
): readonly { readonly deviceId: DeviceId; readonly event: HoldfastEvent }[] {
  const events: { readonly deviceId: DeviceId; readonly event: HoldfastEvent }[] = [];
  for (const [deviceId, group] of Map.groupBy(segments, segment => segment.deviceId)) {
    for (let at = 0; at < group.length; at += segmentsMax) {
      const part = group.slice(at, at + segmentsMax).map(stored => stored.segment);
      const data = {
        deviceId,
        recordingServerId,
        segmentIds: part.map(segment => segment.segmentId),
        fromMs: Math.min(...part.map(segment => segment.fromMs)),
        toMs: Math.max(...part.map(segment => segment.toMs)),
        policy,
      };
      events.push({ deviceId, event: { type: 'RecordingDeleted', data } });
    }
  }
  return events;
}
