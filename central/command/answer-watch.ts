import { setTimeout as delay } from 'node:timers/promises';
import { decodeEventData, decodeRecordedEvent, type RecordedEvent, type Sha256 } from '@holdfast/core';
import type { ReplicaIntake } from '@holdfast/interconnect';
import { type CommandEvent, type CommandId, EventDecodeError, type SiteId } from '@holdfast/schema';

import type { Sql } from '../postgres/sql.js';
import type { Wakeup } from '../read-models/wakeup.js';

/** A person waits for the answer; commits that come together are looked at together. */
const LOOK_MS_MIN = 10;
const LOOK_MS = 1_000;

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

  /** For answers that other processes take in: sees them in the feed, until the signal is aborted. */
  async follow(
    options: {
      readonly sql: Sql;
      readonly feedGrown: Wakeup;
      readonly sha256: Sha256;
      readonly onFailure: (error: unknown) => void;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { sql, feedGrown, sha256, onFailure } = options;
    let after: number | null = null;
    while (!signal.aborted) {
      const seen = feedGrown.count;
      try {
        const [head] = await sql<{ seq: number }[]>`select seq from feed_head`;
        // Who waits began to wait before its command was issued, and so before the answer was taken in.
        if (after !== null && this.#waiting.size > 0) {
          const rows = await sql<{ header: Buffer; data: Buffer }[]>`
            select header, data from replica_event
            where seq > ${after} and seq <= ${head!.seq} and type in ${sql([...answerTypes])} order by seq`;
          for (const { header, data } of rows) this.#settle(decodeRecordedEvent(header, data, sha256));
        }
        after = head!.seq;
      } catch (error) {
        onFailure(error);
      }
      await delay(LOOK_MS_MIN, undefined, { signal }).catch(() => undefined);
      await feedGrown.after(seen, LOOK_MS, signal);
    }
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
