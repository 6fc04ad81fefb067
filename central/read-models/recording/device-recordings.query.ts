import type { DeviceTimelineFacts, LinkState } from '@holdfast/core';
import type { DeviceId, SiteId } from '@holdfast/schema';
import type { Sql } from '../../postgres/sql.js';
import type { HeldSegmentRow } from './held-segments.read-model.js';
import type { DeviceRecordingRow, SegmentRow } from './recordings.read-model.js';

/**
 * A segment is one file of at most 64 s. Looking so much before a window for segments that reach into it keeps the
 * index scan short and allows for a source that is generous with its segments.
 */
const SEGMENT_SPAN_MS_MAX = 10 * 60 * 1000;

const DAY_MS = 24 * 3600 * 1000;

export interface DeviceWindow {
  readonly siteId: SiteId;
  readonly deviceId: DeviceId;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface DeviceRecordingFacts {
  readonly timeline: DeviceTimelineFacts;
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
  const device = devices[0];
  const serverIds = [...segments, ...devices].map(row => row.recordingServerId);
  return {
    segments,
    timeline: {
      sealed: segments.map(spanOf),
      gaps,
      losses: segments.flatMap(segment =>
        segment.lostBecause === null
          ? []
          : [{ ...spanOf(segment), segmentIds: [segment.segmentId], cause: segment.lostBecause }],
      ),
      held: held.map(spanOf),
      running:
        device === undefined || device.runningSinceMs === null ? null : { sinceMs: device.runningSinceMs },
      lastStop:
        device === undefined || device.lastStopAtMs === null
          ? null
          : { atMs: device.lastStopAtMs, cause: device.lastStopCause ?? 'NOT_RECORDED' },
      known: device === undefined ? null : { fromMs: device.knownFromMs, toMs: device.knownToMs },
      link,
      retentionMs: await readRetentionMs(sql, serverIds),
    },
  };
}

/** The shortest of these servers. Null when one has not said it, or may delete earlier for the space it takes. */
async function readRetentionMs(sql: Sql, serverIds: readonly string[]): Promise<number | null> {
  const wanted = [...new Set(serverIds)];
  const rows = await sql<{ retentionDays: number | null }[]>`
    select case when byte_length_max is null then retention_days end as retention_days
    from recording_server where id = any(${wanted}::uuid[])`;
  const days = rows.flatMap(row => (row.retentionDays === null ? [] : [row.retentionDays]));
  return days.length === 0 || days.length < wanted.length ? null : Math.min(...days) * DAY_MS;
}

function spanOf(row: { readonly fromMs: number; readonly toMs: number; readonly segmentId: string }): {
  readonly fromMs: number;
  readonly toMs: number;
  readonly segmentId: string;
} {
  return { fromMs: row.fromMs, toMs: row.toMs, segmentId: row.segmentId };
}
