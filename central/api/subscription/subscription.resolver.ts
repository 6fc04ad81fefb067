import {
  AlarmChange,
  Cursor,
  EventAppended,
  EventFilter,
  LinkChange,
  RetrievalChange,
} from '@holdfast/schema/graphql';
import { Arg, Ctx, Resolver, Root, Subscription } from 'type-graphql';
import type { AlarmRow } from '../../read-models/alarm/alarms.read-model.js';
import type { EventRow } from '../../read-models/event/events.query.js';
import type { ChangeKind } from '../../read-models/read-model.js';
import type { RetrievalRow } from '../../read-models/retrieval/retrievals.read-model.js';
import type { LinkRow } from '../../read-models/site/links.read-model.js';
import type { ApiContext } from '../api-context.js';
import { eventQuery } from '../event/event-filter.js';
import type { Followed } from './subscription-sources.js';

/** Options of a subscription field: type-graphql calls `subscribe` outside of the resolver's instance. */
interface SubscribeData {
  readonly args: Record<string, unknown>;
  readonly context: ApiContext;
}

function since(args: Record<string, unknown>): string | null {
  return (args.since as string | null | undefined) ?? null;
}

function changesOf(kind: ChangeKind) {
  return ({ args, context }: SubscribeData) => context.subscriptions.changes(kind, since(args)) as never;
}

const RESUME = 'With `since`, everything after that cursor first: nothing is lost, nothing comes twice.';

@Resolver()
export class SubscriptionResolver {
  @Subscription(() => AlarmChange, { subscribe: changesOf('alarm'), description: RESUME })
  alarmChanged(
    @Root() change: Followed<AlarmRow>,
    @Arg('since', () => Cursor, { nullable: true }) _since?: string,
  ): AlarmChange {
    return { cursor: change.cursor, alarm: change.state };
  }

  @Subscription(() => EventAppended, {
    subscribe: ({ args, context }: SubscribeData) =>
      context.subscriptions.events(eventQuery(args.filter as EventFilter | undefined), since(args)) as never,
    description: RESUME,
  })
  eventAppended(
    @Root() change: Followed<EventRow>,
    @Arg('since', () => Cursor, { nullable: true }) _since?: string,
    @Arg('filter', () => EventFilter, { nullable: true }) _filter?: EventFilter,
  ): EventAppended {
    return { cursor: change.cursor, event: change.state };
  }

  @Subscription(() => LinkChange, { subscribe: changesOf('link'), description: RESUME })
  async linkChanged(
    @Root() change: Followed<LinkRow>,
    @Ctx() { load }: ApiContext,
    @Arg('since', () => Cursor, { nullable: true }) _since?: string,
  ): Promise<LinkChange> {
    const { siteId, parentId } = change.state;
    const site = await load.site.load(siteId);
    return {
      cursor: change.cursor,
      site: site ?? { id: siteId, name: siteId, parentId, enrolledAtMs: null },
    };
  }

  @Subscription(() => RetrievalChange, { subscribe: changesOf('retrieval'), description: RESUME })
  retrievalChanged(
    @Root() change: Followed<RetrievalRow>,
    @Arg('since', () => Cursor, { nullable: true }) _since?: string,
  ): RetrievalChange {
    return { cursor: change.cursor, retrieval: change.state };
  }
}
