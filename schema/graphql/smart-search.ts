import { Field, ObjectType } from 'type-graphql';
import { DateTime } from './scalars.js';

@ObjectType()
export class SmartSearch {
  @Field(() => [DateTime], {
    description: 'When enough of the region moved, of what is recorded; in order of time.',
  })
  moments!: readonly number[];
  @Field(() => Boolean, { description: 'False: there are more behind the last one; ask again from there.' })
  complete!: boolean;
}
