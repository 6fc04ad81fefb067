import type { Sql } from '../../postgres/sql.js';
import type { DeviceHealthRow, RecordingServerHealthRow } from './health.read-model.js';

type WithId<Row> = Row & { readonly id: string };

export async function readDeviceHealth(
  sql: Sql,
  ids: readonly string[],
): Promise<readonly WithId<DeviceHealthRow>[]> {
  return sql<WithId<DeviceHealthRow>[]>`
    select device_health.*, device_id as id from device_health where device_id = any(${ids as string[]}::uuid[])`;
}

export async function readRecordingServerHealth(
  sql: Sql,
  ids: readonly string[],
): Promise<readonly RecordingServerHealthRow[]> {
  return sql<RecordingServerHealthRow[]>`
    select * from recording_server_health where id = any(${ids as string[]}::uuid[])`;
}
