import type { ConfigurationChange as Change, SiteState } from '@holdfast/core';
import { SiteId } from '@holdfast/schema';
import {
  Configuration,
  ConfigurationDiff,
  DateTime,
  type LogEvent,
  LogPlaceInput,
  Site,
} from '@holdfast/schema/graphql';
import { Arg, Ctx, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql';
import {
  type ConfigurationAsOf,
  ConfigurationHistory,
  DiffTooLongError,
  type Moment,
} from '../../configuration-history/configuration-history.js';
import type { Sql } from '../../postgres/sql.js';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiPorts } from '../api-ports.js';
import { checkSpan, parseId } from '../arguments.js';

@Resolver(() => Configuration)
export class ConfigurationResolver {
  readonly #history: ConfigurationHistory;

  constructor(sql: Sql, { foldCode }: ApiPorts) {
    this.#history = new ConfigurationHistory(sql, foldCode);
  }

  @Query(() => Configuration, {
    description: 'What a site was set up to be at a time, or at a place in its log. Without either: now.',
  })
  async configuration(
    @Arg('siteId', () => ID) siteId: string,
    @Arg('asOf', () => DateTime, { nullable: true }) asOfMs: number | undefined,
    @Arg('at', () => LogPlaceInput, { nullable: true }) at: LogPlaceInput | undefined,
    @Ctx() context: ApiContext,
  ): Promise<Configuration> {
    const site = await knownSite(siteId, context);
    const moment = momentOf(asOfMs ?? null, at ?? null);
    const [known, knownUntilMs] = await Promise.all([
      this.#history.asOf(site, moment),
      this.#history.knownUntilMs(site),
    ]);
    return configurationOf(site, known, knownUntilMs);
  }

  @Query(() => ConfigurationDiff, {
    description:
      'What differs at `to` from `from`. What was altered and altered back in between is no difference.',
  })
  async configurationDiff(
    @Arg('siteId', () => ID) siteId: string,
    @Arg('from', () => DateTime) fromMs: number,
    @Arg('to', () => DateTime) toMs: number,
    @Ctx() context: ApiContext,
  ): Promise<ConfigurationDiff> {
    const site = await knownSite(siteId, context);
    checkSpan(fromMs, toMs);
    const [from, to] = [fromMs, toMs].map(atMs => ({ kind: 'TIME', atMs }) as const) as [Moment, Moment];
    try {
      const changes = await this.#history.diff(site, from, to);
      const knownUntilMs = await this.#history.knownUntilMs(site);
      return { knownUntilMs, changes: changes.map(change => ({ ...change, event: eventOf(change) })) };
    } catch (error) {
      if (error instanceof DiffTooLongError)
        throw new ApiError({ code: 'BAD_USER_INPUT', message: error.message });
      throw error;
    }
  }

  @FieldResolver(() => Site)
  async site(@Root() { siteId }: Configuration, @Ctx() { load }: ApiContext): Promise<Site | null> {
    return load.site.load(siteId);
  }
}

async function knownSite(id: string, { load }: ApiContext): Promise<SiteId> {
  const siteId = parseId(SiteId, id, 'siteId');
  if (await load.site.load(siteId)) return siteId;
  throw new ApiError({ code: 'SITE_NOT_FOUND', message: `no site ${siteId} is known here` });
}

function momentOf(asOfMs: number | null, place: LogPlaceInput | null): Moment {
  if (asOfMs !== null && place !== null)
    throw new ApiError({ code: 'BAD_USER_INPUT', message: 'give `asOf` or `at`, not both' });
  if (place !== null) {
    if (place.epoch >= 1 && place.position >= 0) return { kind: 'PLACE', place };
    const message = `at: expected an epoch from 1 and a position from 0, got ${place.epoch}/${place.position}`;
    throw new ApiError({ code: 'BAD_USER_INPUT', message });
  }
  return asOfMs === null ? { kind: 'NOW' } : { kind: 'TIME', atMs: asOfMs };
}

function configurationOf(
  siteId: SiteId,
  { state, place, recordedAtMs }: ConfigurationAsOf,
  knownUntilMs: number | null,
): Configuration {
  return {
    ...{ siteId, name: state.site.name, ...place, unchangedSinceMs: recordedAtMs, knownUntilMs },
    unreadableStreamCount: state.aside.size,
    children: named([...state.site.children].map(([id, { name }]) => ({ id, name }))),
    recordingServers: named(
      [...state.recordingServers].map(([id, { name, retention }]) => ({
        ...{ id, name, retentionDays: retention?.retentionDays ?? null },
        byteLengthMax: retention?.byteLengthMax ?? null,
      })),
    ),
    hardware: named([...state.hardware.values()].map(hardwareOf)),
  };
}

function hardwareOf(hardware: SiteState['hardware'] extends Map<infer _, infer Value> ? Value : never) {
  const { hardwareId: id, name, address, recordingServerId, devices } = hardware;
  return {
    ...{ id, name, address, recordingServerId },
    devices: devices.map(({ deviceId, ...device }) => ({ id: deviceId, ...device })),
  };
}

/** By name, as people look for it. */
function named<Thing extends { readonly id: string; readonly name: string }>(
  things: Thing[],
): readonly Thing[] {
  const key = ({ name, id }: Thing) => `${name}\0${id}`;
  return things.sort((left, right) => (key(left) < key(right) ? -1 : 1));
}

function eventOf({ event }: Change): LogEvent {
  const { id, epoch, position, stream, revision, type, version, actor, causationId, correlationId } = event;
  return {
    ...{ id, epoch, position, stream, revision, type, version, actor, causationId, correlationId },
    ...{ recordedAtMs: Number(event.recordedAt >> 16n), occurredAtMs: event.occurredAtMs },
    ...{ data: Buffer.from(event.data).toString('utf8'), siteId: event.site, seq: 0 },
  };
}
