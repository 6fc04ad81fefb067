import { Field, Float, Int, ObjectType } from 'type-graphql';
import { ProjectionStateEnum } from './enumerations.js';
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
  @Field(() => Float, { nullable: true, description: 'While it is built anew: how far, from 0 to 1.' })
  buildProgress!: number | null;
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
