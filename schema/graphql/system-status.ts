import { Field, Float, Int, ObjectType } from 'type-graphql';
import { ProjectionStateEnum, QuarantineStatusEnum, type ValueOf } from './enumerations.js';
import { connectionOf } from './page.js';
import { DateTime } from './scalars.js';

@ObjectType()
export class ServerStatus {
  @Field(() => String)
  name!: string;
  @Field(() => String)
  state!: string;
  @Field(() => String, { nullable: true })
  detail!: string | null;
}

@ObjectType({ description: 'What a check found that is served otherwise than the log folds into.' })
export class ProjectionDifference {
  @Field(() => String)
  description!: string;
  @Field(() => DateTime, { name: 'foundAt' })
  foundAtMs!: number;
  /** Key of `site`; null when the projection is checked as a whole. */
  siteId!: string | null;
}

@ObjectType({ description: 'What a projection shows of the log, and what it does not.' })
export class ProjectionStatus {
  @Field(() => String)
  name!: string;
  @Field(() => Int, { description: 'Of the fold that filled what is served; 0 while nothing is.' })
  version!: number;
  @Field(() => ProjectionStateEnum)
  state!: string;
  @Field(() => String, {
    nullable: true,
    description: 'Why it is halted, or why its last build was given up.',
  })
  detail!: string | null;
  @Field(() => Int, { description: 'Events that it does not show yet.' })
  lag!: number;
  @Field(() => Int, {
    description: 'Events that are put aside: they could not be folded, or wait behind such.',
  })
  quarantinedCount!: number;
  @Field(() => DateTime, {
    name: 'checkedAt',
    nullable: true,
    description: 'When something of it was last folded again from the log and compared.',
  })
  checkedAtMs!: number | null;
  @Field(() => Int, {
    description: 'Parts of it that were found to be something else than the log folds into.',
  })
  differenceCount!: number;
  @Field(() => [ProjectionDifference])
  differences!: readonly ProjectionDifference[];
  @Field(() => Float, { nullable: true, description: 'While it is built anew: how far, from 0 to 1.' })
  buildProgress!: number | null;
}

@ObjectType({ description: 'An event that a projection does not show, and why.' })
export class QuarantinedEvent {
  @Field(() => String)
  projection!: string;
  @Field(() => String)
  stream!: string;
  @Field(() => QuarantineStatusEnum, {
    description:
      'POISON: could not be folded. UNTIL_UPGRADE: newer software wrote it. WAITING: comes after such a one in its stream.',
  })
  status!: ValueOf<typeof QuarantineStatusEnum>;
  @Field(() => String)
  reason!: string;
  @Field(() => DateTime, { name: 'at', description: 'When it was put aside, or tried again in vain.' })
  atMs!: number;
  @Field(() => Int, { description: 'How often it was tried.' })
  attempts!: number;
  /** Key of `site`, and the feed position of `event`. */
  site!: string;
  seq!: number;
}

export const QuarantinedEventConnection = connectionOf('QuarantinedEvent', QuarantinedEvent);

@ObjectType()
export class QuarantineRelease {
  @Field(() => Int, { description: 'Events that could be folded now.' })
  foldedCount!: number;
  @Field(() => Int, { description: 'Events that stay put aside.' })
  leftCount!: number;
  @Field(() => ProjectionStatus)
  projection!: ProjectionStatus;
}

@ObjectType()
export class SystemStatus {
  @Field(() => DateTime, { name: 'at' })
  atMs!: number;
  @Field(() => String)
  version!: string;
  @Field(() => [ServerStatus])
  servers!: readonly ServerStatus[];
  @Field(() => Int, { description: 'Events that are taken in and not yet folded into what queries answer.' })
  projectionLag!: number;
  @Field(() => [ProjectionStatus])
  projections!: readonly ProjectionStatus[];
}

@ObjectType()
export class User {
  @Field(() => String)
  name!: string;
  @Field(() => Boolean)
  administrator!: boolean;
}
