import { DeviceId, RetrievalId, SiteId } from '@holdfast/schema';
import {
  type Connection,
  DateTime,
  Device,
  PageArguments,
  Retrieval,
  RetrievalConnection,
  RetrievalFilter,
  Site,
} from '@holdfast/schema/graphql';
import { Arg, Args, Ctx, FieldResolver, Float, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import type { Freshness } from '../../read-models/freshness.js';
import { readRetrievals, readRetrievalsById } from '../../read-models/retrieval/retrievals.query.js';
import { type ApiContext, actorOf } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiPorts } from '../api-ports.js';
import { checkSpan, parseId, parseOptionalId } from '../arguments.js';

/** Each becomes a retrieval of its own. */
const DEVICES_PER_REQUEST_MAX = 100;

@Resolver(() => Retrieval)
export class RetrievalResolver {
  readonly #sql: Sql;
  readonly #ports: ApiPorts;
  readonly #freshness: Freshness;

  constructor(sql: Sql, ports: ApiPorts, freshness: Freshness) {
    this.#sql = sql;
    this.#ports = ports;
    this.#freshness = freshness;
  }

  @Query(() => RetrievalConnection, { description: 'Newest first.' })
  retrievals(
    @Arg('filter', () => RetrievalFilter, { nullable: true }) filter: RetrievalFilter | undefined,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Connection<Retrieval>> {
    const query = {
      siteId: parseOptionalId(SiteId, filter?.siteId, 'filter.siteId'),
      deviceId: parseOptionalId(DeviceId, filter?.deviceId, 'filter.deviceId'),
      states: filter?.states ?? null,
    };
    return readRetrievals(this.#sql, query, page);
  }

  @FieldResolver(() => Device)
  async device(@Root() retrieval: Retrieval, @Ctx() { load }: ApiContext): Promise<Device | null> {
    return load.device.load(retrieval.deviceId);
  }

  @FieldResolver(() => Site, { description: 'Where the recordings are fetched from.' })
  async site(@Root() retrieval: Retrieval, @Ctx() { load }: ApiContext): Promise<Site | null> {
    return load.site.load(retrieval.siteId);
  }

  @FieldResolver(() => Float, { description: '0..1' })
  progress(@Root() { state, totalBytes, transferredBytes }: Retrieval): number {
    if (state === 'COMPLETED') return 1;
    return totalBytes === null || totalBytes === 0 ? 0 : Math.min(1, transferredBytes / totalBytes);
  }

  @Mutation(() => [Retrieval], { description: 'One retrieval for each device.' })
  async requestRetrieval(
    @Arg('deviceIds', () => [ID]) devices: string[],
    @Arg('from', () => DateTime) fromMs: number,
    @Arg('to', () => DateTime) toMs: number,
    @Ctx() context: ApiContext,
  ): Promise<readonly Retrieval[]> {
    const deviceIds = [...new Set(devices.map(id => parseId(DeviceId, id, 'deviceIds')))];
    if (deviceIds.length === 0 || deviceIds.length > DEVICES_PER_REQUEST_MAX) {
      throw new ApiError({
        code: 'BAD_USER_INPUT',
        message: `deviceIds: expected 1 to ${DEVICES_PER_REQUEST_MAX} devices, got ${deviceIds.length}`,
      });
    }
    checkSpan(fromMs, toMs);
    const found = await context.load.device.loadMany(deviceIds);
    const unknown = deviceIds.filter(id => !found.some(device => device.id === id));
    if (unknown.length > 0) {
      throw new ApiError({
        code: 'DEVICE_NOT_FOUND',
        message: `no device ${unknown.join(', ')} is known here`,
      });
    }
    const ids: RetrievalId[] = [];
    for (const device of found) {
      const outcome = await this.#ports.retrievals.request({
        ...{ siteId: device.siteId as SiteId, deviceId: device.id as DeviceId, fromMs, toMs },
        actor: actorOf(context, this.#ports.personal),
      });
      if (!outcome.requested) throw new ApiError(outcome.refusal);
      ids.push(outcome.retrievalId);
    }
    await this.#freshness.untilOwnLog();
    return this.#readAll(ids);
  }

  @Mutation(() => Retrieval, { description: 'What was fetched before stays.' })
  async cancelRetrieval(@Arg('id', () => ID) id: string, @Ctx() context: ApiContext): Promise<Retrieval> {
    const retrievalId = parseId(RetrievalId, id, 'id');
    const [known] = await readRetrievalsById(this.#sql, [retrievalId]);
    if (!known) {
      throw new ApiError({
        code: 'RETRIEVAL_NOT_FOUND',
        message: `no retrieval ${retrievalId} is known here`,
      });
    }
    const outcome = await this.#ports.retrievals.cancel({
      retrievalId,
      actor: actorOf(context, this.#ports.personal),
    });
    if (!outcome.cancelled) throw new ApiError(outcome.refusal);
    await this.#freshness.untilOwnLog();
    return (await this.#readAll([retrievalId]))[0]!;
  }

  async #readAll(ids: readonly RetrievalId[]): Promise<readonly Retrieval[]> {
    const rows = new Map((await readRetrievalsById(this.#sql, ids)).map(row => [row.id, row]));
    return ids.flatMap(id => rows.get(id) ?? []);
  }
}
