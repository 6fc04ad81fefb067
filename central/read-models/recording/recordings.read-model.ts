import type { RecordingEvent } from '@holdfast/schema';
import { sideBySide } from '../../postgres/side-by-side.js';
import type { TransactionSql } from '../../postgres/sql.js';
import type { FeedEvent } from '../feed-event.js';
import { ModelTable } from '../model-table.js';
import { defineReadModel } from '../read-model.js';
import {
  type DeviceRecordingRow,
  NO_SEGMENT_MS,
  RecordedDevice,
  RecordedDevices,
  type SegmentRow,
} from './recorded-device.js';
import { SpanTable, type TouchedSpan } from './span-table.js';

interface GapRow {
  readonly seq: number;
  readonly ordinal: number;
  readonly siteId: string;
  readonly deviceId: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly cause: string;
}

const deviceRecordings = new ModelTable<DeviceRecordingRow>('device_recording', ['deviceId', 'siteId']);
const segments = new ModelTable<SegmentRow>('recording_segment', [
  'deviceId',
  'siteId',
  'fromMs',
  'segmentId',
]);
const gaps = new ModelTable<GapRow>('recording_gap', ['seq', 'ordinal']);

const spans = new SpanTable({
  ...{ spans: 'recording_span', segments: 'recording_segment', owner: ['deviceId', 'siteId'] },
  kinds: [
    { column: 'recordingServerId', type: 'uuid', from: 'segment.recording_server_id' },
    {
      column: 'state',
      type: 'text',
      from: "coalesce(segment.lost_because, case when segment.key_frames_only then 'REDUCED' else 'SEALED' end)",
    },
  ],
});

export const recordingsReadModel = defineReadModel({
  name: 'recordings',
  version: 7,
  poison: 'stall-stream',
  checked: 'BY_SITE',
  hasMostRows: true,
  tables: ['device_recording', 'recording_segment', 'recording_span', 'recording_gap'],
  eventTypes: [
    'RecordingStarted',
    'RecordingStopped',
    'RecordingSealed',
    'RecordingReduced',
    'RecordingDeleted',
    'RecordingDamaged',
  ],
  async fold(events, { tx, isAlone }) {
    const devices = await loadDevices(tx, events, isAlone);
    const ended: GapRow[] = [];
    const losses: Loss[] = [];
    for (const { seq, site: siteId, event } of events) {
      const { deviceId } = event.data;
      const loss = lossOf(event, siteId);
      if (loss !== null) losses.push(loss);
      devices.of(siteId, deviceId).fold(event, siteId);
      if (event.type !== 'RecordingSealed') continue;
      for (const [ordinal, gap] of event.data.gaps.entries()) {
        ended.push({ seq, ordinal, siteId, deviceId, ...gap });
      }
    }
    const touched = devices.all;
    // Device by device, so that what comes together lies together.
    const beyond = touched.flatMap(device => device.beyond);
    const perhapsKnown = touched.flatMap(device => device.perhapsKnown);
    await segments.append({ tx, isAlone }, beyond);
    const [inserted] = await sideBySide(
      segments.insert(tx, perhapsKnown),
      gaps.append({ tx, isAlone: false }, ended),
      deviceRecordings.save(
        tx,
        touched.flatMap(device => device.row ?? []),
      ),
    );
    await reduce(tx, events);
    await markLost(tx, losses);
    // What was sealed once more may have been lost since: then only the rows can tell.
    const isAllNew = inserted === perhapsKnown.length;
    const sealed = [...beyond, ...perhapsKnown];
    if (isAllNew) await spans.add(tx, sealed.map(drawn));
    const altered = [...losses, ...events.flatMap(reductionOf)];
    await spans.redraw(tx, isAllNew ? altered : [...sealed, ...altered]);
  },
});

function drawn({ deviceId, siteId, recordingServerId, fromMs, toMs }: SegmentRow) {
  return { deviceId, siteId, recordingServerId, state: 'SEALED', fromMs, toMs };
}

async function loadDevices(
  tx: TransactionSql,
  events: readonly FeedEvent<RecordingEvent>[],
  isNewestAsked: boolean,
): Promise<RecordedDevices> {
  const wanted = [...new Set(events.map(({ event }) => event.data.deviceId))];
  const newest = isNewestAsked
    ? tx`(
        select from_ms from recording_segment as segment
        where segment.device_id = device_recording.device_id and segment.site_id = device_recording.site_id
        order by from_ms desc limit 1
      )`
    : tx`null::bigint`;
  const rows = await tx<(DeviceRecordingRow & { readonly newestMs: number | null })[]>`
    select *, ${newest} as newest_ms from device_recording where device_id = any(${wanted}::uuid[])`;
  const devices = new RecordedDevices(isNewestAsked ? NO_SEGMENT_MS : null);
  for (const { newestMs, ...row } of rows) {
    devices.add(row, new RecordedDevice(row, isNewestAsked ? (newestMs ?? NO_SEGMENT_MS) : null));
  }
  return devices;
}

function reductionOf({
  site: siteId,
  event,
}: FeedEvent<RecordingEvent>): readonly TouchedSpan<'deviceId' | 'siteId'>[] {
  if (event.type !== 'RecordingReduced') return [];
  const { deviceId, fromMs, toMs } = event.data;
  return [{ siteId, deviceId, fromMs, toMs }];
}

/** Of the same time and of the same length, but of other bytes. After the inserts, as what is lost. */
async function reduce(tx: TransactionSql, events: readonly FeedEvent<RecordingEvent>[]): Promise<void> {
  for (const { site, event } of events) {
    if (event.type !== 'RecordingReduced') continue;
    const { deviceId, fromMs, toMs, segments: reduced } = event.data;
    await tx`
      update recording_segment as segment
      set digest = reduced.digest, fragment_count = reduced.fragment_count, byte_length = reduced.byte_length,
        key_frames_only = true
      from unnest(${reduced.map(({ segmentId }) => segmentId)}::uuid[], ${reduced.map(({ digest }) => digest)}::text[],
        ${reduced.map(({ fragmentCount }) => fragmentCount)}::int[], ${reduced.map(({ byteLength }) => byteLength)}::bigint[])
        as reduced (segment_id, digest, fragment_count, byte_length)
      where segment.device_id = ${deviceId} and segment.site_id = ${site}
        and segment.from_ms between ${fromMs} and ${toMs} and segment.segment_id = reduced.segment_id`;
  }
}

interface Loss extends TouchedSpan<'deviceId' | 'siteId'> {
  readonly segmentIds: readonly string[];
  readonly because: 'DELETED' | 'DAMAGED';
}

function lossOf(event: RecordingEvent, siteId: string): Loss | null {
  if (event.type !== 'RecordingDeleted' && event.type !== 'RecordingDamaged') return null;
  const { deviceId, fromMs, toMs } = event.data;
  return event.type === 'RecordingDeleted'
    ? { siteId, deviceId, fromMs, toMs, segmentIds: event.data.segmentIds, because: 'DELETED' }
    : { siteId, deviceId, fromMs, toMs, segmentIds: [event.data.segmentId], because: 'DAMAGED' };
}

/** After the inserts: a segment may be sealed and lost within one batch, and is never lost before it is sealed. */
async function markLost(tx: TransactionSql, losses: readonly Loss[]): Promise<void> {
  if (losses.length === 0) return;
  const lost = new Map<string, { readonly siteId: string; readonly segmentId: string; because: string }>();
  for (const { siteId, segmentIds, because } of losses) {
    for (const segmentId of segmentIds) {
      const key = `${siteId}/${segmentId}`;
      if (lost.get(key)?.because !== 'DELETED') lost.set(key, { siteId, segmentId, because });
    }
  }
  const ids = [...lost.values()];
  await tx`
    with place as materialized (
      select segment.ctid, segment.site_id, segment.segment_id
      from unnest(${losses.map(({ deviceId }) => deviceId)}::uuid[], ${losses.map(({ siteId }) => siteId)}::uuid[],
        ${losses.map(({ fromMs }) => fromMs)}::bigint[], ${losses.map(({ toMs }) => toMs)}::bigint[])
        as loss (device_id, site_id, from_ms, to_ms)
      cross join lateral (
        select ctid, site_id, segment_id from recording_segment as segment
        where segment.device_id = loss.device_id and segment.site_id = loss.site_id
          and segment.from_ms between loss.from_ms and loss.to_ms
        offset 0
      ) as segment
    )
    update recording_segment set lost_because = lost.because
    from place join unnest(${ids.map(({ siteId }) => siteId)}::uuid[], ${ids.map(({ segmentId }) => segmentId)}::uuid[],
      ${ids.map(({ because }) => because)}::text[]) as lost (site_id, segment_id, because) using (site_id, segment_id)
    where recording_segment.ctid = place.ctid and lost_because is distinct from 'DELETED'`;
}
