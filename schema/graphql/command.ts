import { Field, ID, ObjectType } from 'type-graphql';
import { Alarm } from './alarm.js';
import { CommandStateEnum, type ValueOf } from './enumerations.js';
import { EvidenceLock } from './evidence-lock.js';
import { Device, Hardware } from './hardware.js';

@ObjectType({
  description:
    'What became of a request. PENDING: the site has not answered yet (its link may be down); the request keeps its place.',
})
export class Command {
  @Field(() => ID)
  id!: string;
  @Field(() => CommandStateEnum)
  state!: ValueOf<typeof CommandStateEnum>;
  @Field(() => String, { nullable: true })
  code!: string | null;
  @Field(() => String, { nullable: true })
  message!: string | null;
}

@ObjectType()
export class HardwarePayload {
  @Field(() => Command)
  command!: Command;
  @Field(() => Hardware, { nullable: true })
  hardware!: Hardware | null;
}

@ObjectType({ description: 'The camera has done it.' })
export class CameraPayload {
  @Field(() => Device, { nullable: true })
  device!: Device | null;
}

@ObjectType()
export class DevicePayload {
  @Field(() => Command)
  command!: Command;
  @Field(() => Device, { nullable: true })
  device!: Device | null;
}

@ObjectType()
export class AlarmPayload {
  @Field(() => Command)
  command!: Command;
  @Field(() => Alarm, { nullable: true })
  alarm!: Alarm | null;
}

@ObjectType()
export class EvidenceLockPayload {
  @Field(() => Command)
  command!: Command;
  @Field(() => EvidenceLock, { nullable: true })
  evidenceLock!: EvidenceLock | null;
}
