import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { deviceTimeline } from '@holdfast/core';
import type { DeviceId, SiteId } from '@holdfast/schema';
import { openDatabase } from '../postgres/database.js';
import type { Sql } from '../postgres/sql.js';
import { readDeviceRecordings } from '../read-models/recording/device-recordings.query.js';

const SEGMENTS = 1_000_000;
const CAMERAS = 64;
const SEGMENT_MS = 64_000;
const DAY_MS = 24 * 3600_000;
/** One camera has so many days; the others share what is left of the million. */
const LONG_DAYS = 30;
const DAYS_ASKED = 60;
const MONTHS_ASKED = 100;

export interface TimelineBenchmark {
  readonly segments: number;
  /** One day of 64 cameras. */
  readonly dayP50Ms: number;
  readonly dayP99Ms: number;
  readonly dayTargetMs: number;
  /** Thirty days of one camera. */
  readonly monthP50Ms: number;
  readonly monthP99Ms: number;
  readonly monthTargetMs: number;
}

/** What the query `timeline` of the API reads and makes of it, from the read models of a central with a million segments. */
export async function benchTimeline(): Promise<TimelineBenchmark> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-timeline-'));
  try {
    await using database = await openDatabase({ directory, databaseUrl: null });
    const { sql } = database;
    const { siteId, deviceIds, toMs } = await fill(sql);
    const ask = async (devices: readonly DeviceId[], days: number, endMs: number) => {
      const window = { fromMs: endMs - days * DAY_MS, toMs: endMs };
      const beganMs = performance.now();
      const timelines = await Promise.all(
        devices.map(async deviceId => {
          const link = { state: 'UP', sinceMs: window.fromMs } as const;
          const { timeline } = await readDeviceRecordings(sql, { siteId, deviceId, ...window }, link);
          return deviceTimeline(timeline, window, toMs);
        }),
      );
      if (timelines.some(spans => spans.length === 0)) throw new Error('a camera shows nothing');
      return performance.now() - beganMs;
    };
    const days: number[] = [];
    const months: number[] = [];
    await ask(deviceIds, 1, toMs);
    for (let turn = 0; turn < DAYS_ASKED; turn += 1) {
      days.push(await ask(deviceIds, 1, toMs - (turn % 10) * DAY_MS));
    }
    for (let turn = 0; turn < MONTHS_ASKED; turn += 1) {
      months.push(await ask(deviceIds.slice(0, 1), LONG_DAYS, toMs));
    }
    return {
      segments: SEGMENTS,
      ...{ dayP50Ms: quantile(days, 0.5), dayP99Ms: quantile(days, 0.99), dayTargetMs: 20 },
      ...{ monthP50Ms: quantile(months, 0.5), monthP99Ms: quantile(months, 0.99), monthTargetMs: 100 },
    };
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function quantile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((one, other) => one - other);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! * 10) / 10;
}

/** Rows as the projection of recordings makes them, made in the database, where a million takes seconds. */
async function fill(
  sql: Sql,
): Promise<{ readonly siteId: SiteId; readonly deviceIds: readonly DeviceId[]; readonly toMs: number }> {
  const siteId = randomUUID() as SiteId;
  const recordingServerId = randomUUID();
  const deviceIds = Array.from({ length: CAMERAS }, () => randomUUID() as DeviceId);
  const toMs = Date.UTC(2026, 5, 1);
  const long = (LONG_DAYS * DAY_MS) / SEGMENT_MS;
  const short = Math.floor((SEGMENTS - long) / (CAMERAS - 1));
  const counts = deviceIds.map((_, index) => (index === 0 ? SEGMENTS - short * (CAMERAS - 1) : short));
  await sql`
    insert into recording_server (id, site_id, name, retention_days)
    values (${recordingServerId}, ${siteId}, 'Recorder', 60)`;
  await sql`
    insert into recording_segment (site_id, device_id, segment_id, recording_server_id, from_ms, to_ms, fragment_count,
      byte_length, digest, time_source, began_because, ended_because)
    select ${siteId}, device, gen_random_uuid(), ${recordingServerId}, ${toMs}::bigint - n * ${SEGMENT_MS}::bigint,
      ${toMs}::bigint - (n - 1) * ${SEGMENT_MS}::bigint, 32, 32000000, repeat('ab', 32), 'SENDER_REPORT',
      'RECORDING_CONTINUED', 'RECORDING_CONTINUED'
    from unnest(${deviceIds as DeviceId[]}::uuid[], ${counts}::int[]) as camera (device, count),
      generate_series(1, count) as n
    order by n`;
  await sql`
    insert into device_recording (site_id, device_id, recording_server_id, known_from_ms, known_to_ms, running_since_ms)
    select site_id, device_id, recording_server_id, min(from_ms), max(to_ms), min(from_ms)
    from recording_segment group by site_id, device_id, recording_server_id`;
  await sql`vacuum analyze`;
  return { siteId, deviceIds, toMs };
}
