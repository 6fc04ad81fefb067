import type { Sql } from '../../postgres/sql.js';
import type { DeviceRow } from '../hardware/hardware.read-model.js';
import type { ConfiguredStage, MeasuredStage, StorageRow } from './storages.read-model.js';

export interface ServerStorages {
  /** Of the recording server. */
  readonly id: string;
  /** The one of devices that are assigned to none comes first. */
  readonly storages: readonly StorageRow[];
}

export async function readStoragesOfServers(
  sql: Sql,
  serverIds: readonly string[],
): Promise<readonly ServerStorages[]> {
  const rows = await sql<StorageRow[]>`
    select * from storage where recording_server_id = any(${serverIds as string[]}::uuid[]) and in_use
    order by is_default desc, name, id`;
  return [...Map.groupBy(rows, row => row.recordingServerId)].map(([id, storages]) => ({ id, storages }));
}

/** What is recorded into a storage now: by assignment, or, in the first of a server, without one. */
export async function readDevicesOfStorage(
  sql: Sql,
  { recordingServerId, id, isDefault }: Pick<StorageRow, 'recordingServerId' | 'id' | 'isDefault'>,
): Promise<readonly DeviceRow[]> {
  return sql<DeviceRow[]>`
    select device.* from device
    join hardware on hardware.id = device.hardware_id and hardware.recording_server_id = ${recordingServerId}
    left join storage_device as assigned
      on assigned.device_id = device.id and assigned.recording_server_id = ${recordingServerId}
    where not device.removed and device.type = 'CAMERA'
      and (assigned.storage_id = ${id} or (assigned.storage_id is null and ${isDefault}))
    order by device.name, device.id`;
}

export interface StorageStageFacts {
  readonly path: string | null;
  readonly configured: ConfiguredStage | null;
  readonly measured: MeasuredStage | null;
}

/** The live database first, then the archives from near to far. */
export function stagesOfStorage({ configured, measured }: StorageRow): readonly StorageStageFacts[] {
  const settings: readonly ConfiguredStage[] = configured === null ? [] : JSON.parse(configured);
  const measures: readonly MeasuredStage[] = measured === null ? [] : JSON.parse(measured);
  const paths = new Set([...settings.map(({ path }) => path), ...measures.map(({ path }) => path)]);
  return [...paths].map(path => ({
    path,
    configured: settings.find(stage => stage.path === path) ?? null,
    measured: measures.find(stage => stage.path === path) ?? null,
  }));
}
