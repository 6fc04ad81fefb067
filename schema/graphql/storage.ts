import { Field, Float, ID, ObjectType } from 'type-graphql';
import { DateTime } from './scalars.js';

@ObjectType({ description: 'The live database of a storage, or one of its archives.' })
export class StorageStage {
  @Field(() => String, {
    nullable: true,
    description: 'A folder, or the address of a bucket. Null: the media directory.',
  })
  path!: string | null;
  @Field(() => Boolean)
  objectStore!: boolean;
  @Field(() => Boolean, { description: 'Of what moves in, only key frames are kept.' })
  keyFramesOnly!: boolean;
  @Field(() => Float, { nullable: true, description: 'Age since recording at which recordings leave.' })
  retentionDays!: number | null;
  @Field(() => Float, { nullable: true, description: 'Null: no limit but the disk.' })
  byteLengthMax!: number | null;
  @Field(() => Float, { nullable: true, description: 'Null: not told yet.' })
  usageBytes!: number | null;
  @Field(() => Float, { nullable: true, description: 'Of the volume. Null: unknown, as in an object store.' })
  freeBytes!: number | null;
  @Field(() => Float, { nullable: true, description: 'Of the usage, what evidence locks keep.' })
  lockedBytes!: number | null;
  @Field(() => DateTime, {
    ...{ name: 'fullAt', nullable: true },
    description: 'When it is full at the pace of its last day. Null: never, or it cannot be known.',
  })
  fullAtMs!: number | null;
  @Field(() => DateTime, { name: 'oldest', nullable: true })
  oldestMs!: number | null;
  @Field(() => String, { nullable: true, description: 'Null: it can be read and written.' })
  unavailableBecause!: string | null;
}

@ObjectType({
  description: 'Where recordings of some devices are kept: a live database, then archives from near to far.',
})
export class Storage {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
  @Field(() => Boolean, { name: 'default', description: 'Of devices that are assigned to no other.' })
  isDefault!: boolean;
  @Field(() => Boolean)
  encrypted!: boolean;
  @Field(() => DateTime, { name: 'measuredAt', nullable: true })
  measuredAtMs!: number | null;
  /** Key of its server. */
  recordingServerId!: string;
  configured!: string | null;
  measured!: string | null;
}
