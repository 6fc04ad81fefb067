import { CommandId } from '@holdfast/schema';
import { Command } from '@holdfast/schema/graphql';
import { Arg, ID, Query, Resolver } from 'type-graphql';
import type { Sql } from '../../postgres/sql.js';
import { parseIdOrNull } from '../arguments.js';

@Resolver(() => Command)
export class CommandResolver {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  @Query(() => Command, {
    nullable: true,
    description:
      'What has become of a request to another site, by the id in the answer to it. Null: none is known, or not yet.',
  })
  async command(@Arg('id', () => ID) id: string): Promise<Command | null> {
    const commandId = parseIdOrNull(CommandId, id);
    if (commandId === null) return null;
    const [row] = await this.#sql<Command[]>`
      select id, state, code, message from command where id = ${commandId}`;
    return row ?? null;
  }
}
