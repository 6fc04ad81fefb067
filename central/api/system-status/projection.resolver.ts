import {
  type Connection,
  LogEvent,
  PageArguments,
  ProjectionDifference,
  ProjectionStatus,
  QuarantinedEvent,
  QuarantinedEventConnection,
  QuarantineRelease,
  Site,
} from '@holdfast/schema/graphql';
import { Arg, Args, Ctx, FieldResolver, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { readEventsAfter } from '../../read-models/event/events.query.js';
import { type ProjectionView, readProjectionState } from '../../read-models/projection-state.query.js';
import { readQuarantine } from '../../read-models/quarantine.js';
import { type ApiContext, actorOf } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiPorts } from '../api-ports.js';

const ANY_EVENT = {
  ...{ siteId: null, types: null, stream: null, deviceId: null, fromMs: null, toMs: null },
};

export function projectionStatusOf({ buildSeq, ...view }: ProjectionView): ProjectionStatus {
  return { ...view, buildProgress: buildSeq === null ? null : buildSeq / Math.max(view.seq, 1) };
}

/** What an administrator does about projections. */
@Resolver(() => QuarantinedEvent)
export class ProjectionResolver {
  readonly #sql: Sql;
  readonly #ports: ApiPorts;

  constructor(sql: Sql, ports: ApiPorts) {
    this.#sql = sql;
    this.#ports = ports;
  }

  @Query(() => QuarantinedEventConnection, {
    description: 'Events that projections do not show, in the order in which they were taken in.',
  })
  async quarantinedEvents(
    @Arg('projection', () => String, { nullable: true }) projection: string | undefined,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Connection<QuarantinedEvent>> {
    if (projection !== undefined) this.#ports.projections.mustKnow([projection]);
    return await readQuarantine(this.#sql, projection ?? null, page);
  }

  @FieldResolver(() => Site, {
    nullable: true,
    description: 'Whose log it is in. Null while the site is not known.',
  })
  async site(@Root() { site }: QuarantinedEvent, @Ctx() { load }: ApiContext): Promise<Site | null> {
    return load.site.load(site);
  }

  @FieldResolver(() => LogEvent, { nullable: true, description: 'Null when it was truncated since.' })
  async event(@Root() { seq }: QuarantinedEvent): Promise<LogEvent | null> {
    const span = { afterSeq: seq - 1, upToSeq: seq, limit: 1 };
    const [event] = await readEventsAfter(this.#sql, ANY_EVENT, span);
    return event ?? null;
  }

  @Mutation(() => [ProjectionStatus], {
    description:
      'Builds projections anew from the log, beside what is served until it is done; `buildProgress` tells how far. One that is asked for already is not asked for twice.',
  })
  async rebuildProjections(
    @Arg('names', () => [String]) names: string[],
    @Ctx() context: ApiContext,
  ): Promise<readonly ProjectionStatus[]> {
    this.#ports.projections.mustKnow(names);
    await this.#record('ProjectionRebuildRequested', names, context);
    await this.#ports.projections.rebuild(names);
    const { projections } = await readProjectionState(this.#sql);
    return projections.filter(({ name }) => names.includes(name)).map(projectionStatusOf);
  }

  @Mutation(() => QuarantineRelease, {
    description:
      'Tries again what a projection has put aside, in the order of each stream, and sets it going when it stood still.',
  })
  async releaseQuarantine(
    @Arg('projection', () => String) name: string,
    @Ctx() context: ApiContext,
  ): Promise<QuarantineRelease> {
    this.#ports.projections.mustKnow([name]);
    await this.#record('QuarantineReleaseRequested', [name], context);
    const { folded, left } = await this.#ports.projections.release(name);
    const { projections } = await readProjectionState(this.#sql);
    const projection = projections.find(view => view.name === name)!;
    return { foldedCount: folded, leftCount: left, projection: projectionStatusOf(projection) };
  }

  async #record(
    type: 'ProjectionRebuildRequested' | 'QuarantineReleaseRequested',
    names: readonly string[],
    context: ApiContext,
  ): Promise<void> {
    const { operators, personal } = this.#ports;
    if (context.user?.administrator !== true) {
      throw new ApiError({ code: 'FORBIDDEN', message: 'only an administrator may do this' });
    }
    const events = names.map(projection => ({ type, data: { projection } }));
    await operators.record(events, actorOf(context, personal));
  }
}

@Resolver(() => ProjectionDifference)
export class ProjectionDifferenceResolver {
  @FieldResolver(() => Site, { nullable: true, description: 'Null: found in the projection as a whole.' })
  async site(@Root() { siteId }: ProjectionDifference, @Ctx() { load }: ApiContext): Promise<Site | null> {
    return siteId === null ? null : load.site.load(siteId);
  }
}
