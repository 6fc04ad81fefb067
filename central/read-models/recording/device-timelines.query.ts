import type { DeviceTimelineFacts, TimeSpan } from '@holdfast/core';
import type { DeviceId, RecordingServerId, SiteId } from '@holdfast/schema';
import type { Sql } from '../../postgres/sql.js';
import { type DeviceRecordingRow, unsealedRunsOf } from './recorded-device.js';
import { type RetentionRow, retentionMsOf } from './retention.js';

export interface DeviceOfSite {
  readonly deviceId: DeviceId;
  readonly siteId: SiteId;
  /** As `ApiPorts.awayAt` says it of that site. */
  readonly isAway: (recordingServerId: RecordingServerId) => boolean;
}

type Facts = Omit<DeviceTimelineFacts, 'link'>;

interface StretchRow extends TimeSpan {
  /** Of the device in the list that was asked for, 1.. */
  readonly place: number;
  readonly kind: 'SEALED' | 'DELETED' | 'DAMAGED' | 'HELD' | 'GAP';
  readonly keyFramesOnly: boolean;
  readonly cause: string | null;
  readonly recordingServerId: RecordingServerId | null;
}

/** What the timelines of these devices are made of, for each in the order given; many cost little more than one. */
export async function readDeviceTimelines(
  sql: Sql,
  devices: readonly DeviceOfSite[],
  { fromMs, toMs }: TimeSpan,
): Promise<readonly Facts[]> {
  const deviceIds = devices.map(({ deviceId }) => deviceId as string);
  const siteIds = devices.map(({ siteId }) => siteId as string);
  const asked = sql`
    unnest(${deviceIds}::uuid[], ${siteIds}::uuid[]) with ordinality as asked (device_id, site_id, place)`;
  const [stretches, recordings, retentions] = await Promise.all([
    sql<StretchRow[]>`
      with asked as materialized (select * from ${asked})
      select place, case when state = 'REDUCED' then 'SEALED' else state end as kind, null as cause, from_ms, to_ms,
        recording_server_id, state = 'REDUCED' as key_frames_only
      from asked join recording_span using (device_id, site_id) where to_ms > ${fromMs} and from_ms < ${toMs}
      union all
      select place, 'HELD', null, from_ms, to_ms, null, state = 'REDUCED'
      from asked join held_span using (device_id) where to_ms > ${fromMs} and from_ms < ${toMs}
      union all
      select place, 'GAP', cause, from_ms, to_ms, null, false
      from asked join recording_gap using (device_id, site_id) where to_ms > ${fromMs} and from_ms < ${toMs}`,
    sql<(DeviceRecordingRow & { readonly place: number })[]>`
      select place, device_recording.* from ${asked} join device_recording using (device_id, site_id)`,
    sql<RetentionRow[]>`
      select id, retention_days, byte_length_max from recording_server where site_id = any(${siteIds}::uuid[])`,
  ]);
  const byPlace = Map.groupBy(stretches, ({ place }) => place);
  const recordingAt = new Map(recordings.map(row => [row.place, row]));
  return devices.map(({ isAway }, index) =>
    factsOf(byPlace.get(index + 1) ?? [], recordingAt.get(index + 1) ?? null, { retentions, isAway }),
  );
}

function factsOf(
  stretches: readonly StretchRow[],
  recording: DeviceRecordingRow | null,
  { retentions, isAway }: { readonly retentions: readonly RetentionRow[] } & Pick<DeviceOfSite, 'isAway'>,
): Facts {
  const awayOf = (id: RecordingServerId | null) => (id !== null && isAway(id) ? id : null);
  const sealed: Facts['sealed'][number][] = [];
  const held: Facts['held'][number][] = [];
  const gaps: Facts['gaps'][number][] = [];
  const losses: Facts['losses'][number][] = [];
  for (const { kind, cause, fromMs, toMs, keyFramesOnly, recordingServerId } of stretches) {
    if (kind === 'SEALED') sealed.push({ fromMs, toMs, keyFramesOnly, away: awayOf(recordingServerId) });
    else if (kind === 'HELD') held.push({ fromMs, toMs, keyFramesOnly });
    else if (kind === 'GAP') gaps.push({ fromMs, toMs, cause: cause! });
    else losses.push({ fromMs, toMs, cause: kind });
  }
  const serverIds = [...stretches, ...(recording === null ? [] : [recording])].flatMap(
    ({ recordingServerId }) => recordingServerId ?? [],
  );
  return {
    ...{ sealed, held, gaps, losses, ...standOf(recording, awayOf) },
    retentionMs: retentionMsOf(serverIds, retentions),
  };
}

/** Whether the device records, and how far facts of it reach. */
export function standOf(
  recording: DeviceRecordingRow | null,
  awayOf: (recordingServerId: RecordingServerId) => RecordingServerId | null = () => null,
): Pick<DeviceTimelineFacts, 'running' | 'unsealed' | 'lastStop' | 'known'> {
  if (recording === null) return { running: null, unsealed: [], lastStop: null, known: null };
  const { runningSinceMs, lastStopAtMs, lastStopCause, knownFromMs, knownToMs } = recording;
  const runs = unsealedRunsOf(recording);
  // The row's server is that of the newest fact: of hardware that was moved it may be one that tells of an older recording.
  const open = runs.findLast(run => run.toMs === null);
  const runsAt = open?.recordingServerId ?? (recording.recordingServerId as RecordingServerId);
  return {
    running: runningSinceMs === null ? null : { sinceMs: runningSinceMs, away: awayOf(runsAt) },
    unsealed: runs.flatMap(({ fromMs, toMs, recordingServerId }) =>
      toMs === null ? [] : [{ fromMs, toMs, away: awayOf(recordingServerId) }],
    ),
    lastStop: lastStopAtMs === null ? null : { atMs: lastStopAtMs, cause: lastStopCause ?? 'NOT_RECORDED' },
    known: { fromMs: knownFromMs, toMs: knownToMs },
  };
}
