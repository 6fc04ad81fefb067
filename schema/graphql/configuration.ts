import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { ConfigurationChangeEnum, ConfiguredKindEnum, DeviceTypeEnum, type ValueOf } from './enumerations.js';
import { LogEvent } from './event.js';
import { DateTime } from './scalars.js';

@InputType('LogPlaceInput', {
  description: 'A place in the log of a site: everything up to and with that event.',
})
export class LogPlaceInput {
  @Field(() => Int)
  epoch!: number;
  @Field(() => Int)
  position!: number;
}

@ObjectType()
export class ConfiguredChildSite {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
}

@ObjectType()
export class ConfiguredRecordingServer {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
  @Field(() => Float, { nullable: true, description: 'Null when the log did not tell of it yet.' })
  retentionDays!: number | null;
  @Field(() => Float, { nullable: true, description: 'Null: no limit but the disk.' })
  byteLengthMax!: number | null;
}

@ObjectType()
export class ConfiguredDevice {
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
}

@ObjectType()
export class ConfiguredHardware {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
  @Field(() => String)
  address!: string;
  @Field(() => ID)
  recordingServerId!: string;
  @Field(() => [ConfiguredDevice])
  devices!: readonly ConfiguredDevice[];
}

@ObjectType({ description: 'What a site was set up to be, folded from its log as of a time or a place.' })
export class Configuration {
  /** Key of `site`. */
  siteId!: string;
  @Field(() => String, { description: 'What the site was called then.' })
  name!: string;
  @Field(() => Int, { description: 'Of the last event that made it what it is; 0 when there was none yet.' })
  epoch!: number;
  @Field(() => Int)
  position!: number;
  @Field(() => DateTime, {
    name: 'unchangedSince',
    nullable: true,
    description: 'When that event was recorded.',
  })
  unchangedSinceMs!: number | null;
  @Field(() => DateTime, {
    name: 'knownUntil',
    nullable: true,
    description: "How far the site's log has arrived here: of what came later nothing is known.",
  })
  knownUntilMs!: number | null;
  @Field(() => Int, {
    description:
      'Streams with events that this software cannot read: what they are about is shown as before.',
  })
  unreadableStreamCount!: number;
  @Field(() => [ConfiguredChildSite])
  children!: readonly ConfiguredChildSite[];
  @Field(() => [ConfiguredRecordingServer])
  recordingServers!: readonly ConfiguredRecordingServer[];
  @Field(() => [ConfiguredHardware])
  hardware!: readonly ConfiguredHardware[];
}

@ObjectType()
export class ConfigurationChange {
  @Field(() => ConfigurationChangeEnum)
  change!: ValueOf<typeof ConfigurationChangeEnum>;
  @Field(() => ConfiguredKindEnum)
  kind!: ValueOf<typeof ConfiguredKindEnum>;
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
  @Field(() => String, { nullable: true, description: 'Of what was altered.' })
  setting!: string | null;
  @Field(() => String, { nullable: true })
  before!: string | null;
  @Field(() => String, { nullable: true })
  after!: string | null;
  @Field(() => LogEvent, { description: 'The last event that brought it about, with its actor.' })
  event!: LogEvent;
}

@ObjectType({ description: 'What was added, removed or altered between two times.' })
export class ConfigurationDiff {
  @Field(() => DateTime, {
    name: 'knownUntil',
    nullable: true,
    description: "How far the site's log has arrived here: of what came later nothing is known.",
  })
  knownUntilMs!: number | null;
  @Field(() => [ConfigurationChange])
  changes!: readonly ConfigurationChange[];
}
