import { Field, ID, ObjectType } from 'type-graphql';
import { connectionOf } from './page.js';

@ObjectType()
export class RecordingServer {
  @Field(() => ID)
  id!: string;
  @Field(() => String)
  name!: string;
  @Field(() => String, { nullable: true })
  haltedBecause!: string | null;
  /** Key of `site`. */
  siteId!: string;
  startedAtMs!: number | null;
}

export const RecordingServerConnection = connectionOf('RecordingServer', RecordingServer);
