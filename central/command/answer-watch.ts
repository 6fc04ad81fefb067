import { decodeEventData, type RecordedEvent } from '@holdfast/core';
import type { ReplicaIntake } from '@holdfast/interconnect';
import { type CommandEvent, type CommandId, EventDecodeError, type SiteId } from '@holdfast/schema';

export type CommandAnswer = Exclude<CommandEvent, { type: 'CommandIssued' }>;

const answerTypes: ReadonlySet<string> = new Set<CommandAnswer['type']>([
  'CommandApplied',
  'CommandRejected',
  'CommandExpired',
]);

/** Sees the children's answers to commands as soon as they are durable here, before any read model does. */
export class AnswerWatch {
  readonly #waiting = new Map<
    CommandId,
    { readonly siteId: SiteId; readonly settle: (answer: CommandAnswer) => void }
  >();

  /** The same intake, watched. */
  watch(intake: ReplicaIntake): ReplicaIntake {
    return {
      openSession: site => intake.openSession(site),
      commit: async batch => {
        const outcome = await intake.commit(batch);
        if (outcome === 'COMMITTED' && this.#waiting.size > 0) {
          for (const event of batch.events) {
            if (answerTypes.has(event.type)) this.#settle(event);
          }
        }
        return outcome;
      },
    };
  }

  /** The answer of that site alone; null when none came in time. Call it before the command is issued. */
  answerTo(commandId: CommandId, siteId: SiteId, timeoutMs: number): Promise<CommandAnswer | null> {
    return new Promise(resolve => {
      const settle = (answer: CommandAnswer | null) => {
        clearTimeout(timer);
        this.#waiting.delete(commandId);
        resolve(answer);
      };
      const timer = setTimeout(settle, timeoutMs, null);
      this.#waiting.set(commandId, { siteId, settle });
    });
  }

  /** What is committed is committed: an answer that nobody can read must not look like a failed commit. */
  #settle(event: RecordedEvent): void {
    let answer: CommandAnswer;
    try {
      answer = decodeEventData(event) as CommandAnswer;
    } catch (error) {
      if (error instanceof EventDecodeError) return;
      throw error;
    }
    const waiting = this.#waiting.get(answer.data.commandId);
    if (waiting?.siteId === event.site) waiting.settle(answer);
  }
}
