import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { connectionOf } from './page.js';
import { Cursor, DateTime } from './scalars.js';

@ObjectType('Event')
export class LogEvent {
  @Field(() => ID)
  id!: string;
  @Field(() => Int)
  epoch!: number;
  @Field(() => Int)
  position!: number;
  @Field(() => String)
  stream!: string;
  @Field(() => Int)
  revision!: number;
  @Field(() => String)
  type!: string;
  @Field(() => Int)
  version!: number;
  @Field(() => DateTime, { name: 'recordedAt' })
  recordedAtMs!: number;
  @Field(() => DateTime, { name: 'occurredAt' })
  occurredAtMs!: number;
  @Field(() => String)
  actor!: string;
  @Field(() => ID, { nullable: true })
  causationId!: string | null;
  @Field(() => ID, {
    nullable: true,
    description:
      'Of an event that the salvage of a damaged log found with no signature behind it: the id of its `LogSalvaged`. Whoever could write the file may have put it there.',
  })
  correlationId!: string | null;
  @Field(() => String, { description: 'JSON.' })
  data!: string;
  /** Key of `site`, and the position in the feed. */
  siteId!: string;
  seq!: number;
}

export const EventConnection = connectionOf('Event', LogEvent);

@InputType()
export class EventFilter {
  @Field(() => ID, { nullable: true })
  siteId?: string | null;
  @Field(() => [String], { nullable: true })
  types?: string[] | null;
  @Field(() => String, { nullable: true })
  stream?: string | null;
  @Field(() => ID, { nullable: true })
  deviceId?: string | null;
  @Field(() => DateTime, { nullable: true, description: 'Recorded at this time or later.' })
  from?: number | null;
  @Field(() => DateTime, { nullable: true, description: 'Recorded before this time.' })
  to?: number | null;
}

@ObjectType()
export class EventAppended {
  @Field(() => Cursor)
  cursor!: string;
  @Field(() => LogEvent)
  event!: LogEvent;
}
