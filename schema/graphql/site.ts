import { Field, Float, ID, Int, ObjectType } from 'type-graphql';
import { LinkStateEnum, type ValueOf } from './enumerations.js';
import { connectionOf } from './page.js';
import { Cursor, DateTime } from './scalars.js';

@ObjectType()
export class Link {
  @Field(() => LinkStateEnum)
  state!: ValueOf<typeof LinkStateEnum>;
  @Field(() => DateTime, { name: 'since' })
  sinceMs!: number;
  @Field(() => Int, {
    description: 'How far its log is known here: everything that is told of it shows at least so much.',
  })
  lastPosition!: number;
  @Field(() => Int, {
    nullable: true,
    description:
      'How far its log reaches, as the child last said. Null while that is not known, as in the first moments of a session.',
  })
  headPosition!: number | null;
  @Field(() => Float, { nullable: true })
  roundTripMs!: number | null;
  @Field(() => Float, { nullable: true })
  clockOffsetMs!: number | null;
  @Field(() => Boolean, {
    nullable: true,
    description:
      "The demonstration's emulated link has been cut on purpose. Null where there is no emulated link.",
  })
  cut!: boolean | null;
}

@ObjectType('SiteLog', {
  description: 'How far the log of a site has arrived here, and the root of its Merkle tree (RFC 6962).',
})
export class SiteLogHead {
  @Field(() => Int)
  epoch!: number;
  @Field(() => Int)
  size!: number;
  @Field(() => String, { description: 'Hexadecimal.' })
  root!: string;
  @Field(() => DateTime, { name: 'verifiedAt', nullable: true })
  verifiedAtMs!: number | null;
}

@ObjectType()
export class Site {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
  /** Key of `parent`. */
  parentId!: string | null;
  /** A link that was never up is down since then. */
  enrolledAtMs!: number | null;
}

export const SiteConnection = connectionOf('Site', Site);

@ObjectType()
export class LinkChange {
  @Field(() => Cursor)
  cursor!: string;
  @Field(() => Site)
  site!: Site;
}
