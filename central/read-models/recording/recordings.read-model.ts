import type { RecordingEvent } from '@holdfast/schema';
import type { TransactionSql } from '../../postgres/sql.js';
import type { FeedEvent } from '../feed-event.js';
import { ModelTable } from '../model-table.js';
import { defineReadModel } from '../read-model.js';

/** Per device and the site whose log speaks of it. */
export interface DeviceRecordingRow {
  readonly siteId: string;
  readonly deviceId: string;
  readonly recordingServerId: string;
  /** The oldest and the newest moment that any fact speaks of. */
  readonly knownFromMs: number;
  readonly knownToMs: number;
  /** Null when no run of recording is open. */
  readonly runningSinceMs: number | null;
  readonly lastStopAtMs: number | null;
  readonly lastStopCause: string | null;
}

export interface SegmentRow {
  readonly siteId: string;
  readonly deviceId: string;
  readonly segmentId: string;
  readonly recordingServerId: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly fragmentCount: number;
  readonly byteLength: number;
  readonly digest: string;
  readonly timeSource: string;
  readonly beganBecause: string;
  readonly endedBecause: string;
  readonly lostBecause: 'DELETED' | 'DAMAGED' | null;
}

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
const segments = new ModelTable<SegmentRow>('recording_segment', ['siteId', 'segmentId']);
const gaps = new ModelTable<GapRow>('recording_gap', ['seq', 'ordinal']);

export const recordingsReadModel = defineReadModel({
  name: 'recordings',
  version: 3,
  poison: 'stall-stream',
  checked: 'BY_SITE',
  tables: ['device_recording', 'recording_segment', 'recording_gap'],
  eventTypes: [
    'RecordingStarted',
    'RecordingStopped',
    'RecordingSealed',
    'RecordingDeleted',
    'RecordingDamaged',
  ],
  async fold(events, { tx }) {
    const devices = await loadDevices(tx, events);
    const sealed: SegmentRow[] = [];
    const ended: GapRow[] = [];
    const lost = new Map<string, LostSegment>();
    for (const { seq, site: siteId, event } of events) {
      const { deviceId, recordingServerId } = event.data;
      for (const loss of lossesOf(event, siteId)) {
        const lossKey = `${siteId}/${loss.segmentId}`;
        if (lost.get(lossKey)?.because !== 'DELETED') lost.set(lossKey, loss);
      }
      const key = `${siteId}/${deviceId}`;
      devices.set(key, evolve(devices.get(key), event, siteId));
      if (event.type !== 'RecordingSealed') continue;
      for (const segment of event.data.segments) {
        sealed.push({ ...segment, siteId, deviceId, recordingServerId, lostBecause: null });
      }
      for (const [ordinal, gap] of event.data.gaps.entries()) {
        ended.push({ seq, ordinal, siteId, deviceId, ...gap });
      }
    }
    await segments.insert(tx, sealed);
    await gaps.append(tx, ended);
    await deviceRecordings.save(tx, devices.values());
    await markLost(tx, [...lost.values()]);
  },
});

async function loadDevices(
  tx: TransactionSql,
  events: readonly FeedEvent<RecordingEvent>[],
): Promise<Map<string, DeviceRecordingRow>> {
  const wanted = [...new Set(events.map(({ event }) => event.data.deviceId))];
  const rows = await tx<DeviceRecordingRow[]>`
    select * from device_recording where device_id = any(${wanted}::uuid[])`;
  return new Map(rows.map(row => [`${row.siteId}/${row.deviceId}`, row]));
}

function evolve(
  row: DeviceRecordingRow | undefined,
  event: RecordingEvent,
  siteId: string,
): DeviceRecordingRow {
  const { deviceId, recordingServerId } = event.data;
  const span = spanOf(event);
  const base: DeviceRecordingRow = {
    siteId,
    deviceId,
    recordingServerId,
    knownFromMs: Math.min(row?.knownFromMs ?? Number.MAX_SAFE_INTEGER, span.fromMs),
    knownToMs: Math.max(row?.knownToMs ?? 0, span.toMs),
    runningSinceMs: row?.runningSinceMs ?? null,
    lastStopAtMs: row?.lastStopAtMs ?? null,
    lastStopCause: row?.lastStopCause ?? null,
  };
  switch (event.type) {
    case 'RecordingStarted':
      return { ...base, runningSinceMs: event.data.atMs };
    case 'RecordingStopped':
      return {
        ...base,
        runningSinceMs: null,
        lastStopAtMs: event.data.atMs,
        lastStopCause: event.data.cause,
      };
    default:
      return base;
  }
}

function spanOf(event: RecordingEvent): { readonly fromMs: number; readonly toMs: number } {
  switch (event.type) {
    case 'RecordingStarted':
    case 'RecordingStopped':
      return { fromMs: event.data.atMs, toMs: event.data.atMs };
    case 'RecordingSealed': {
      const pieces = [...event.data.segments, ...event.data.gaps];
      return {
        fromMs: Math.min(...pieces.map(piece => piece.fromMs), Number.MAX_SAFE_INTEGER),
        toMs: Math.max(...pieces.map(piece => piece.toMs), 0),
      };
    }
    default:
      return event.data;
  }
}

interface LostSegment {
  readonly siteId: string;
  readonly segmentId: string;
  readonly because: 'DELETED' | 'DAMAGED';
}

function lossesOf(event: RecordingEvent, siteId: string): readonly LostSegment[] {
  switch (event.type) {
    case 'RecordingDeleted':
      return event.data.segmentIds.map(segmentId => ({ siteId, segmentId, because: 'DELETED' }));
    case 'RecordingDamaged':
      return [{ siteId, segmentId: event.data.segmentId, because: 'DAMAGED' }];
    default:
      return [];
  }
}

/** After the inserts: a segment may be sealed and lost within one batch, and is never lost before it is sealed. */
async function markLost(tx: TransactionSql, lost: readonly LostSegment[]): Promise<void> {
  if (lost.length === 0) return;
  await tx`
    update recording_segment set lost_because = lost.because
    from unnest(${lost.map(({ siteId }) => siteId)}::uuid[], ${lost.map(({ segmentId }) => segmentId)}::uuid[],
      ${lost.map(({ because }) => because)}::text[]) as lost (site_id, segment_id, because)
    where recording_segment.site_id = lost.site_id and recording_segment.segment_id = lost.segment_id
      and lost_because is distinct from 'DELETED'`;
}
