import { User } from '@holdfast/schema/graphql';
import { Ctx, Query, Resolver } from 'type-graphql';
import type { ApiContext } from '../api-context.js';

@Resolver(() => User)
export class UserResolver {
  @Query(() => User)
  me(@Ctx() { user }: ApiContext): User {
    return user!;
  }
}
