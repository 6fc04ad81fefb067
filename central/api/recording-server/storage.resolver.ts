import { Device, Storage, StorageStage } from '@holdfast/schema/graphql';
import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { haltsOf } from '../../read-models/recording-server/recording-servers.read-model.js';
import { readDevicesOfStorage, stagesOfStorage } from '../../read-models/recording-server/storages.query.js';
import type { StorageRow } from '../../read-models/recording-server/storages.read-model.js';
import type { ApiContext } from '../api-context.js';

@Resolver(() => Storage)
export class StorageResolver {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  @FieldResolver(() => String, {
    nullable: true,
    description: 'Null: it is recorded into. Else a cause, and what is said of it.',
  })
  async haltedBecause(@Root() storage: StorageRow, @Ctx() { load }: ApiContext): Promise<string | null> {
    const server = await load.recordingServer.load(storage.recordingServerId);
    const halt =
      server && haltsOf(server).find(({ storageId }) => storageId === null || storageId === storage.id);
    return halt ? `${halt.cause}: ${halt.detail}` : null;
  }

  @FieldResolver(() => [StorageStage], {
    description: 'The live database first, then the archives from near to far.',
  })
  async stages(@Root() storage: StorageRow, @Ctx() { load }: ApiContext): Promise<readonly StorageStage[]> {
    const server = await load.recordingServer.load(storage.recordingServerId);
    return stagesOfStorage(storage).map(({ path, configured, measured }) => ({
      ...{
        path,
        objectStore: configured?.isObjectStore ?? false,
        keyFramesOnly: configured?.keyFramesOnly ?? false,
      },
      // A server without configured storages has one, which keeps as the server does.
      retentionDays: configured === null ? (server?.retentionDays ?? null) : configured.retentionDays,
      byteLengthMax: configured === null ? (server?.byteLengthMax ?? null) : configured.byteLengthMax,
      usageBytes: measured?.usageBytes ?? null,
      freeBytes: measured?.freeBytes ?? null,
      lockedBytes: measured?.lockedBytes ?? null,
      fullAtMs: measured?.fullAtMs ?? null,
      oldestMs: measured?.oldestMs ?? null,
      unavailableBecause: measured?.unavailableBecause ?? null,
    }));
  }

  @FieldResolver(() => [Device], { description: 'Cameras that are recorded into it now.' })
  async devices(@Root() storage: StorageRow): Promise<readonly Device[]> {
    return readDevicesOfStorage(this.#sql, storage);
  }
}
