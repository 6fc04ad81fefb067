import type { HoldfastEvent } from '@holdfast/schema';
import type { TransactionSql } from '../../postgres/sql.js';
import { ModelTable, mustBelongTo } from '../model-table.js';
import { defineReadModel } from '../read-model.js';

export interface StorageRow {
  readonly siteId: string;
  readonly recordingServerId: string;
  readonly id: string;
  readonly name: string;
  readonly isDefault: boolean;
  readonly encrypted: boolean;
  /** JSON of `ConfiguredStage[]`, the live database first. */
  readonly configured: string | null;
  /** JSON of `MeasuredStage[]`. */
  readonly measured: string | null;
  readonly measuredAtMs: number | null;
  readonly inUse: boolean;
}

interface StorageDeviceRow {
  readonly siteId: string;
  readonly recordingServerId: string;
  readonly deviceId: string;
  readonly storageId: string;
}

type Data<Type extends HoldfastEvent['type']> = Extract<HoldfastEvent, { type: Type }>['data'];
export type MeasuredStage = Data<'StorageMeasured'>['stages'][number];

export interface ConfiguredStage {
  readonly path: string | null;
  readonly retentionDays: number;
  readonly byteLengthMax: number | null;
  readonly freeBytesLow: number;
  readonly isObjectStore: boolean;
  readonly keyFramesOnly: boolean;
}

const storages = new ModelTable<StorageRow>('storage', ['recordingServerId', 'id']);
const storageDevices = new ModelTable<StorageDeviceRow>('storage_device', ['recordingServerId', 'deviceId']);

/** What a server keeps without configured storages is called so, here and there. */
const DEFAULT_NAME = 'Default';

export const storagesReadModel = defineReadModel({
  name: 'storages',
  version: 2,
  poison: 'stall-stream',
  checked: 'BY_SITE',
  tables: ['storage', 'storage_device'],
  eventTypes: ['StorageConfigured', 'DeviceStorageAssigned', 'StorageMeasured'],
  async fold(events, { tx }) {
    const rows = await loadStorages(
      tx,
      events.map(({ event }) => event.data.recordingServerId),
    );
    const assigned = new Map<string, StorageDeviceRow>();
    for (const { site: siteId, event } of events) {
      const { recordingServerId } = event.data;
      for (const row of rows.values()) {
        if (row.recordingServerId === recordingServerId) mustBelongTo(siteId, row, `storage ${row.id}`);
      }
      if (event.type === 'StorageConfigured') configure(rows, siteId, event.data);
      else if (event.type === 'StorageMeasured') measure(rows, siteId, event.data);
      else {
        const { deviceId, storageId } = event.data;
        assigned.set(`${recordingServerId} ${deviceId}`, { siteId, recordingServerId, deviceId, storageId });
      }
    }
    await storages.save(tx, rows.values());
    await storageDevices.save(tx, assigned.values());
  },
});

async function loadStorages(
  tx: TransactionSql,
  recordingServerIds: readonly string[],
): Promise<Map<string, StorageRow>> {
  const wanted = [...new Set(recordingServerIds)];
  const rows = await tx<
    StorageRow[]
  >`select * from storage where recording_server_id = any(${wanted}::uuid[])`;
  return new Map(rows.map(row => [keyOf(row.recordingServerId, row.id), row]));
}

function configure(rows: Map<string, StorageRow>, siteId: string, data: Data<'StorageConfigured'>): void {
  const { recordingServerId, storageId: id, name, isDefault, encryption, live, archives } = data;
  const stages: readonly ConfiguredStage[] = [
    { ...live, isObjectStore: false, keyFramesOnly: false },
    ...archives.map(({ objectStore, schedule: _, ...stage }) => ({
      ...{ ...stage, isObjectStore: objectStore !== null },
    })),
  ];
  const known = rows.get(keyOf(recordingServerId, id));
  rows.set(keyOf(recordingServerId, id), {
    ...{ measured: null, measuredAtMs: null, ...known, siteId, recordingServerId, id, name, isDefault },
    ...{ encrypted: encryption !== 'NONE', configured: JSON.stringify(stages), inUse: true },
  });
}

/** The server says what it has: what it does not name, it keeps nothing by any more. */
function measure(rows: Map<string, StorageRow>, siteId: string, data: Data<'StorageMeasured'>): void {
  const { recordingServerId, atMs: measuredAtMs, stages } = data;
  const byStorage = Map.groupBy(stages, ({ storageId }) => storageId);
  for (const [key, row] of rows) {
    if (row.recordingServerId === recordingServerId) rows.set(key, { ...row, inUse: false });
  }
  for (const [id, measured] of byStorage) {
    if (id === null) continue;
    const key = keyOf(recordingServerId, id);
    const fresh = { name: DEFAULT_NAME, isDefault: true, encrypted: false, configured: null };
    rows.set(key, {
      ...{ ...fresh, ...rows.get(key), siteId, recordingServerId, id },
      ...{ measured: JSON.stringify(measured), measuredAtMs, inUse: true },
    });
  }
}

function keyOf(recordingServerId: string, id: string): string {
  return `${recordingServerId} ${id}`;
}
