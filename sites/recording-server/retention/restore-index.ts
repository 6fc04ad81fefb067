import { LOG_START, type LogPlace, placeOf, readEventData, type SiteLog } from '@holdfast/core';
import { EventDecodeError, type HoldfastEvent, type SegmentId } from '@holdfast/schema';
import type { MediaDatabase } from '../media-database/media-database.js';
import { idsOf } from '../media-database/seal-reports.js';

const PAGE_EVENTS = 1000;

/**
 * Tells an index that was rebuilt from the files, or whose log was lost, what the log knows of it, from every fact in the log, which
 * is never truncated behind a recording that is kept.
 */
export async function restoreIndex(database: MediaDatabase, log: SiteLog): Promise<void> {
  let after: LogPlace = LOG_START;
  for (;;) {
    const page = await log.read({ after, limit: PAGE_EVENTS, carried: true });
    const events = page.flatMap(recorded => {
      const event = typesRead.has(recorded.type) ? readEventData(recorded) : null;
      return event === null || event instanceof EventDecodeError ? [] : [event];
    });
    await restoreFacts(database, events);
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

/** Each kind in one transaction, which is a write of the disk: of a segment they come in this order. */
async function restoreFacts(database: MediaDatabase, events: readonly HoldfastEvent[]): Promise<void> {
  const sealed: SegmentId[] = [];
  const reduced: SegmentId[] = [];
  const deletions: Extract<HoldfastEvent, { readonly type: 'RecordingDeleted' }>['data'][] = [];
  const isOwn = (data: { readonly recordingServerId: string }) =>
    data.recordingServerId === database.recordingServerId;
  for (const { type, data } of events) {
    if (type === 'RecordingSealed' && isOwn(data)) sealed.push(...idsOf(data.segments));
    if (type === 'RecordingReduced' && isOwn(data)) reduced.push(...idsOf(data.segments));
    if (type === 'RecordingDeleted' && isOwn(data)) deletions.push(data);
  }
  if (sealed.length > 0) database.markReported(sealed, { reduced: false });
  if (reduced.length > 0) database.markReported(reduced, { reduced: true });
  for (const { segmentIds, policy } of deletions) {
    await database.markDeleted({ segmentIds, policy, compose: () => [] });
  }
}
