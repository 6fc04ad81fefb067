import type { DeviceType } from '@holdfast/schema';
import type { Sql } from '../../postgres/sql.js';
import { type Page, type PageRequest, readPage } from '../page.query.js';
import { containsText } from '../text-search.js';
import type { DeviceRow, HardwareRow } from './hardware.read-model.js';

export interface DeviceFilter {
  readonly siteId: string | null;
  readonly type: DeviceType | null;
  /** In the name. */
  readonly text: string | null;
}

/** Devices whose hardware was removed are found by id only: their recordings may still be asked for. */
export function readDevices(sql: Sql, filter: DeviceFilter, page: PageRequest): Promise<Page<DeviceRow>> {
  const where = [sql`not removed`];
  if (filter.siteId !== null) where.push(sql`site_id = ${filter.siteId}`);
  if (filter.type !== null) where.push(sql`type = ${filter.type}`);
  if (filter.text !== null) where.push(containsText(sql, ['name'], filter.text));
  return readPage<DeviceRow>(sql, page, {
    ...{ from: sql`device`, columns: sql`*`, where, direction: 'asc' },
    sort: [
      { column: 'name', type: 'text', value: row => row.name },
      { column: 'id', type: 'uuid', value: row => row.id },
    ],
  });
}

export async function readDevicesById(sql: Sql, ids: readonly string[]): Promise<readonly DeviceRow[]> {
  return sql<DeviceRow[]>`select * from device where id = any(${ids as string[]}::uuid[])`;
}

export async function readHardwareById(sql: Sql, ids: readonly string[]): Promise<readonly HardwareRow[]> {
  return sql<HardwareRow[]>`select * from hardware where id = any(${ids as string[]}::uuid[])`;
}

export async function readDevicesOfRecordingServer(
  sql: Sql,
  recordingServerId: string,
): Promise<readonly DeviceRow[]> {
  return sql<DeviceRow[]>`
    select device.* from device join hardware on hardware.id = device.hardware_id
    where hardware.recording_server_id = ${recordingServerId} and not device.removed
    order by device.name, device.id`;
}
