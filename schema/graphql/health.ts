import { Field, Float, ObjectType } from 'type-graphql';
import { DateTime } from './scalars.js';

@ObjectType({
  description: 'What a recording server last said of a device. `since` that is null: it is not so.',
})
export class DeviceHealth {
  @Field(() => Boolean)
  recording!: boolean;
  @Field(() => DateTime, { name: 'recordingChangedAt', nullable: true })
  recordingChangedMs!: number | null;
  @Field(() => String, { nullable: true, description: 'Why recording began, or ended.' })
  recordingCause!: string | null;
  @Field(() => DateTime, { name: 'motionSince', nullable: true })
  motionSinceMs!: number | null;
  @Field(() => DateTime, {
    name: 'overflowSince',
    nullable: true,
    description: 'More comes of it than is written: parts of its recording are missing.',
  })
  overflowSinceMs!: number | null;
  @Field(() => String, { nullable: true, description: 'DISK_SLOW, DISK_UNAVAILABLE or CAMERA_FLOODS.' })
  overflowCause!: string | null;
}

@ObjectType()
export class RecordingServerHealth {
  @Field(() => DateTime, { name: 'diskSlowSince', nullable: true })
  diskSlowSinceMs!: number | null;
  @Field(() => Float, { nullable: true, description: 'How long a write took when the disk became slow.' })
  diskWriteMs!: number | null;
  @Field(() => DateTime, { name: 'overloadedSince', nullable: true })
  overloadedSinceMs!: number | null;
  @Field(() => String, { nullable: true, description: 'WRITE_QUEUE or EVENT_LOOP.' })
  overloadCause!: string | null;
}
