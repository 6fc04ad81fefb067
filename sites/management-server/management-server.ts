import { setTimeout as delay } from 'node:timers/promises';
import {
  type Alarm,
  type AsideEvent,
  aggregateStreamOf,
  decideSiteCommand,
  decodeEventData,
  derivedId,
  type ErasedKeysOfSubject,
  type Erasures,
  type ExpectedRevision,
  FoldKeeper,
  type FoldStore,
  type LogFold,
  type NamedFold,
  newEvent,
  notReadable,
  type RecordedEvent,
  type RecordingServerCommand,
  readEventData,
  recordingServerDecider,
  type SiteAdministrationCommand,
  type SiteCommandDecision,
  type SiteLog,
  SiteState,
  StreamAggregate,
  type SubjectKeyRing,
  siteDecider,
  subjectErased,
  unansweredWishes,
} from '@holdfast/core';
import {
  type AlarmId,
  type CommandEvent,
  CommandId,
  EventDecodeError,
  type EventId,
  type HoldfastEvent,
  type RecordingServerId,
  recordingEvents,
  SiteCommand,
  type SiteId,
} from '@holdfast/schema';
import type { Logger } from 'pino';
import { sha256 } from '../log/sha256.js';
import { untilAborted } from '../until-aborted.js';

/** Commands that may wait for their turn; a caller beyond it is refused, because something hangs. */
const COMMANDS_WAITING_MAX = 1000;
/** Another writer may get between deciding and appending; after so many tries something is wrong. */
const DECISION_TRIES_MAX = 5;
const READ_PAGE_EVENTS = 1000;
/** A site of hundreds of cameras writes some hundred facts in that time. */
const READ_ALONG_MS = 30_000;

/** Most of a log, and no configuration. */
const typesLeftOut = recordingEvents.map(({ type }) => type);
const FOLD_NAME = 'management-server';

export interface ManagementServerOptions {
  readonly log: SiteLog;
  readonly siteId: SiteId;
  readonly now: () => number;
  readonly newId: () => EventId;
  readonly logger: Logger;
  /** Where the fold of the log is kept, so that a restart folds only what came after. */
  readonly folds: FoldStore;
  /** The keys of what people wrote, as far as this site holds them. */
  readonly subjectKeys: SubjectKeyRing;
  /** Those that run beside it: hardware is moved to no other. Absent: all that are registered. */
  readonly recordingServersRunning?: ReadonlySet<RecordingServerId>;
}

export interface CommandContext {
  /** `user:<sealed name>`, `site:<id>`, `server:<id>`. */
  readonly actor: string;
  readonly causationId?: EventId | null;
  /**
   * What is said once in the life of a site, whatever becomes of its log: its events have ids of that name, so that a log which had to
   * begin anew does not say it again behind history that it was given back.
   */
  readonly once?: string;
}

export type CommandOutcome =
  | { readonly accepted: true; readonly lastPosition: number }
  | { readonly accepted: false; readonly code: string; readonly message: string };

/**
 * The fold of a management server over the log. Destroys the keys of erased subjects, also those that a kill left between the fact
 * and the deed: it is read again.
 */
export function managementFold(
  { siteId, subjectKeys }: Pick<ManagementServerOptions, 'siteId' | 'subjectKeys'>,
  state: SiteState,
): NamedFold {
  return {
    name: FOLD_NAME,
    without: typesLeftOut,
    fold(recorded) {
      state.read(recorded);
      if (recorded.type !== 'SubjectErased') return;
      const event = readEventData(recorded);
      if (!(event instanceof EventDecodeError) && event.type === 'SubjectErased') {
        subjectKeys.destroy({ ...event.data, by: siteId });
      }
    },
    state: () => state,
  };
}

/**
 * Where commands enter a site, one at a time: its own people's and its parent's. Holds the fold of the site's log,
 * lets the deciders decide, and appends what they say.
 */
export class ManagementServer {
  readonly state: SiteState;
  readonly #options: ManagementServerOptions;
  readonly #keeper: FoldKeeper;
  readonly #fold: LogFold;
  #waiting = 0;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: ManagementServerOptions, keeper: FoldKeeper, state: SiteState) {
    this.#options = options;
    this.#keeper = keeper;
    this.state = state;
    this.#fold = managementFold(options, state);
  }

  /** Folds the log, from the last snapshot of the fold on; ready when this resolves. */
  static async open(options: ManagementServerOptions): Promise<ManagementServer> {
    const keeper = new FoldKeeper({ log: options.log, store: options.folds, name: FOLD_NAME });
    const fields = await keeper.restore<SiteState>();
    const state = fields ? SiteState.restored(fields) : new SiteState();
    const server = new ManagementServer(options, keeper, state);
    // Also those that a file of keys holds again because it was restored from an old copy.
    for (const [subject, { keyIds }] of state.erasures) {
      options.subjectKeys.destroy({ by: options.siteId, subject, keyIds });
    }
    await server.#catchUp();
    const telling = server.#tellWhatIsAside();
    // What is said to a log that is away is written when it is there.
    if (options.log.away?.() == null) await telling;
    return server;
  }

  /** Reads along until the signal is aborted, so that a command never waits for days of facts to be read. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(READ_ALONG_MS, undefined, { signal }).catch(() => undefined);
      const readAlong = this.#inTurn(async () => {}).catch((error: unknown) => {
        if (!signal.aborted) this.#options.logger.error({ err: error }, 'the site log cannot be read');
      });
      // A log that is away may let a command wait for hours.
      await untilAborted(readAlong, signal);
    }
    await this.#keeper.save(this.state);
  }

  execute(command: SiteCommand, context: CommandContext): Promise<CommandOutcome> {
    return this.#inTurn(() => this.#decideAndAppend(() => this.#decideCommand(command), context));
  }

  administer(
    command: SiteAdministrationCommand | RecordingServerCommand,
    context: CommandContext,
  ): Promise<CommandOutcome> {
    return this.#inTurn(() =>
      this.#decideAndAppend(async () => this.#decideAdministration(command), context),
    );
  }

  /** Erasures that others made, or that came before a key that was lost and is back: facts of this log too. `plan` from what it says. */
  recordErasures(
    plan: (erasures: Erasures) => readonly ErasedKeysOfSubject[],
    context: CommandContext,
  ): Promise<void> {
    return this.#inTurn(async () => {
      const appends = plan(this.state.erasures).map(({ subject, keyIds }) => ({
        ...{ stream: `subject-${subject}`, expected: 'any' as const },
        events: subjectErased(subject, keyIds),
      }));
      if (appends.length > 0) await this.#append(appends, context);
    });
  }

  /** As the log has it; null when it was never raised. */
  async alarm(alarmId: AlarmId): Promise<Alarm> {
    return (await readAggregate(this.#options.log, `alarm-${alarmId}`)).state as Alarm;
  }

  /** An alarm that the site raises by itself. */
  async raiseAlarm(alarm: {
    readonly alarmId: AlarmId;
    readonly name: string;
    readonly message: string;
    readonly actor: string;
  }): Promise<void> {
    const { alarmId, name, message, actor } = alarm;
    const outcome = await this.execute(
      { kind: 'RaiseAlarm', alarmId, name, message, priority: 1, sourceDeviceId: null },
      { actor },
    );
    if (!outcome.accepted)
      this.#options.logger.error({ outcome, alarm }, 'the site could not raise its own alarm');
  }

  /** What the site's parent sends down: each wish is answered once, in the order of the parent's log. */
  wishSink(parentSiteId: SiteId) {
    return {
      cursor: async () => this.state.answeredWishes.get(parentSiteId) ?? null,
      accept: (wishes: readonly RecordedEvent[]) =>
        this.#inTurn(async () => {
          const stream = `answers-${parentSiteId}`;
          const last = this.state.answeredWishes.get(parentSiteId) ?? null;
          const unanswered = await unansweredWishes(this.#options.log, { stream, last, wishes });
          for (const wish of unanswered) await this.#answer(wish, parentSiteId);
        }),
    };
  }

  /** On the configuration, which is known, or on the one alarm or evidence lock, whose stream is read for it. */
  async #decideCommand(command: SiteCommand): Promise<DecisionAtRevision> {
    const { now, log, subjectKeys, recordingServersRunning } = this.#options;
    const stream = aggregateStreamOf(command);
    const aggregate = stream === null ? null : await readAggregate(log, stream);
    const subjectKeyIds = command.kind === 'EraseSubject' ? subjectKeys.keyIdsOf(command.subject) : [];
    const facts = {
      ...{ state: this.state, aggregate: aggregate?.state, past: aggregate?.past ?? [], subjectKeyIds },
      nowMs: now(),
      recordingServersRunning: recordingServersRunning ?? null,
    };
    const aside = aggregate?.aside ?? null;
    if (aside !== null) return refusedAside(aside);
    const decided = decideSiteCommand(command, facts);
    // Nothing else writes these streams, and what is already erased has no key to erase.
    if (command.kind === 'EraseSubject') return { ...decided, expected: 'any' };
    return aggregate === null
      ? this.#atRevision(decided)
      : { ...decided, expected: aggregate.revision ?? 'none' };
  }

  #atRevision(decided: SiteCommandDecision): DecisionAtRevision {
    const aside = this.state.aside.get(decided.stream);
    if (aside !== undefined) return refusedAside(aside);
    return { ...decided, expected: this.state.revisions.get(decided.stream) ?? 'none' };
  }

  #decideAdministration(command: SiteAdministrationCommand | RecordingServerCommand): DecisionAtRevision {
    if ('recordingServerId' in command) {
      const server = this.state.recordingServers.get(command.recordingServerId) ?? null;
      return this.#atRevision({
        stream: `recording-server-${command.recordingServerId}`,
        decision: recordingServerDecider.decide(command, server),
      });
    }
    const decision = siteDecider.decide(command, this.state.site);
    return this.#atRevision({ stream: streamOf(command), decision });
  }

  async #answer(wish: RecordedEvent, parentSiteId: SiteId): Promise<void> {
    const context = { actor: wish.actor, causationId: wish.id };
    const issued = readWish(wish);
    const answer = { commandId: issued.commandId, parentSiteId, wishRevision: wish.revision };
    if (!issued.understood) {
      await this.#reject(answer, { code: 'NOT_UNDERSTOOD', message: issued.message }, context);
      return;
    }
    const { command, targetSiteId, notAfterMs } = issued;
    if (notAfterMs !== null && notAfterMs < this.#options.now()) {
      await this.#append([this.#answerAppend({ type: 'CommandExpired', data: answer })], context);
      return;
    }
    const outcome =
      targetSiteId === this.#options.siteId
        ? await this.#decideAndAppend(() => this.#decideCommand(command), context, {
            type: 'CommandApplied',
            data: answer,
          })
        : ({ accepted: false, code: 'WRONG_SITE', message: `this is site ${this.#options.siteId}` } as const);
    if (!outcome.accepted) await this.#reject(answer, outcome, context);
  }

  async #reject(
    answer: WishAnswer,
    { code, message }: { readonly code: string; readonly message: string },
    context: CommandContext,
  ): Promise<void> {
    const rejected = { type: 'CommandRejected', data: { ...answer, code, message } } as const;
    await this.#append([this.#answerAppend(rejected)], context);
  }

  #answerAppend(answer: WishAnswerEvent): PlannedAppend {
    const stream = `answers-${answer.data.parentSiteId}`;
    return { stream, expected: this.state.revisions.get(stream) ?? 'none', events: [answer] };
  }

  async #decideAndAppend(
    decide: () => Promise<DecisionAtRevision>,
    context: CommandContext,
    answer?: WishAnswerEvent,
  ): Promise<CommandOutcome> {
    for (let tries = 1; ; tries += 1) {
      const { stream, expected, decision, before } = await decide();
      if (!decision.accepted) return { accepted: false, ...decision.refusal };
      const appends: PlannedAppend[] = [{ stream, expected, events: decision.events }];
      if (before) {
        appends.unshift({ ...before, expected: this.state.revisions.get(before.stream) ?? 'none' });
      }
      if (answer) appends.push(this.#answerAppend(answer));
      const lastPosition = await this.#append(appends, context);
      if (lastPosition !== null) return { accepted: true, lastPosition };
      if (tries === DECISION_TRIES_MAX) {
        return {
          accepted: false,
          code: 'CONFLICT',
          message: `${stream} keeps being written by others: try again`,
        };
      }
    }
  }

  /** The last position, or null when another writer was first. The fold has caught up in either case. */
  async #append(appends: readonly PlannedAppend[], context: CommandContext): Promise<number | null> {
    const { log, newId, now } = this.#options;
    const outcome = await log.append(
      appends.map(({ stream, expected, events }) => ({
        ...{ stream, expected },
        events: events.map(event =>
          newEvent(event, {
            id: context.once === undefined ? newId() : derivedId(`${event.type} ${context.once}`, sha256),
            actor: context.actor,
            occurredAtMs: now(),
            clockQuality: 'UNKNOWN',
            causationId: context.causationId ?? null,
          }),
        ),
      })),
    );
    await this.#catchUp();
    if (outcome.appended) return outcome.lastPosition;
    if (outcome.refusal.code === 'WRONG_REVISION') return null;
    throw new AppendRefusedError(outcome.refusal.code);
  }

  #catchUp(): Promise<void> {
    return this.#keeper.readOn(this.#fold);
  }

  /** This software is older than what wrote the log, or a part of the log is broken: somebody must know, once. */
  async #tellWhatIsAside(): Promise<void> {
    const { logger, siteId } = this.#options;
    const { asideCount, lastAside } = this.state;
    if (lastAside === null) return;
    const streams = [...this.state.aside.keys()];
    logger.error({ asideCount, lastAside, streams }, 'the log holds events that this software cannot read');
    const { epoch, position, reason } = lastAside;
    const alarmId = derivedId<AlarmId>(`aside ${siteId} ${epoch}/${position}`, sha256);
    const message = `${asideCount} events in the log cannot be read by this software, the last at ${epoch}/${position}: ${reason}. Recording goes on; what they are about takes no commands until the software is upgraded.`;
    const alarm = { kind: 'RaiseAlarm', alarmId, name: 'The log cannot be read in full', message } as const;
    // Refused when it was raised for the same event before.
    await this.execute({ ...alarm, priority: 2, sourceDeviceId: null }, { actor: `site:${siteId}` }).catch(
      (error: unknown) => logger.error({ err: error }, 'the site could not raise its own alarm'),
    );
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#waiting >= COMMANDS_WAITING_MAX) return Promise.reject(new TooManyCommandsError());
    this.#waiting += 1;
    const result = this.#turn.then(async () => {
      await this.#catchUp();
      return task();
    });
    this.#turn = result
      .catch(() => {})
      .finally(() => {
        this.#waiting -= 1;
      });
    return result;
  }
}

interface PlannedAppend {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly events: readonly HoldfastEvent[];
}

interface DecisionAtRevision extends SiteCommandDecision {
  /** Where the stream ended that was decided on. */
  readonly expected: ExpectedRevision;
}

function refusedAside(aside: AsideEvent): DecisionAtRevision {
  return {
    ...{ stream: aside.stream, expected: 'any' },
    decision: { accepted: false, refusal: notReadable(aside) },
  };
}

async function readAggregate(log: SiteLog, stream: string): Promise<StreamAggregate> {
  const aggregate = StreamAggregate.of(stream)!;
  for (;;) {
    const afterRevision = aggregate.revision;
    const page = await log.readStream({ stream, afterRevision, limit: READ_PAGE_EVENTS, carried: true });
    for (const recorded of page) aggregate.read(recorded);
    if (page.length === 0) return aggregate;
  }
}

type WishAnswerEvent = Exclude<CommandEvent, { type: 'CommandIssued' }>;

function streamOf(command: SiteAdministrationCommand): string {
  if (command.kind === 'EnrolChildSite') return `child-site-${command.siteId}`;
  return command.kind === 'PinLogKey' ? `log-key-${command.siteId}` : 'site';
}

type WishAnswer = Extract<CommandEvent, { type: 'CommandApplied' }>['data'];
type CommandIssuedData = Extract<CommandEvent, { type: 'CommandIssued' }>['data'];

/**
 * A wish of a newer parent may ask for what this software does not know, and a broken one for nothing at all: both are
 * answered, so that the wishes behind them get their turn. One without a command's id is answered under its event's id.
 */
function readWish(
  wish: RecordedEvent,
):
  | ({ readonly understood: true } & CommandIssuedData)
  | { readonly understood: false; readonly commandId: CommandId; readonly message: string } {
  try {
    const issued = decodeEventData(wish);
    if (issued.type === 'CommandIssued') return { understood: true, ...issued.data };
    return {
      understood: false,
      commandId: CommandId.parse(wish.id),
      message: `expected CommandIssued, found ${wish.type}`,
    };
  } catch (error) {
    if (!(error instanceof EventDecodeError)) throw error;
    return { understood: false, commandId: commandIdIn(wish), message: error.message.slice(0, 1000) };
  }
}

function commandIdIn(wish: RecordedEvent): CommandId {
  try {
    return CommandId.parse(JSON.parse(new TextDecoder().decode(wish.data)).commandId);
  } catch {
    return CommandId.parse(wish.id);
  }
}

export class TooManyCommandsError extends Error {
  override readonly name = 'TooManyCommandsError';
  readonly code = 'TOO_MANY_COMMANDS';
  constructor() {
    super(`more than ${COMMANDS_WAITING_MAX} commands wait at this site`);
  }
}

export class AppendRefusedError extends Error {
  override readonly name = 'AppendRefusedError';
  readonly code = 'APPEND_REFUSED';
  constructor(refusalCode: string) {
    super(`the site log refused an append: ${refusalCode}`);
  }
}
