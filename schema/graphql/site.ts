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

@ObjectType({ description: 'The end of a log that a site has signed, or that a witness has cosigned.' })
export class LogCheckpoint {
  @Field(() => Int)
  epoch!: number;
  @Field(() => Int)
  size!: number;
  @Field(() => DateTime, { name: 'at', description: 'When it was accepted, or received, by the clock here.' })
  atMs!: number;
}

@ObjectType({ description: 'A stretch of a log that nothing is added to any more, or the one that grows.' })
export class LogEpoch {
  @Field(() => Int)
  epoch!: number;
  @Field(() => DateTime, { name: 'openedAt', description: 'By the clock of the site.' })
  openedAtMs!: number;
  @Field(() => String, {
    description: 'Why it was opened: of every epoch but the first, how the log was reset.',
  })
  reason!: string;
  @Field(() => Int, {
    nullable: true,
    description: 'How many events the epoch before has. Null in the first.',
  })
  previousSize!: number | null;
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
  /** Key of the fields below. */
  siteId!: string;
  @Field(() => LogCheckpoint, {
    nullable: true,
    description:
      'The newest that the site has signed of what is held here, with the time since when nothing newer has come. No signature that is held here covers what lies behind it.',
  })
  checkpoint?: LogCheckpoint | null;
  @Field(() => LogCheckpoint, {
    nullable: true,
    description:
      'The newest that the parent of this central has cosigned of its own log. Null for other sites: they keep theirs.',
  })
  receipt?: LogCheckpoint | null;
  @Field(() => [LogEpoch], { description: 'Newest first, as far as they are known here; at most 20.' })
  epochs?: readonly LogEpoch[];
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
