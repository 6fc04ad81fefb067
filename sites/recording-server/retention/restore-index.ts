import {
  LOG_START,
  type LogPlace,
  placeOf,
  type RecordedEvent,
  readEventData,
  type SiteLog,
} from '@holdfast/core';
import { EventDecodeError } from '@holdfast/schema';
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

async function restoreFact(database: MediaDatabase, recorded: RecordedEvent): Promise<void> {
  if (recorded.type !== 'RecordingSealed' && recorded.type !== 'RecordingDeleted') return;
  const event = readEventData(recorded);
  if (event instanceof EventDecodeError) return;
  if (event.type === 'RecordingSealed' && event.data.recordingServerId === database.recordingServerId) {
    database.markReported(event.data.segments.map(segment => segment.segmentId));
  }
  if (event.type === 'RecordingDeleted' && event.data.recordingServerId === database.recordingServerId) {
    const { segmentIds, policy } = event.data;
    await database.markDeleted({ segmentIds, policy, compose: () => [] });
  }
}
