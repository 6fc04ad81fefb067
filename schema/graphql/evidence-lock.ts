import { Field, Float, ID, InputType, ObjectType } from 'type-graphql';
import { EvidenceLockOutcomeEnum, EvidenceLockStateEnum, type ValueOf } from './enumerations.js';
import { connectionOf } from './page.js';
import { DateTime } from './scalars.js';

@ObjectType()
export class EvidenceLock {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  headline!: string;
  @Field(() => String)
  description!: string;
  @Field(() => DateTime, { name: 'from' })
  fromMs!: number;
  @Field(() => DateTime, { name: 'to' })
  toMs!: number;
  @Field(() => DateTime, { name: 'expiresAt', nullable: true, description: 'Null: until released.' })
  expiresAtMs!: number | null;
  @Field(() => DateTime, { name: 'createdAt' })
  createdAtMs!: number;
  @Field(() => String)
  createdBy!: string;
  @Field(() => DateTime, { name: 'releasedAt', nullable: true })
  releasedAtMs!: number | null;
  @Field(() => String, { nullable: true })
  releasedReason!: string | null;
  /** Keys of `site` and `devices`. */
  siteId!: string;
  deviceIds!: readonly string[];
}

@ObjectType()
export class MissingSpan {
  @Field(() => DateTime, { name: 'from' })
  fromMs!: number;
  @Field(() => DateTime, { name: 'to' })
  toMs!: number;
}

@ObjectType({ description: 'What a lock holds of one device.' })
export class EvidenceLockDevice {
  @Field(() => EvidenceLockOutcomeEnum)
  outcome!: ValueOf<typeof EvidenceLockOutcomeEnum>;
  @Field(() => Float, {
    nullable: true,
    description: 'Bytes that cannot be deleted because of the lock. Null while pending.',
  })
  byteLength!: number | null;
  @Field(() => DateTime, {
    name: 'judgedTo',
    nullable: true,
    description: 'What of the span is later than this was not over when the recording server looked.',
  })
  judgedToMs!: number | null;
  @Field(() => [MissingSpan], {
    description: 'What was not recorded, or gone before the lock: the first 20 spans.',
  })
  missing!: readonly MissingSpan[];
  /** Key of `device`. */
  deviceId!: string;
}

export const EvidenceLockConnection = connectionOf('EvidenceLock', EvidenceLock);

@InputType()
export class EvidenceLockFilter {
  @Field(() => ID, { nullable: true })
  siteId?: string | null;
  @Field(() => ID, { nullable: true })
  deviceId?: string | null;
  @Field(() => [EvidenceLockStateEnum], { nullable: true })
  states?: ValueOf<typeof EvidenceLockStateEnum>[] | null;
  @Field(() => String, { nullable: true })
  text?: string | null;
}
