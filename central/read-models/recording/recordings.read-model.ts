import { evolveUnsealedRuns, type UnsealedRun } from '@holdfast/core';
import type { RecordingEvent } from '@holdfast/schema';
import { sideBySide } from '../../postgres/side-by-side.js';
import type { TransactionSql } from '../../postgres/sql.js';
import type { FeedEvent } from '../feed-event.js';
import { ModelTable } from '../model-table.js';
import { defineReadModel } from '../read-model.js';
import { SpanTable, type TouchedSpan } from './span-table.js';

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
  /** JSON of `UnsealedRun[]`; null: none, or not built anew since there are any. */
  readonly unsealedRuns: string | null;
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
  readonly keyFramesOnly: boolean;
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
    const devices = await loadDevices(tx, events);
    const sealed = new SealedRows(isAlone ? await newestSegments(tx, devices.values()) : null);
    const ended: GapRow[] = [];
    const losses: Loss[] = [];
    for (const { seq, site: siteId, event } of events) {
      const { deviceId, recordingServerId } = event.data;
      const loss = lossOf(event, siteId);
      if (loss !== null) losses.push(loss);
      const key = deviceKey({ siteId, deviceId });
      devices.set(key, evolve(devices.get(key), event, siteId));
      if (event.type !== 'RecordingSealed') continue;
      for (const segment of event.data.segments) {
        const known = { siteId, deviceId, recordingServerId };
        sealed.add({ ...segment, ...known, lostBecause: null, keyFramesOnly: false });
      }
      for (const [ordinal, gap] of event.data.gaps.entries()) {
        ended.push({ seq, ordinal, siteId, deviceId, ...gap });
      }
    }
    await segments.append({ tx, isAlone }, sealed.beyond);
    const [inserted] = await sideBySide(
      segments.insert(tx, sealed.perhapsKnown),
      gaps.append({ tx, isAlone: false }, ended),
      deviceRecordings.save(tx, devices.values()),
    );
    await reduce(tx, events);
    await markLost(tx, losses);
    // What was sealed once more may have been lost since: then only the rows can tell.
    const isAllNew = inserted === sealed.perhapsKnown.length;
    if (isAllNew) await spans.add(tx, sealed.all.map(drawn));
    const altered = [...losses, ...events.flatMap(reductionOf)];
    await spans.redraw(tx, isAllNew ? altered : [...sealed.all, ...altered]);
  },
});

/** What a batch seals. Where the newest segment of each device is known, those that begin after it are told apart: they are new. */
class SealedRows {
  readonly all: SegmentRow[] = [];
  readonly beyond: SegmentRow[] = [];
  readonly perhapsKnown: SegmentRow[] = [];
  readonly #newest: Map<string, number> | null;

  constructor(newest: Map<string, number> | null) {
    this.#newest = newest;
  }

  add(row: SegmentRow): void {
    this.all.push(row);
    const key = deviceKey(row);
    if (this.#newest === null || row.fromMs <= (this.#newest.get(key) ?? -1)) {
      this.perhapsKnown.push(row);
    } else {
      this.#newest.set(key, row.fromMs);
      this.beyond.push(row);
    }
  }
}

/** Per device, the beginning of its newest segment. */
async function newestSegments(
  tx: TransactionSql,
  devices: Iterable<DeviceRecordingRow>,
): Promise<Map<string, number>> {
  const known = [...devices];
  const rows = await tx<{ deviceId: string; siteId: string; fromMs: number }[]>`
    select device_id, site_id, from_ms
    from unnest(${known.map(({ deviceId }) => deviceId)}::uuid[], ${known.map(({ siteId }) => siteId)}::uuid[])
      as known (device_id, site_id)
    cross join lateral (
      select from_ms from recording_segment as segment
      where segment.device_id = known.device_id and segment.site_id = known.site_id
      order by from_ms desc limit 1
    ) as newest`;
  return new Map(rows.map(row => [deviceKey(row), row.fromMs]));
}

function deviceKey({ siteId, deviceId }: Pick<DeviceRecordingRow, 'siteId' | 'deviceId'>): string {
  return `${siteId}/${deviceId}`;
}

function drawn({ deviceId, siteId, recordingServerId, fromMs, toMs }: SegmentRow) {
  return { deviceId, siteId, recordingServerId, state: 'SEALED', fromMs, toMs };
}

async function loadDevices(
  tx: TransactionSql,
  events: readonly FeedEvent<RecordingEvent>[],
): Promise<Map<string, DeviceRecordingRow>> {
  const wanted = [...new Set(events.map(({ event }) => event.data.deviceId))];
  const rows = await tx<DeviceRecordingRow[]>`
    select * from device_recording where device_id = any(${wanted}::uuid[])`;
  return new Map(rows.map(row => [deviceKey(row), row]));
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
    unsealedRuns: JSON.stringify(evolveUnsealedRuns(unsealedRunsOf(row), event)),
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

/** Also those that go on. */
export function unsealedRunsOf(row: DeviceRecordingRow | undefined): readonly UnsealedRun[] {
  return JSON.parse(row?.unsealedRuns ?? '[]') as readonly UnsealedRun[];
}

function spanOf(event: RecordingEvent): { readonly fromMs: number; readonly toMs: number } {
  switch (event.type) {
    case 'RecordingStarted':
    case 'RecordingStopped':
      return { fromMs: event.data.atMs, toMs: event.data.atMs };
    case 'RecordingSealed': {
      let fromMs = Number.MAX_SAFE_INTEGER;
      let toMs = 0;
      for (const pieces of [event.data.segments, event.data.gaps]) {
        for (const piece of pieces) {
          fromMs = Math.min(fromMs, piece.fromMs);
          toMs = Math.max(toMs, piece.toMs);
        }
      }
      return { fromMs, toMs };
    }
    default:
      return event.data;
  }
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
