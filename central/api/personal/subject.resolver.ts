import { SiteId, Subject } from '@holdfast/schema';
import { Command } from '@holdfast/schema/graphql';
import { Arg, Ctx, ID, Mutation, Resolver } from 'type-graphql';
import type { ApiContext } from '../api-context.js';
import { ApiError } from '../api-error.js';
import type { ApiPorts } from '../api-ports.js';
import { parseOptionalId } from '../arguments.js';
import type { CommandSender } from '../command-sender.js';

@Resolver()
export class SubjectResolver {
  readonly #commands: CommandSender;
  readonly #ports: ApiPorts;

  constructor(commands: CommandSender, ports: ApiPorts) {
    this.#commands = commands;
    this.#ports = ports;
  }

  @Mutation(() => Command, {
    description:
      'Destroys the keys of a user, by name, or of what was written about an alarm or evidence lock (`alarm-<id>`, `evidence-lock-<id>`): nobody can read it any more, and it cannot be undone. At that site, and at all above and below it that hold them; left out, the one that answers.',
  })
  async eraseSubject(
    @Arg('subject', () => String, { nullable: true }) subject: string | undefined,
    @Arg('userName', () => String, { nullable: true }) userName: string | undefined,
    @Arg('siteId', () => ID, { nullable: true }) siteId: string | undefined,
    @Ctx() context: ApiContext,
  ): Promise<Command> {
    const target = parseOptionalId(SiteId, siteId, 'siteId') ?? this.#ports.ownSite;
    return this.#commands.send(
      target,
      { kind: 'EraseSubject', subject: this.#subject(subject, userName) },
      context,
    );
  }

  #subject(subject: string | undefined, userName: string | undefined): Subject {
    if (subject !== undefined && userName === undefined) {
      const parsed = Subject.safeParse(subject);
      if (parsed.success) return parsed.data;
      const expected = 'expected user-<pseudonym>, alarm-<id> or evidence-lock-<id>';
      throw new ApiError({ code: 'BAD_USER_INPUT', message: `subject: ${expected}` });
    }
    if (userName !== undefined && subject === undefined) return this.#ports.personal.subjectOfUser(userName);
    throw new ApiError({ code: 'BAD_USER_INPUT', message: 'give `subject` or `userName`, and not both' });
  }
}
