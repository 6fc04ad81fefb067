import { Field, ID, InputType, ObjectType } from 'type-graphql';
import {
  CameraTransportEnum,
  DeviceTypeEnum,
  DriverEnum,
  HardwareConnectionStateEnum,
  type ValueOf,
} from './enumerations.js';
import { connectionOf } from './page.js';
import { DateTime } from './scalars.js';

@ObjectType()
export class Hardware {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
  @Field(() => String)
  address!: string;
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
      'rtsp://host[:port]/path, or http://host[:port]/path for the drivers ONVIF (its device service) and MJPEG; without user name and password.',
  })
  address!: string;
  @Field(() => CameraTransportEnum, { nullable: true, description: 'AUTO when left out.' })
  transport?: ValueOf<typeof CameraTransportEnum> | null;
  @Field(() => String, { nullable: true })
  userName?: string | null;
  @Field(() => String, { nullable: true })
  password?: string | null;
}
