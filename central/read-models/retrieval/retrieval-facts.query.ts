import type { RetrievalFacts, SourceSegment } from '@holdfast/interconnect';
import type { DeviceId, RetrievalId, SiteId } from '@holdfast/schema';
import type { Sql } from '../../postgres/sql.js';
import { readDeviceRecordings } from '../recording/device-recordings.query.js';
import type { SegmentRow } from '../recording/recordings.read-model.js';
import { readLinkTo } from '../site/sites.query.js';

/** What retrieval needs to know, out of the read models. It may lag; retrieval looks again. */
export function createRetrievalFacts(sql: Sql, ownSite: SiteId): RetrievalFacts {
  return {
    async recordings(query) {
      const link = await readLinkTo(sql, query.siteId, ownSite);
      const { timeline, segments } = await readDeviceRecordings(sql, query, link);
      return { timeline, segments: segments.map(sourceSegment) };
    },

    async devicesToHeal(siteId) {
      const rows = await sql<{ id: string }[]>`
        select device.id from device
        where site_id = ${siteId} and not removed
          and exists (select 1 from device_recording where device_id = device.id and site_id = device.site_id)
        order by device.id`;
      return rows.map(row => row.id as DeviceId);
    },

    async openRetrievals() {
      // One statement, one moment: the place must not be newer than the list.
      const rows = await sql<{ id: string | null; epoch: number | null; position: number | null }[]>`
        select retrieval.id, progress.epoch, progress.position
        from (select max(epoch) as epoch, max(position) as position from site_progress where site_id = ${ownSite}) as progress
        left join retrieval on retrieval.state in ('PENDING', 'IN_PROGRESS', 'INTERRUPTED')
        order by retrieval.requested_at_ms, retrieval.id`;
      return {
        retrievalIds: rows.flatMap(row => (row.id === null ? [] : [row.id as RetrievalId])),
        asOf: { epoch: rows[0]?.epoch ?? 0, position: rows[0]?.position ?? 0 },
      };
    },
  };
}

function sourceSegment(row: SegmentRow): SourceSegment {
  const { segmentId, recordingServerId, fromMs, toMs, fragmentCount, byteLength, digest } = row;
  return {
    segmentId: segmentId as SourceSegment['segmentId'],
    recordingServerId: recordingServerId as SourceSegment['recordingServerId'],
    ...{ fromMs, toMs, fragmentCount, byteLength, digest },
  };
}
