import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { connectionOf } from './page.js';
import { DateTime } from './scalars.js';

@ObjectType()
export class AuditEntry {
  @Field(() => ID)
  id!: string;
  @Field(() => DateTime, { name: 'at' })
  atMs!: number;
  @Field(() => String)
  actor!: string;
  @Field(() => String)
  action!: string;
  @Field(() => Boolean)
  granted!: boolean;
  @Field(() => String)
  subject!: string;
  /** Key of `site`, and the position in the feed. */
  siteId!: string;
  seq!: number;
}

export const AuditEntryConnection = connectionOf('AuditEntry', AuditEntry);

@InputType()
export class AuditFilter {
  @Field(() => ID, { nullable: true })
  siteId?: string | null;
  @Field(() => String, { nullable: true, description: 'As in `actor`, e.g. `user:admin`.' })
  actor?: string | null;
  @Field(() => DateTime, { nullable: true })
  from?: number | null;
  @Field(() => DateTime, { nullable: true })
  to?: number | null;
}
