import { ModelTable } from '../model-table.js';
import { defineReadModel } from '../read-model.js';
import { SpanTable, type TouchedSpan } from './span-table.js';

export interface HeldSegmentRow {
  readonly deviceId: string;
  readonly segmentId: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly byteLength: number;
  readonly digest: string;
  readonly retrievalId: string;
  readonly keyFramesOnly: boolean;
}

const held = new ModelTable<HeldSegmentRow>('held_segment', ['deviceId', 'fromMs', 'segmentId']);
const spans = new SpanTable({
  ...{ spans: 'held_span', segments: 'held_segment', owner: ['deviceId'] },
  kinds: [
    {
      column: 'state',
      type: 'text',
      from: "case when segment.key_frames_only then 'REDUCED' else 'HELD' end",
    },
  ],
});

/**
 * What of other sites' recordings is in this site's own media database: retrieved, and neither deleted nor damaged
 * since. Only this site's own log says so; a child that retrieves for itself does not fill our shelves.
 */
export const heldSegmentsReadModel = defineReadModel({
  name: 'held-segments',
  version: 6,
  poison: 'stall-stream',
  checked: 'AS_A_WHOLE',
  tables: ['held_segment', 'held_span'],
  eventTypes: ['RetrievalProgressed', 'RecordingReduced', 'RecordingDeleted', 'RecordingDamaged'],
  async fold(events, { tx, ownSite }) {
    const touched: TouchedSpan<'deviceId'>[] = [];
    for (const { site, event } of events) {
      if (site !== ownSite) continue;
      const { deviceId } = event.data;
      if (event.type === 'RetrievalProgressed') {
        const { retrievalId } = event.data;
        const rows = event.data.segments.map(segment => ({ ...segment, deviceId, retrievalId }));
        await held.save(tx, rows);
        touched.push(...rows);
        continue;
      }
      if (event.type === 'RecordingReduced') {
        for (const { segmentId, digest, byteLength } of event.data.segments) {
          await tx`
            update held_segment set digest = ${digest}, byte_length = ${byteLength}, key_frames_only = true
            where device_id = ${deviceId} and segment_id = ${segmentId}
              and from_ms between ${event.data.fromMs} and ${event.data.toMs}`;
        }
        touched.push({ deviceId, fromMs: event.data.fromMs, toMs: event.data.toMs });
        continue;
      }
      const ids = event.type === 'RecordingDeleted' ? event.data.segmentIds : [event.data.segmentId];
      const { fromMs, toMs } = event.data;
      await tx`
        delete from held_segment
        where device_id = ${deviceId} and from_ms between ${fromMs} and ${toMs} and segment_id = any(${ids}::uuid[])`;
      touched.push({ deviceId, fromMs, toMs });
    }
    await spans.redraw(tx, touched);
  },
});
