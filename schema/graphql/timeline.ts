import { Field, ID, ObjectType } from 'type-graphql';
import { SpanStateEnum, type ValueOf } from './enumerations.js';
import { DateTime } from './scalars.js';

@ObjectType()
export class TimelineSpan {
  @Field(() => DateTime, { name: 'from' })
  fromMs!: number;
  @Field(() => DateTime, { name: 'to' })
  toMs!: number;
  @Field(() => SpanStateEnum)
  state!: ValueOf<typeof SpanStateEnum>;
  @Field(() => String, { nullable: true })
  cause!: string | null;
  @Field(() => DateTime, { name: 'retrievableUntil', nullable: true })
  retrievableUntilMs!: number | null;
  @Field({ description: 'It was reduced: of each group of pictures the first is left, and all sound.' })
  keyFramesOnly!: boolean;
}

@ObjectType()
export class DeviceTimeline {
  @Field(() => ID)
  deviceId!: string;
  @Field(() => [TimelineSpan])
  spans!: readonly TimelineSpan[];
}
