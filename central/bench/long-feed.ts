import { randomUUID } from 'node:crypto';
import { currentVersion, type DeviceId, type HardwareId, type RecordingServerId } from '@holdfast/schema';
import { FeedFixture, takeIn } from '../intake/feed-fixture.js';
import type { Sql } from '../postgres/sql.js';

const SITES = 20;
const CAMERAS_PER_SITE = 16;
const MINUTE_MS = 60_000;

export interface LongFeed {
  readonly sites: readonly FeedFixture[];
  readonly cameras: readonly FeedCamera[];
  readonly fromMs: number;
  readonly toMs: number;
}

export interface FeedCamera {
  readonly site: FeedFixture;
  readonly deviceId: DeviceId;
  readonly hardwareId: HardwareId;
  readonly recordingServerId: RecordingServerId;
}

/**
 * A feed of so many events as twenty sites with sixteen cameras each bring it about: of a hundred, 92 seal a minute of recording, one
 * deletes twenty old minutes, four are cameras that are lost and come back, three are of an alarm. They are made in the
 * database, where a million takes seconds; what a projection reads of an event is complete and valid. What most of them are is of
 * today's version, as in a feed of today.
 */
export async function fillFeed(sql: Sql, eventCount: number): Promise<LongFeed> {
  const fromMs = Date.UTC(2026, 0, 1);
  const sites = Array.from({ length: SITES }, () => new FeedFixture());
  const cameras = sites.flatMap(site => {
    const recordingServerId = randomUUID() as RecordingServerId;
    return Array.from({ length: CAMERAS_PER_SITE }, () => ({
      ...{ site, recordingServerId, deviceId: randomUUID() as DeviceId },
      hardwareId: randomUUID() as HardwareId,
    }));
  });
  for (const site of sites) await configure(sql, site, cameras);
  await sql`
    create table bench_camera as
    select * from unnest(${cameras.map(camera => camera.site.site)}::uuid[],
      ${cameras.map(camera => camera.deviceId)}::uuid[], ${cameras.map(camera => camera.hardwareId)}::uuid[],
      ${cameras.map(camera => camera.recordingServerId)}::uuid[])
      with ordinality as camera (site, device, hardware, recording_server, number)`;
  await insertFacts(sql, eventCount, fromMs);
  await sql`drop table bench_camera`;
  await sql`update feed_head set seq = (select max(seq) from replica_event)`;
  await sql`
    update replica_cursor set position = newest.position
    from (select site, max(position) as position from replica_event group by site) as newest
    where newest.site = replica_cursor.site`;
  const cursors = await sql<{ site: string; position: number }[]>`select site, position from replica_cursor`;
  for (const { site, position } of cursors) sites.find(each => each.site === site)!.position = position;
  await sql`vacuum analyze replica_event`;
  return { sites, cameras, fromMs, toMs: fromMs + Math.ceil(eventCount / cameras.length) * MINUTE_MS };
}

async function configure(sql: Sql, site: FeedFixture, cameras: readonly FeedCamera[]): Promise<void> {
  const own = cameras.filter(camera => camera.site === site);
  const { recordingServerId } = own[0]!;
  const data = { siteId: site.site, name: `Site ${site.site.slice(0, 4)}`, sealingPublicKey: 'AAAA' };
  await takeIn(sql, [
    site.event('site', { type: 'SiteEstablished', data }),
    site.event('rs', { type: 'RecordingServerRegistered', data: { recordingServerId, name: 'Recorder' } }),
    ...own.map(({ hardwareId, deviceId }, index) => {
      const where = {
        driver: 'rtsp',
        transport: 'AUTO',
        address: `rtsp://192.0.2.${index}/`,
        sealedCredentials: null,
      } as const;
      const devices = [{ deviceId, type: 'CAMERA' as const, name: `Camera ${index}` }];
      const added = { hardwareId, name: `Camera ${index}`, ...where, recordingServerId, devices };
      return site.event(`hardware-${hardwareId}`, { type: 'HardwareAdded', data: added });
    }),
  ]);
}

/** A UUID of version 4 that follows from a text. */
const UUID_OF = `create function pg_temp.uuid_of(seed text) returns text immutable language sql as $$
  select overlay(overlay(md5(seed) placing '4' from 13) placing '8' from 17)::uuid::text $$`;

async function insertFacts(sql: Sql, eventCount: number, fromMs: number): Promise<void> {
  await sql.begin(async tx => {
    await tx.unsafe(UUID_OF);
    await tx`
      insert into replica_event (seq, site, epoch, position, id, stream, revision, type, version, recorded_at,
        occurred_at_ms, clock_quality, actor, header, data, leaf_hash)
      select (select seq from feed_head) + n, site, 1,
        (select position from replica_cursor where replica_cursor.site = made.site)
          + row_number() over (partition by site order by n),
        pg_temp.uuid_of('event' || n)::uuid, stream, minute, type,
        case when type = 'RecordingSealed' then ${currentVersion('RecordingSealed')}::int else 1 end, (at_ms + 60000) << 16, at_ms, 'NTP',
        case when type = 'AlarmClosed' then 'user:admin' else 'server:' || recording_server end,
        decode(repeat(md5(n::text), 8), 'hex'), convert_to(data, 'UTF8'), decode(repeat(md5(n::text), 2), 'hex')
      from (
        select n, minute, at_ms, camera.*, kind,
          case when kind < 92 then 'recording-' || device when kind = 92 then 'recording-' || device
               when kind < 97 then 'hardware-connection-' || hardware else 'alarm-' || alarm end as stream,
          case when kind < 92 then 'RecordingSealed' when kind = 92 then 'RecordingDeleted'
               when kind in (93, 95) then 'HardwareConnectionLost' when kind in (94, 96) then 'HardwareConnected'
               when kind = 97 then 'AlarmRaised' when kind = 98 then 'AlarmAcknowledged' else 'AlarmClosed' end as type,
          case
            when kind < 92 then format('{"deviceId":"%s","recordingServerId":"%s","segments":[{"segmentId":"%s","fromMs":%s,"toMs":%s,"fragmentCount":30,"byteLength":30000000,"digest":"%s","timeSource":"SENDER_REPORT","beganBecause":"RECORDING_CONTINUED","endedBecause":"RECORDING_CONTINUED"}],"gaps":[]}',
              device, recording_server, pg_temp.uuid_of(number || '/' || minute), at_ms, at_ms + 60000, repeat(md5(n::text), 2))
            when kind = 92 then format('{"deviceId":"%s","recordingServerId":"%s","segmentIds":[%s],"fromMs":%s,"toMs":%s,"policy":"RETENTION_AGE"}',
              device, recording_server,
              (select string_agg('"' || pg_temp.uuid_of(number || '/' || (minute - 100 - i)) || '"', ',') from generate_series(1, 20) as i),
              at_ms - 7200000, at_ms - 6000000)
            when kind in (93, 95) then format('{"hardwareId":"%s","recordingServerId":"%s","atMs":%s,"cause":"UNREACHABLE","detail":"timed out"}', hardware, recording_server, at_ms)
            when kind in (94, 96) then format('{"hardwareId":"%s","recordingServerId":"%s","atMs":%s}', hardware, recording_server, at_ms)
            when kind = 97 then format('{"alarmId":"%s","localNumber":%s,"name":"Door","message":"opened","priority":1,"sourceDeviceId":"%s","sourceName":"Camera","raisedAtMs":%s}', alarm, minute + 1, device, at_ms)
            when kind = 98 then format('{"alarmId":"%s"}', alarm)
            else format('{"alarmId":"%s","reason":"false alarm"}', alarm) end as data
        from (
          select n, n / ${SITES * CAMERAS_PER_SITE} as minute, n % 100 as kind, n % ${SITES * CAMERAS_PER_SITE} as place,
            ${fromMs}::bigint + (n / ${SITES * CAMERAS_PER_SITE}) * 60000::bigint as at_ms,
            pg_temp.uuid_of('alarm' || n / 100) as alarm
          from generate_series(1, ${eventCount}::int) as n
        ) as numbered
        join lateral (
          select * from bench_camera
          where number = 1 + case when kind >= 97 then (n / 100) % ${SITES * CAMERAS_PER_SITE} else place end
        ) as camera on true
      ) as made
      order by n`;
  });
}
