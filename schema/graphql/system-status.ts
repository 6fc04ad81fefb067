import { Field, Int, ObjectType } from 'type-graphql';
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
}

@ObjectType()
export class User {
  @Field(() => String)
  name!: string;
  @Field(() => Boolean)
  administrator!: boolean;
}
