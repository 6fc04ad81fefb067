import { Field, ID, InputType, ObjectType } from 'type-graphql';
import { Command } from './command.js';
import { connectionOf } from './page.js';
import { DateTime } from './scalars.js';

@ObjectType({
  description: 'A moment of a device that somebody wants to find again, and the span around it.',
})
export class Bookmark {
  @Field(() => ID)
  id!: string;
  @Field(() => DateTime, { name: 'at' })
  atMs!: number;
  @Field(() => DateTime, { name: 'from' })
  fromMs!: number;
  @Field(() => DateTime, { name: 'to' })
  toMs!: number;
  @Field(() => String)
  reference!: string;
  @Field(() => String)
  header!: string;
  @Field(() => String)
  description!: string;
  @Field(() => DateTime, { name: 'createdAt' })
  createdAtMs!: number;
  @Field(() => String)
  createdBy!: string;
  /** Keys of `site` and `device`. */
  siteId!: string;
  deviceId!: string;
}

export const BookmarkConnection = connectionOf('Bookmark', Bookmark);

@InputType()
export class BookmarkFilter {
  @Field(() => ID, { nullable: true })
  siteId?: string | null;
  @Field(() => ID, { nullable: true })
  deviceId?: string | null;
  @Field(() => DateTime, { nullable: true, description: 'Those whose span touches from … to.' })
  from?: number | null;
  @Field(() => DateTime, { nullable: true })
  to?: number | null;
  @Field(() => String, { nullable: true, description: 'In header or reference.' })
  text?: string | null;
}

@ObjectType()
export class BookmarkPayload {
  @Field(() => Command)
  command!: Command;
  @Field(() => Bookmark, { nullable: true })
  bookmark!: Bookmark | null;
}
