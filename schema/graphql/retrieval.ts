import { Field, Float, ID, InputType, ObjectType } from 'type-graphql';
import { RetrievalStateEnum, RetrievalTriggerEnum, type ValueOf } from './enumerations.js';
import { connectionOf } from './page.js';
import { Cursor, DateTime } from './scalars.js';

@ObjectType()
export class Retrieval {
  @Field(() => ID)
  id!: string;
  @Field(() => DateTime, { name: 'from' })
  fromMs!: number;
  @Field(() => DateTime, { name: 'to' })
  toMs!: number;
  @Field(() => RetrievalTriggerEnum)
  trigger!: ValueOf<typeof RetrievalTriggerEnum>;
  @Field(() => RetrievalStateEnum)
  state!: ValueOf<typeof RetrievalStateEnum>;
  @Field(() => Float)
  transferredBytes!: number;
  @Field(() => Float, { nullable: true })
  totalBytes!: number | null;
  @Field(() => DateTime, { name: 'requestedAt' })
  requestedAtMs!: number;
  @Field(() => String)
  requestedBy!: string;
  @Field(() => DateTime, { name: 'endedAt', nullable: true })
  endedAtMs!: number | null;
  @Field(() => String, { nullable: true, description: 'Why it is interrupted or has failed, in words.' })
  detail!: string | null;
  /** Keys of `site` and `device`. */
  siteId!: string;
  deviceId!: string;
}

export const RetrievalConnection = connectionOf('Retrieval', Retrieval);

@InputType()
export class RetrievalFilter {
  @Field(() => ID, { nullable: true })
  siteId?: string | null;
  @Field(() => ID, { nullable: true })
  deviceId?: string | null;
  @Field(() => [RetrievalStateEnum], { nullable: true })
  states?: ValueOf<typeof RetrievalStateEnum>[] | null;
}

@ObjectType()
export class RetrievalChange {
  @Field(() => Cursor)
  cursor!: string;
  @Field(() => Retrieval)
  retrieval!: Retrieval;
}
