import { setTimeout as delay } from 'node:timers/promises';
import { type AppendOutcome, backOffMs, newEvent, type SiteLog, type StreamAppend } from '@holdfast/core';
import { EventDecodeError, type EventId, type HoldfastEvent } from '@holdfast/schema';
import type { Logger } from 'pino';
import { untilAborted } from '../../until-aborted.js';
import type { LastTold, MediaDatabase, OutgoingFact } from '../media-database/media-database.js';

/** Facts in one append: far below the 512 of the log. */
const batchFactsMax = 100;
/** A log that takes nothing for weeks: beyond it sealed segments wait in the index, and other facts are let go of loudly. */
const factsMax = 20_000;
/** Facts that the disk does not take wait in memory: while it is away, hardware and recordings of a hundred cameras tell little. */
const unkeptMax = 1_000;
const retry = { firstMs: 200, mostMs: 30_000 };

export interface FactOutboxOptions {
  readonly database: Pick<MediaDatabase, 'putFact' | 'facts' | 'factCount' | 'removeFacts'>;
  readonly log: SiteLog;
  readonly actor: string;
  readonly now: () => number;
  readonly random: () => number;
  readonly newId: () => EventId;
  readonly logger: Logger;
}

/**
 * Facts on their way to the site's log. They are durable when `put` returns and arrive once, also over crashes: the log
 * knows their ids. Recording never waits for the log.
 */
export class FactOutbox {
  readonly #options: FactOutboxOptions;
  /** The disk took none of them: they go to the log from here, which may lie on another disk. */
  readonly #unkept: OutgoingFact[] = [];
  /** Of the facts on the disk, those that the log has and the disk did not let go of. */
  readonly #sent = new Set<EventId>();
  #lastTold: LastTold | null = null;
  #sending: Promise<void> | null = null;
  #failures = 0;

  constructor(options: FactOutboxOptions) {
    this.#options = options;
  }

  get isFull(): boolean {
    try {
      return this.#options.database.factCount() >= factsMax;
    } catch {
      // A disk that cannot say takes none either: they wait in memory.
      return false;
    }
  }

  fact(stream: string, event: HoldfastEvent): OutgoingFact {
    const { now, newId } = this.#options;
    return {
      eventId: newId(),
      stream,
      type: event.type,
      occurredAtMs: now(),
      data: JSON.stringify(event.data),
    };
  }

  /** Throws when neither the disk nor memory takes it. */
  put(stream: string, event: HoldfastEvent): void {
    if (this.isFull) {
      this.#options.logger.error({ type: event.type, stream }, 'a fact is lost: the log takes none');
      return;
    }
    const fact = this.fact(stream, event);
    try {
      // Behind facts that wait in memory, so that the order stays.
      if (this.#unkept.length === 0) {
        this.#options.database.putFact(fact);
        return;
      }
    } catch (error) {
      this.#options.logger.warn({ err: error, type: event.type }, 'a fact waits in memory');
    }
    if (this.#unkept.length >= unkeptMax) throw new Error('the disk takes no facts, and memory no more');
    this.#unkept.push(fact);
  }

  /** Sends what there is; one call at a time does the work. Throws what the log throws. */
  send(): Promise<void> {
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = null;
    });
    return this.#sending;
  }

  /** What the log does not have yet, in order. */
  unsent(): readonly HoldfastEvent[] {
    const kept = this.#options.database.facts(factsMax).filter(({ eventId }) => !this.#sent.has(eventId));
    return [...kept, ...this.#unkept].map(
      ({ type, data }) => ({ type, data: JSON.parse(data) }) as HoldfastEvent,
    );
  }

  /** Sends everything, trying again until the signal is aborted: a log that is away keeps nobody from ending. */
  async drain(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        await untilAborted(this.send(), signal);
        this.#failures = 0;
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#failures += 1;
        this.#options.logger.warn({ err: error, failures: this.#failures }, 'the log takes no facts');
        const waitMs = backOffMs(retry, this.#failures - 1, this.#options.random());
        await delay(waitMs, undefined, { signal }).catch(() => undefined);
        if (signal.aborted) return;
      }
    }
  }

  async #sendAll(): Promise<void> {
    const { database } = this.#options;
    for (;;) {
      const kept = database.facts(batchFactsMax + this.#sent.size);
      if (kept.length === 0) {
        this.#sent.clear();
        break;
      }
      const facts = kept.filter(({ eventId }) => !this.#sent.has(eventId)).slice(0, batchFactsMax);
      if (facts.length > 0) await this.#appendAll(facts);
      for (const { eventId } of facts) this.#sent.add(eventId);
      if (!this.#forgetSent() && facts.length === 0) break;
    }
    while (this.#unkept.length > 0) {
      const facts = this.#unkept.slice(0, batchFactsMax);
      await this.#appendAll(facts);
      this.#unkept.splice(0, facts.length);
    }
  }

  /** False: the disk takes no writes, so that they stay there until it does. */
  #forgetSent(): boolean {
    try {
      this.#options.database.removeFacts([...this.#sent], this.#lastTold);
    } catch (error) {
      this.#options.logger.warn({ err: error }, 'facts that were told cannot be removed yet');
      return false;
    }
    this.#sent.clear();
    return true;
  }

  async #appendAll(facts: readonly OutgoingFact[]): Promise<void> {
    // After a crash part of a batch may be in the log already: then one by one, each is answered for itself.
    if (!(await this.#append(facts))) for (const fact of facts) await this.#appendAlone(fact);
  }

  async #append(facts: readonly OutgoingFact[]): Promise<boolean> {
    const appends = facts.flatMap(fact => this.#appendOf(fact));
    if (appends.length === 0) return true;
    return (await this.#tell(merged(appends))).appended;
  }

  async #tell(appends: readonly StreamAppend[]): Promise<AppendOutcome> {
    const outcome = await this.#options.log.append(appends);
    const last = appends.at(-1)?.events.at(-1);
    if (outcome.appended && last !== undefined) {
      this.#lastTold = { epoch: outcome.epoch, position: outcome.lastPosition, eventId: last.id };
    }
    return outcome;
  }

  async #appendAlone(fact: OutgoingFact): Promise<void> {
    const append = this.#appendOf(fact);
    if (append.length === 0) return;
    const outcome = await this.#tell(append);
    if (!outcome.appended) {
      this.#options.logger.error({ fact, refusal: outcome.refusal }, 'the log refuses a fact');
    }
  }

  #appendOf(fact: OutgoingFact): StreamAppend[] {
    const { actor, logger } = this.#options;
    try {
      const event = { type: fact.type, data: JSON.parse(fact.data) } as HoldfastEvent;
      const events = [
        newEvent(event, {
          id: fact.eventId,
          actor,
          occurredAtMs: fact.occurredAtMs,
          clockQuality: 'UNKNOWN',
        }),
      ];
      return [{ stream: fact.stream, expected: 'any', events }];
    } catch (error) {
      if (!(error instanceof EventDecodeError)) throw error;
      logger.error({ err: error, fact }, 'a fact does not fit its schema');
      return [];
    }
  }
}

/** One entry for each stream, in the order of the facts within it. */
function merged(appends: readonly StreamAppend[]): StreamAppend[] {
  const byStream = new Map<string, StreamAppend>();
  for (const append of appends) {
    const earlier = byStream.get(append.stream);
    byStream.set(
      append.stream,
      earlier ? { ...earlier, events: [...earlier.events, ...append.events] } : append,
    );
  }
  return [...byStream.values()];
}
