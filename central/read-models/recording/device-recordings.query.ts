import type { DeviceSegmentFacts, LinkState, SegmentSpan } from '@holdfast/core';
import type { DeviceId, SiteId } from '@holdfast/schema';
import type { Sql } from '../../postgres/sql.js';
import { standOf } from './device-timelines.query.js';
import type { HeldSegmentRow } from './held-segments.read-model.js';
import type { DeviceRecordingRow, SegmentRow } from './recorded-device.js';
import { type RetentionRow, retentionMsOf } from './retention.js';
import { SEGMENT_SPAN_MS_MAX } from './span-table.js';

export interface DeviceWindow {
  readonly siteId: SiteId;
  readonly deviceId: DeviceId;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface DeviceRecordingFacts {
  readonly timeline: DeviceSegmentFacts;
  /** The sealed segments of the window, as their site told of them. */
  readonly segments: readonly SegmentRow[];
}

/**
 * Everything known of the device that touches [fromMs, toMs). `link` is the link to its site; null when the site is
 * the one that answers.
 */
export async function readDeviceRecordings(
  sql: Sql,
  { siteId, deviceId, fromMs, toMs }: DeviceWindow,
  link: { readonly state: LinkState; readonly sinceMs: number } | null,
): Promise<DeviceRecordingFacts> {
  const earliestMs = fromMs - SEGMENT_SPAN_MS_MAX;
  const [segments, gaps, held, devices] = await Promise.all([
    sql<SegmentRow[]>`
      select * from recording_segment
      where device_id = ${deviceId} and from_ms > ${earliestMs} and from_ms < ${toMs} and to_ms > ${fromMs}
        and site_id = ${siteId}
      order by from_ms`,
    sql<{ fromMs: number; toMs: number; cause: string }[]>`
      select from_ms, to_ms, cause from recording_gap
      where device_id = ${deviceId} and to_ms > ${fromMs} and from_ms < ${toMs} and site_id = ${siteId}
      order by from_ms`,
    sql<HeldSegmentRow[]>`
      select * from held_segment
      where device_id = ${deviceId} and from_ms > ${earliestMs} and from_ms < ${toMs} and to_ms > ${fromMs}
      order by from_ms`,
    sql<DeviceRecordingRow[]>`
      select * from device_recording where device_id = ${deviceId} and site_id = ${siteId}`,
  ]);
  const serverIds = [...new Set([...segments, ...devices].map(row => row.recordingServerId))];
  const retentions = await sql<RetentionRow[]>`
    select id, retention_days, byte_length_max from recording_server where id = any(${serverIds}::uuid[])`;
  return {
    segments,
    timeline: {
      sealed: segments.map(spanOf),
      gaps,
      losses: segments.flatMap(segment =>
        segment.lostBecause === null ? [] : [{ ...spanOf(segment), cause: segment.lostBecause }],
      ),
      held: held.map(spanOf),
      ...standOf(devices[0] ?? null),
      link,
      retentionMs: retentionMsOf(serverIds, retentions),
    },
  };
}

function spanOf({ fromMs, toMs, segmentId, keyFramesOnly }: SegmentRow | HeldSegmentRow): SegmentSpan {
  return { fromMs, toMs, segmentId, keyFramesOnly };
}
