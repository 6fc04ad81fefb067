import {
  type AsideEvent,
  asideEvent,
  newEvent,
  notReadable,
  type RetrievalCommand,
  type RetrievalRefusal,
  type RetrievalState,
  readEventData,
  retrievalDecider,
  type SiteLog,
} from '@holdfast/core';
import { EventDecodeError, type EventId, type RetrievalEvent, type RetrievalId } from '@holdfast/schema';
import { advanceRetrieval, beginRetrieval, type RetrievalSnapshot } from './retrieval.machine.js';

/** Somebody else may append to the same stream; after so many losses in a row something is wrong with the log. */
const APPEND_ATTEMPTS_MAX = 5;
const READ_LIMIT = 1000;

export class RetrievalLogError extends Error {
  override readonly name = 'RetrievalLogError';
  readonly code = 'RETRIEVAL_NOT_APPENDED';
}

export interface RetrievalProcessContext {
  readonly log: SiteLog;
  readonly now: () => number;
  readonly newEventId: () => EventId;
}

export type CommandOutcome =
  | { readonly accepted: true }
  | { readonly accepted: false; readonly refusal: RetrievalRefusal };

export function retrievalStream(retrievalId: RetrievalId): string {
  return `retrieval-${retrievalId}`;
}

/** One retrieval as its stream in the log has it, and the only way by which this server changes it. */
export class RetrievalProcess {
  readonly retrievalId: RetrievalId;
  readonly #context: RetrievalProcessContext;
  #state: RetrievalState = retrievalDecider.initialState;
  #snapshot: RetrievalSnapshot | null = null;
  #revision: number | null = null;
  #requestedAtMs = 0;
  #aside: AsideEvent | null = null;
  /** Commands are decided one after the other, each on what the one before has made of the state. */
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(context: RetrievalProcessContext, retrievalId: RetrievalId) {
    this.#context = context;
    this.retrievalId = retrievalId;
  }

  static async load(context: RetrievalProcessContext, retrievalId: RetrievalId): Promise<RetrievalProcess> {
    const process = new RetrievalProcess(context, retrievalId);
    await process.#catchUp();
    return process;
  }

  get state(): RetrievalState {
    return this.#state;
  }

  /** Null before it was requested. */
  get snapshot(): RetrievalSnapshot | null {
    return this.#snapshot;
  }

  /** The first event of the stream that this software cannot read: nothing is decided on the retrieval any more. */
  get aside(): AsideEvent | null {
    return this.#aside;
  }

  get requestedAtMs(): number {
    return this.#requestedAtMs;
  }

  /** All of the commands, in one append, or none. Throws `RetrievalLogError`, or what the log throws. */
  execute(commands: readonly RetrievalCommand[], actor: string): Promise<CommandOutcome> {
    const outcome = this.#tail.then(() => this.#execute(commands, actor));
    this.#tail = outcome.catch(() => undefined);
    return outcome;
  }

  async #execute(commands: readonly RetrievalCommand[], actor: string): Promise<CommandOutcome> {
    for (let attempt = 1; attempt <= APPEND_ATTEMPTS_MAX; attempt += 1) {
      const decided = this.#decide(commands);
      if (!decided.accepted) return decided;
      const { log, newEventId, now } = this.#context;
      const occurredAtMs = now();
      const events = decided.events.map(event =>
        newEvent(event, { id: newEventId(), actor, occurredAtMs, clockQuality: 'NTP' }),
      );
      const stream = retrievalStream(this.retrievalId);
      const outcome = await log.append([{ stream, expected: this.#revision ?? 'none', events }]);
      if (outcome.appended) {
        for (const event of decided.events) this.#apply(event, occurredAtMs);
        return { accepted: true };
      }
      if (outcome.refusal.code !== 'WRONG_REVISION') {
        throw new RetrievalLogError(`${stream}: ${JSON.stringify(outcome.refusal)}`);
      }
      await this.#catchUp();
    }
    throw new RetrievalLogError(`${this.retrievalId}: ${APPEND_ATTEMPTS_MAX} attempts came too late`);
  }

  #decide(
    commands: readonly RetrievalCommand[],
  ):
    | { readonly accepted: true; readonly events: readonly RetrievalEvent[] }
    | { readonly accepted: false; readonly refusal: RetrievalRefusal } {
    if (this.#aside !== null) return { accepted: false, refusal: notReadable(this.#aside) };
    let state = this.#state;
    const events: RetrievalEvent[] = [];
    for (const command of commands) {
      const decision = retrievalDecider.decide(command, state);
      if (!decision.accepted) return decision;
      for (const event of decision.events) {
        events.push(event);
        state = retrievalDecider.evolve(state, event);
      }
    }
    return { accepted: true, events };
  }

  async #catchUp(): Promise<void> {
    for (;;) {
      const events = await this.#context.log.readStream({
        stream: retrievalStream(this.retrievalId),
        afterRevision: this.#revision,
        limit: READ_LIMIT,
        carried: true,
      });
      for (const recorded of events) {
        const event = readEventData(recorded);
        if (event instanceof EventDecodeError) this.#aside ??= asideEvent(recorded, event);
        else if (this.#aside === null) this.#evolve(event as RetrievalEvent, recorded.occurredAtMs);
        this.#revision = recorded.revision;
      }
      if (events.length < READ_LIMIT) return;
    }
  }

  #apply(event: RetrievalEvent, occurredAtMs: number): void {
    this.#revision = (this.#revision ?? -1) + 1;
    this.#evolve(event, occurredAtMs);
  }

  #evolve(event: RetrievalEvent, occurredAtMs: number): void {
    this.#state = retrievalDecider.evolve(this.#state, event);
    if (event.type === 'RetrievalRequested') {
      this.#requestedAtMs = occurredAtMs;
      this.#snapshot ??= beginRetrieval(event.data);
    } else if (this.#snapshot !== null) {
      this.#snapshot = advanceRetrieval(this.#snapshot, event);
    }
  }
}
