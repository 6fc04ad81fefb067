import { SiteId } from '@holdfast/schema';
import {
  type Connection,
  Device,
  PageArguments,
  RecordingServer,
  RecordingServerConnection,
  RecordingServerHealth,
  Site,
  Storage,
} from '@holdfast/schema/graphql';
import { Arg, Args, Ctx, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { readDevicesOfRecordingServer } from '../../read-models/hardware/devices.query.js';
import { readRecordingServers } from '../../read-models/recording-server/recording-servers.query.js';
import type { ApiContext } from '../api-context.js';
import { parseOptionalId } from '../arguments.js';

@Resolver(() => RecordingServer)
export class RecordingServerResolver {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  @Query(() => RecordingServerConnection)
  recordingServers(
    @Arg('siteId', () => ID, { nullable: true }) siteId: string | undefined,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Connection<RecordingServer>> {
    return readRecordingServers(this.#sql, { siteId: parseOptionalId(SiteId, siteId, 'siteId') }, page);
  }

  @FieldResolver(() => Site)
  async site(@Root() server: RecordingServer, @Ctx() { load }: ApiContext): Promise<Site | null> {
    return load.site.load(server.siteId);
  }

  @FieldResolver(() => Boolean, { description: 'It has started, and nothing keeps it from writing.' })
  recording(@Root() server: RecordingServer): boolean {
    return server.startedAtMs !== null && server.haltedBecause === null;
  }

  @FieldResolver(() => RecordingServerHealth, { nullable: true, description: 'Null: it never started.' })
  async health(
    @Root() server: RecordingServer,
    @Ctx() { load }: ApiContext,
  ): Promise<RecordingServerHealth | null> {
    return load.recordingServerHealth.load(server.id);
  }

  @FieldResolver(() => [Storage], { description: 'As of its last report; none before the first.' })
  async storages(@Root() server: RecordingServer, @Ctx() { load }: ApiContext): Promise<readonly Storage[]> {
    return (await load.storages.load(server.id))?.storages ?? [];
  }

  @FieldResolver(() => [Device])
  async devices(@Root() server: RecordingServer): Promise<readonly Device[]> {
    return readDevicesOfRecordingServer(this.#sql, server.id);
  }
}
