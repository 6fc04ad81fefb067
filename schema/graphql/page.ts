import { ArgsType, type ClassType, Field, Int, ObjectType } from 'type-graphql';
import { Cursor } from './scalars.js';

@ObjectType()
export class PageInfo {
  @Field(() => Boolean)
  hasNextPage!: boolean;
  @Field(() => Boolean)
  hasPreviousPage!: boolean;
  @Field(() => Cursor, { nullable: true })
  startCursor!: string | null;
  @Field(() => Cursor, { nullable: true })
  endCursor!: string | null;
}

/** `first` (after a cursor) or `last` (before one), 1 to 500; 50 when neither is given. */
@ArgsType()
export class PageArguments {
  @Field(() => Int, { nullable: true })
  first?: number | null;
  @Field(() => Cursor, { nullable: true })
  after?: string | null;
  @Field(() => Int, { nullable: true })
  last?: number | null;
  @Field(() => Cursor, { nullable: true })
  before?: string | null;
}

export interface Edge<Node> {
  cursor: string;
  node: Node;
}

export interface Connection<Node> {
  edges: readonly Edge<Node>[];
  pageInfo: PageInfo;
  /** Counted only when it is asked for. */
  totalCount: number | Promise<number>;
}

/** The Relay connection type of a node type: `<name>Connection` and `<name>Edge`. */
export function connectionOf<Node extends object>(
  name: string,
  node: ClassType<Node>,
): ClassType<Connection<Node>> {
  @ObjectType(`${name}Edge`)
  class NodeEdge implements Edge<Node> {
    @Field(() => Cursor)
    cursor!: string;
    @Field(() => node)
    node!: Node;
  }
  @ObjectType(`${name}Connection`)
  class NodeConnection implements Connection<Node> {
    @Field(() => [NodeEdge])
    edges!: readonly Edge<Node>[];
    @Field(() => PageInfo)
    pageInfo!: PageInfo;
    @Field(() => Int)
    totalCount!: number | Promise<number>;
  }
  return NodeConnection;
}
