import type { SiteCommand, SiteId } from '@holdfast/schema';
import type { Command } from '@holdfast/schema/graphql';
import type { Freshness } from '../read-models/freshness.js';
import { type ApiContext, actorOf } from './api-context.js';
import { ApiError } from './api-error.js';
import type { ApiPorts } from './api-ports.js';

/** Sends commands for mutations, and tells what became of them. */
export class CommandSender {
  readonly #ports: Pick<ApiPorts, 'commands' | 'personal'>;
  readonly #freshness: Freshness;

  constructor(ports: Pick<ApiPorts, 'commands' | 'personal'>, freshness: Freshness) {
    this.#ports = ports;
    this.#freshness = freshness;
  }

  /**
   * Resolves when the command was applied and the read models show it, or when no answer came in time (`PENDING`).
   * Throws `ApiError` with the site's own code when it refused.
   */
  async send(siteId: SiteId, command: SiteCommand, context: ApiContext): Promise<Command> {
    const outcome = await this.#ports.commands.send(siteId, command, {
      actor: actorOf(context, this.#ports.personal),
    });
    // Also a refusal: whoever hears why shall see it. A site that does not report here has answered nothing.
    if (outcome.state !== 'PENDING' && outcome.code !== 'SITE_NOT_FOUND')
      await this.#freshness.untilAnswered(siteId, outcome.commandId);
    switch (outcome.state) {
      case 'REJECTED':
        throw ApiError.ofSite({
          code: outcome.code ?? 'INTERNAL_SERVER_ERROR',
          // It may name who did something.
          message: this.#ports.personal.reveal(outcome.message ?? 'the site refused and did not say why'),
        });
      case 'EXPIRED':
        throw new ApiError({
          code: 'COMMAND_EXPIRED',
          message: outcome.message ?? 'the site received the command after its time',
        });
    }
    return { id: outcome.commandId, state: outcome.state, code: null, message: null };
  }
}
