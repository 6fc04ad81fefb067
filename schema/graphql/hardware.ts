import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import {
  CameraTransportEnum,
  DeviceTypeEnum,
  DriverEnum,
  HardwareConnectionStateEnum,
  type ValueOf,
} from './enumerations.js';
import { connectionOf } from './page.js';
import { DateTime } from './scalars.js';

@ObjectType({ description: 'Where a camera can be sent.' })
export class PtzPreset {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
}

@ObjectType({ description: 'Who turns a camera: nobody of the same or a lower priority can meanwhile.' })
export class PtzSession {
  @Field(() => String, { description: 'The user, as actors are named.' })
  heldBy!: string;
  @Field(() => Int)
  priority!: number;
  @Field(() => Boolean, { description: 'For a time, whether anything is asked of it meanwhile or not.' })
  reserved!: boolean;
  @Field(() => DateTime, { name: 'until' })
  untilMs!: number;
  @Field(() => Boolean, { description: 'It is yours.' })
  mine!: boolean;
}

@ObjectType()
export class OfferedStream {
  @Field(() => String)
  name!: string;
  @Field(() => String)
  address!: string;
  @Field(() => String, { description: 'As the camera calls it: H264, H265, JPEG.' })
  encoding!: string;
  @Field(() => Int)
  width!: number;
  @Field(() => Int)
  height!: number;
}

@ObjectType({
  description: 'What a camera says that it is and can, or what is known of that from what it sends.',
})
export class HardwareCapabilities {
  @Field(() => String)
  manufacturer!: string;
  @Field(() => String)
  model!: string;
  @Field(() => String)
  firmwareVersion!: string;
  @Field(() => [OfferedStream], { description: 'Where its driver cannot ask: the one that it sends.' })
  streams!: OfferedStream[];
  @Field(() => Boolean)
  ptz!: boolean;
  @Field(() => [String], { description: 'Its relays, as it calls them.' })
  outputs!: string[];
  @Field(() => Boolean, { description: 'It sends ONVIF metadata beside the pictures.' })
  metadata!: boolean;
  @Field(() => Boolean, { description: 'It can be spoken through.' })
  speaker!: boolean;
  @Field(() => String, {
    nullable: true,
    description: 'Codec of its sound. Null: it sends none, or none is known.',
  })
  audio!: string | null;
}

@ObjectType()
@InputType('DeviceStreamInput')
export class DeviceStream {
  @Field(() => String)
  name!: string;
  @Field(() => String, {
    description:
      'As that of the hardware. For ONVIF: that of its device service, with ?profile=TOKEN behind it.',
  })
  address!: string;
}

@ObjectType()
@InputType('DeviceStreamsInput')
export class DeviceStreams {
  @Field(() => [DeviceStream])
  streams!: DeviceStream[];
  @Field(() => String, { description: 'Name of the one that is recorded.' })
  recorded!: string;
  @Field(() => String, { description: 'Name of the one that a viewer gets who names none.' })
  live!: string;
  @Field(() => String, {
    nullable: true,
    description: 'Name of the one that motion is looked for in. Null: the recorded one.',
  })
  motion!: string | null;
}

@ObjectType()
export class Hardware {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
  @Field(() => String)
  address!: string;
  /** As the log has it: `driver` is made of it. */
  driver!: string | null;
  @Field(() => CameraTransportEnum, {
    nullable: true,
    description: 'Null while the read model is built anew.',
  })
  transport!: ValueOf<typeof CameraTransportEnum> | null;
  /** JSON that `capabilities` is read from. */
  capabilities!: string | null;
  @Field(() => HardwareConnectionStateEnum)
  connection!: ValueOf<typeof HardwareConnectionStateEnum>;
  @Field(() => DateTime, { name: 'connectionSince', nullable: true })
  connectionSinceMs!: number | null;
  @Field(() => String, { nullable: true, description: 'Why the connection was lost, in words.' })
  connectionDetail!: string | null;
  /** Key of `recordingServer`. */
  recordingServerId!: string;
  siteId!: string;
}

@ObjectType()
export class Device {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
  @Field(() => DeviceTypeEnum)
  type!: ValueOf<typeof DeviceTypeEnum>;
  @Field(() => Boolean)
  enabled!: boolean;
  @Field(() => Boolean)
  recordingEnabled!: boolean;
  /** JSON that `recordingPolicy` and `motionDetection` are read from. Null: nobody has set it. */
  recordingPolicy!: string | null;
  motionDetection!: string | null;
  streams!: string | null;
  /** Keys of `site` and `hardware`. */
  siteId!: string;
  hardwareId!: string;
}

export const DeviceConnection = connectionOf('Device', Device);

@InputType()
export class CameraInput {
  @Field(() => String)
  name!: string;
  @Field(() => DriverEnum, { nullable: true, description: 'RTSP when left out.' })
  driver?: ValueOf<typeof DriverEnum> | null;
  @Field(() => String, {
    description:
      'rtsp://host[:port]/path, or http://host[:port]/path for the drivers ONVIF (its device service) and MJPEG, without user name and password; simulated:NAME for SIMULATED.',
  })
  address!: string;
  @Field(() => CameraTransportEnum, { nullable: true, description: 'AUTO when left out.' })
  transport?: ValueOf<typeof CameraTransportEnum> | null;
  @Field(() => String, { nullable: true })
  userName?: string | null;
  @Field(() => String, { nullable: true })
  password?: string | null;
}
