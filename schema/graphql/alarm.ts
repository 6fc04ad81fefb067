import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { AlarmStateEnum, type ValueOf } from './enumerations.js';
import { connectionOf } from './page.js';
import { Cursor, DateTime } from './scalars.js';

@ObjectType()
export class AlarmHistoryEntry {
  @Field(() => DateTime, { name: 'at' })
  atMs!: number;
  @Field(() => String)
  actor!: string;
  @Field(() => String)
  text!: string;
}

@ObjectType()
export class Alarm {
  @Field(() => ID)
  id!: string;
  @Field(() => Int, { description: 'The short number by which people call the alarm at its site.' })
  localNumber!: number;
  @Field(() => String)
  name!: string;
  @Field(() => String)
  message!: string;
  @Field(() => Int, { description: '1 high, 2 medium, 3 low.' })
  priority!: number;
  @Field(() => AlarmStateEnum)
  state!: ValueOf<typeof AlarmStateEnum>;
  @Field(() => String, { nullable: true })
  assignedTo!: string | null;
  @Field(() => String)
  sourceName!: string;
  @Field(() => DateTime, { name: 'raisedAt' })
  raisedAtMs!: number;
  @Field(() => DateTime, { name: 'closedAt', nullable: true })
  closedAtMs!: number | null;
  @Field(() => String, { nullable: true })
  closedReason!: string | null;
  @Field(() => ID, {
    nullable: true,
    description:
      'The newest event of the alarm: `expectedLastId` of who decides on what is shown. Null while that is not known yet, after an upgrade.',
  })
  lastEventId!: string | null;
  /** Keys of `site` and `source`. */
  siteId!: string;
  sourceDeviceId!: string | null;
}

export const AlarmConnection = connectionOf('Alarm', Alarm);

@InputType()
export class AlarmFilter {
  @Field(() => ID, { nullable: true })
  siteId?: string | null;
  @Field(() => [AlarmStateEnum], { nullable: true })
  states?: ValueOf<typeof AlarmStateEnum>[] | null;
  @Field(() => ID, { nullable: true })
  deviceId?: string | null;
  @Field(() => Int, { nullable: true })
  priority?: number | null;
  @Field(() => String, { nullable: true })
  text?: string | null;
  @Field(() => DateTime, { nullable: true, description: 'Raised at this time or later.' })
  from?: number | null;
  @Field(() => DateTime, { nullable: true, description: 'Raised before this time.' })
  to?: number | null;
}

@ObjectType()
export class AlarmChange {
  @Field(() => Cursor)
  cursor!: string;
  @Field(() => Alarm)
  alarm!: Alarm;
}
