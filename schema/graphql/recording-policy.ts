import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { RecordingModeEnum, type ValueOf } from './enumerations.js';

@ObjectType({ description: 'What keeps a device recording.' })
@InputType('RecordingPolicyInput')
export class RecordingPolicySettings {
  @Field(() => RecordingModeEnum)
  mode!: ValueOf<typeof RecordingModeEnum>;
  @Field(() => Int, {
    description:
      'How much from before a trigger is recorded with it: up to 10,000,000. The last 15,000 are held in memory, the rest on the disk.',
  })
  preBufferMs!: number;
  @Field(() => Int, { description: 'How long recording goes on when a trigger has ended.' })
  postMs!: number;
  @Field(() => Boolean)
  keyFramesOnly!: boolean;
  @Field(() => [ID], { description: 'Devices of other hardware that are recorded along with this one.' })
  recordRelated!: string[];
}

@ObjectType()
@InputType('MotionDetectionInput')
export class MotionDetectionSettings {
  @Field(() => Boolean, { description: 'In the mode MOTION pictures are looked at in any case.' })
  enabled!: boolean;
  @Field(() => Int, { description: 'Cells across, and down: 8 to 64.' })
  gridSide!: number;
  @Field(() => Int, { description: '0 to 100: how little a cell may differ to count as moving.' })
  sensitivity!: number;
  @Field(() => Int, { description: 'Motion begins when this many in a thousand of the cells move.' })
  thresholdPermille!: number;
  @Field(() => String, {
    description: 'One character for each cell, row by row: 1 is not looked at. Empty: all are.',
  })
  exclusionMask!: string;
  @Field(() => Int, { description: 'A key frame that comes sooner after the last one is not looked at.' })
  intervalMs!: number;
}
