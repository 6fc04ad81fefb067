import { decodeEventData } from '@holdfast/core';
import type { ReplicaIntake } from '@holdfast/interconnect';
import type { CommandEvent, CommandId } from '@holdfast/schema';

export type CommandAnswer = Exclude<CommandEvent, { type: 'CommandIssued' }>;

const answerTypes: ReadonlySet<string> = new Set<CommandAnswer['type']>([
  'CommandApplied',
  'CommandRejected',
  'CommandExpired',
]);

/** Sees the children's answers to commands as soon as they are durable here, before any read model does. */
export class AnswerWatch {
  readonly #waiting = new Map<CommandId, (answer: CommandAnswer) => void>();

  /** The same intake, watched. */
  watch(intake: ReplicaIntake): ReplicaIntake {
    return {
      openSession: site => intake.openSession(site),
      commit: async batch => {
        const outcome = await intake.commit(batch);
        if (outcome === 'COMMITTED' && this.#waiting.size > 0) {
          for (const event of batch.events) {
            if (answerTypes.has(event.type)) this.#settle(decodeEventData(event) as CommandAnswer);
          }
        }
        return outcome;
      },
    };
  }

  /** Null when no answer came in time. Call it before the command is issued. */
  answerTo(commandId: CommandId, timeoutMs: number): Promise<CommandAnswer | null> {
    return new Promise(resolve => {
      const settle = (answer: CommandAnswer | null) => {
        clearTimeout(timer);
        this.#waiting.delete(commandId);
        resolve(answer);
      };
      const timer = setTimeout(settle, timeoutMs, null);
      this.#waiting.set(commandId, settle);
    });
  }

  #settle(answer: CommandAnswer): void {
    this.#waiting.get(answer.data.commandId)?.(answer);
  }
}
