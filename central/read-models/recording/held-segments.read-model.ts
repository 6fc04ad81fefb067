import { ModelTable } from '../model-table.js';
import { defineReadModel } from '../read-model.js';

export interface HeldSegmentRow {
  readonly deviceId: string;
  readonly segmentId: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly byteLength: number;
  readonly digest: string;
  readonly retrievalId: string;
}

const held = new ModelTable<HeldSegmentRow>('held_segment', ['deviceId', 'segmentId']);

/**
 * What of other sites' recordings is in this site's own media database: retrieved, and neither deleted nor damaged
 * since. Only this site's own log says so; a child that retrieves for itself does not fill our shelves.
 */
export const heldSegmentsReadModel = defineReadModel({
  name: 'held-segments',
  version: 3,
  poison: 'stall-stream',
  checked: 'AS_A_WHOLE',
  tables: ['held_segment'],
  eventTypes: ['RetrievalProgressed', 'RecordingDeleted', 'RecordingDamaged'],
  async fold(events, { tx, ownSite }) {
    for (const { site, event } of events) {
      if (site !== ownSite) continue;
      if (event.type === 'RetrievalProgressed') {
        const { deviceId, retrievalId } = event.data;
        await held.save(
          tx,
          event.data.segments.map(segment => ({ ...segment, deviceId, retrievalId })),
        );
        continue;
      }
      const ids = event.type === 'RecordingDeleted' ? event.data.segmentIds : [event.data.segmentId];
      await tx`
        delete from held_segment
        where device_id = ${event.data.deviceId} and segment_id = any(${ids}::uuid[])`;
    }
  },
});
