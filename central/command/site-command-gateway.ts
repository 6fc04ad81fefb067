import { newEvent, type PersonalTexts, type SiteLog, sealCommand } from '@holdfast/core';
import { CommandId, EventId, type SiteCommand, type SiteId } from '@holdfast/schema';
import type { ManagementServer } from '@holdfast/sites';
import type { CommandGateway, CommandOutcome } from '../api/api-ports.js';
import type { AnswerWatch, CommandAnswer } from './answer-watch.js';

/** How long a caller waits for a site's answer; a site that is up answers within a round trip and an append. */
const ANSWER_WAIT_MS = 5000;

export interface SiteCommandGatewayOptions {
  readonly ownSite: SiteId;
  readonly log: SiteLog;
  readonly management: ManagementServer;
  readonly answers: AnswerWatch;
  /** Seals what people wrote before it enters a log, also that of a child. */
  readonly personal: PersonalTexts;
  readonly isUp: (siteId: SiteId) => boolean;
  readonly now: () => number;
  /** A new UUIDv7. */
  readonly newId: () => string;
}

/**
 * Brings a command to the site that decides it: to the own management server, or, as a wish in the own log, to a child. A
 * wish keeps its place while the link is down.
 */
export function createSiteCommandGateway(options: SiteCommandGatewayOptions): CommandGateway {
  return {
    send: (siteId, asked, { actor }) => {
      const command = sealCommand(asked, options.personal);
      return siteId === options.ownSite
        ? decideHere(options, command, actor)
        : wish(options, siteId, command, actor);
    },
  };
}

async function decideHere(
  { management, newId }: SiteCommandGatewayOptions,
  command: SiteCommand,
  actor: string,
): Promise<CommandOutcome> {
  const commandId = CommandId.parse(newId());
  const outcome = await management.execute(command, { actor, causationId: EventId.parse(commandId) });
  if (outcome.accepted) return { commandId, state: 'APPLIED' };
  return { commandId, state: 'REJECTED', code: outcome.code, message: outcome.message };
}

async function wish(
  options: SiteCommandGatewayOptions,
  targetSiteId: SiteId,
  command: SiteCommand,
  actor: string,
): Promise<CommandOutcome> {
  const { log, answers, management, now, newId } = options;
  const commandId = CommandId.parse(newId());
  if (!management.state.site.children.has(targetSiteId)) {
    return {
      commandId,
      state: 'REJECTED',
      code: 'SITE_NOT_FOUND',
      message: `no site ${targetSiteId} reports here`,
    };
  }
  const answer = answers.answerTo(commandId, targetSiteId, options.isUp(targetSiteId) ? ANSWER_WAIT_MS : 0);
  const issued = newEvent(
    { type: 'CommandIssued', data: { commandId, targetSiteId, command, notAfterMs: null } },
    { id: EventId.parse(commandId), actor, occurredAtMs: now(), clockQuality: 'UNKNOWN' },
  );
  await log.append([{ stream: `wishes-${targetSiteId}`, expected: 'any', events: [issued] }]);
  return outcomeOf(commandId, await answer);
}

function outcomeOf(commandId: CommandId, answer: CommandAnswer | null): CommandOutcome {
  switch (answer?.type) {
    case undefined:
      return { commandId, state: 'PENDING' };
    case 'CommandApplied':
      return { commandId, state: 'APPLIED' };
    case 'CommandExpired':
      return { commandId, state: 'EXPIRED' };
    case 'CommandRejected':
      return { commandId, state: 'REJECTED', code: answer.data.code, message: answer.data.message };
  }
}
