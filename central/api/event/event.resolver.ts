import {
  type Connection,
  EventConnection,
  EventFilter,
  LogEvent,
  PageArguments,
  Site,
} from '@holdfast/schema/graphql';
import { Arg, Args, Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { readEvents } from '../../read-models/event/events.query.js';
import type { ApiContext } from '../api-context.js';
import { eventQuery } from './event-filter.js';

@Resolver(() => LogEvent)
export class EventResolver {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  @Query(() => EventConnection, {
    description: 'Newest first, as they arrived here. `totalCount` ends at 10,000.',
  })
  events(
    @Arg('filter', () => EventFilter, { nullable: true }) filter: EventFilter | undefined,
    @Args(() => PageArguments) page: PageArguments,
  ): Promise<Connection<LogEvent>> {
    return readEvents(this.#sql, eventQuery(filter), page);
  }

  @FieldResolver(() => Site)
  async site(@Root() event: LogEvent, @Ctx() { load }: ApiContext): Promise<Site> {
    const site = await load.site.load(event.siteId);
    // A log may begin to arrive before the event that names its site.
    return site ?? { id: event.siteId, name: event.siteId, parentId: null, enrolledAtMs: null };
  }
}
