import {
  LOG_START,
  type LogPlace,
  placeOf,
  type RecordedEvent,
  readEventData,
  type SiteLog,
} from '@holdfast/core';
import { EventDecodeError, type HoldfastEvent, type SegmentId } from '@holdfast/schema';
import type { MediaDatabase } from '../media-database/media-database.js';

const PAGE_EVENTS = 1000;

/**
 * Tells an index that was rebuilt from the files what it knew beside them, from every fact in the log, which is never truncated
 * behind a recording that is kept.
 */
export async function restoreIndex(database: MediaDatabase, log: SiteLog): Promise<void> {
  let after: LogPlace = LOG_START;
  for (;;) {
    const page = await log.read({ after, limit: PAGE_EVENTS, carried: true });
    for (const recorded of page) await restoreFact(database, recorded);
    const last = page.at(-1);
    if (last === undefined) return;
    after = placeOf(last);
  }
}

const typesRead: ReadonlySet<string> = new Set([
  'RecordingSealed',
  'RecordingReduced',
  'RecordingDeleted',
] satisfies HoldfastEvent['type'][]);

function idsOf(segments: readonly { readonly segmentId: SegmentId }[]): readonly SegmentId[] {
  return segments.map(({ segmentId }) => segmentId);
}

async function restoreFact(database: MediaDatabase, recorded: RecordedEvent): Promise<void> {
  if (!typesRead.has(recorded.type)) return;
  const event = readEventData(recorded);
  if (event instanceof EventDecodeError) return;
  if (event.type === 'RecordingSealed' && event.data.recordingServerId === database.recordingServerId) {
    database.markReported(idsOf(event.data.segments), { reduced: false });
  }
  if (event.type === 'RecordingReduced' && event.data.recordingServerId === database.recordingServerId) {
    database.markReported(idsOf(event.data.segments), { reduced: true });
  }
  if (event.type === 'RecordingDeleted' && event.data.recordingServerId === database.recordingServerId) {
    const { segmentIds, policy } = event.data;
    await database.markDeleted({ segmentIds, policy, compose: () => [] });
  }
}
