import { LOG_START } from '@holdfast/core';
import type { RetrievalFacts, SourceSegment } from '@holdfast/interconnect';
import type { DeviceId, RetrievalId, SiteId } from '@holdfast/schema';
import type { Sql } from '../../postgres/sql.js';
import { readDeviceRecordings } from '../recording/device-recordings.query.js';
import type { SegmentRow } from '../recording/recorded-device.js';
import { readLinkTo } from '../site/sites.query.js';
import { readSiteProgress } from '../site-progress.query.js';
import { retrievalsReadModel } from './retrievals.read-model.js';

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
      // The place before the list: it must not be the newer of the two.
      const projections = [retrievalsReadModel.name];
      const [progress] = await readSiteProgress(sql, { projections, site: ownSite });
      const rows = await sql<{ id: RetrievalId }[]>`
        select id from retrieval where state in ('PENDING', 'IN_PROGRESS', 'INTERRUPTED') order by requested_at_ms, id`;
      const { epoch, position } = progress ?? LOG_START;
      return { retrievalIds: rows.map(({ id }) => id), asOf: { epoch, position } };
    },
  };
}

function sourceSegment(row: SegmentRow): SourceSegment {
  const { segmentId, recordingServerId, fromMs, toMs, fragmentCount, byteLength, digest, keyFramesOnly } =
    row;
  return {
    segmentId: segmentId as SourceSegment['segmentId'],
    recordingServerId: recordingServerId as SourceSegment['recordingServerId'],
    ...{ fromMs, toMs, fragmentCount, byteLength, digest, keyFramesOnly },
  };
}
