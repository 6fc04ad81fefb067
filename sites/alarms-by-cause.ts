import { derivedId } from '@holdfast/core';
import type { AlarmId, SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { sha256 } from './log/sha256.js';
import type { ManagementServer } from './management-server/management-server.js';

/** Something that a person must look at. */
export interface CausedAlarm {
  /** The same for the same trouble: it is raised once, also when it is met again after a restart. What can be over and come again names when it began. */
  readonly cause: string;
  readonly name: string;
  readonly message: string;
  /** 1 (high) to 3 (low). Left out: 1. */
  readonly priority?: 1 | 2 | 3;
  /**
   * Of a trouble that is met again as long as it lasts. `UNLESS_OPEN`: the last alarm of this cause stands for it, unless somebody
   * has closed that. `ANEW`: it was over in between, and is an alarm anew whatever became of the last one. Left out: once for ever.
   */
  readonly recurs?: 'UNLESS_OPEN' | 'ANEW';
}

/** Each resolves when it was tried: to whether the log has it. Where it has not, it is for the caller to say so again. */
export interface AlarmsByCause {
  /** An open one of this cause that is less urgent becomes as urgent, with the message as a comment. */
  readonly raise: (alarm: CausedAlarm) => Promise<boolean>;
  /** The trouble is over: closes the alarm of a recurring cause, if one is open. */
  readonly end: (over: EndedTrouble) => Promise<boolean>;
}

export interface EndedTrouble {
  readonly cause: string;
  readonly reason: string;
}

/** Of one cause; more often than anybody closes an alarm without putting right what it says. */
const RECURRENCES_MAX = 100;
const MESSAGE_LENGTH_MAX = 1000;

/** Raises alarms of a site itself, each unless the same was raised before, and closes those whose trouble is over. */
export function alarmsByCause(
  site: { readonly management: Pick<ManagementServer, 'alarm' | 'execute'>; readonly siteId: SiteId },
  logger: Logger,
): AlarmsByCause {
  const raiser = new CausedAlarms(site, logger);
  /** Of recurring troubles: they may be met faster than it is known whether an alarm of them is open. */
  const turns = new Map<string, { readonly what: 'raise' | 'end'; readonly done: Promise<boolean> }>();
  const failed = (error: unknown, cause: string) => {
    logger.error({ err: error, cause }, 'an alarm could not be raised or closed');
    return false;
  };
  const inTurn = (cause: string, what: 'raise' | 'end', work: () => Promise<boolean>) => {
    const last = turns.get(cause);
    if (last?.what === what) return last.done;
    const done = (last?.done ?? Promise.resolve(true)).then(work).catch(error => failed(error, cause));
    turns.set(cause, { what, done });
    void done.then(() => {
      if (turns.get(cause)?.done === done) turns.delete(cause);
    });
    return done;
  };
  return {
    raise: alarm => {
      const { cause, recurs } = alarm;
      if (recurs !== undefined) return inTurn(cause, 'raise', () => raiser.raiseAgain(alarm));
      return raiser.raiseOnce(alarm).catch(error => failed(error, cause));
    },
    end: ({ cause, reason }) => inTurn(cause, 'end', () => raiser.end(cause, reason)),
  };
}

class CausedAlarms {
  readonly #management: Pick<ManagementServer, 'alarm' | 'execute'>;
  readonly #siteId: SiteId;
  readonly #logger: Logger;

  constructor(site: Parameters<typeof alarmsByCause>[0], logger: Logger) {
    this.#management = site.management;
    this.#siteId = site.siteId;
    this.#logger = logger;
  }

  raiseOnce(alarm: CausedAlarm): Promise<boolean> {
    return this.#raise(alarm, this.#idOf(alarm.cause, 1));
  }

  async raiseAgain(alarm: CausedAlarm): Promise<boolean> {
    const { count, newest } = await this.#newestOf(alarm.cause);
    if (newest === null || newest.state === 'CLOSED' || alarm.recurs === 'ANEW') {
      return count >= RECURRENCES_MAX || this.#raise(alarm, this.#idOf(alarm.cause, count + 1));
    }
    const { priority = 1, message } = alarm;
    if (newest.priority <= priority) return true;
    const { alarmId } = newest;
    return this.#execute({ kind: 'HandleAlarm', alarmId, priority, comment: cut(message) });
  }

  async end(cause: string, reason: string): Promise<boolean> {
    const { newest } = await this.#newestOf(cause);
    if (newest === null || newest.state === 'CLOSED') return true;
    const { alarmId } = newest;
    return this.#execute({ kind: 'HandleAlarm', alarmId, state: 'CLOSED', reason: cut(reason) });
  }

  async #newestOf(cause: string) {
    let newest: Awaited<ReturnType<ManagementServer['alarm']>> = null;
    for (let count = 0; ; count += 1) {
      const known =
        count < RECURRENCES_MAX ? await this.#management.alarm(this.#idOf(cause, count + 1)) : null;
      if (known === null) return { count, newest };
      newest = known;
    }
  }

  #raise({ name, message, priority = 1 }: CausedAlarm, alarmId: AlarmId): Promise<boolean> {
    return this.#execute({
      ...{ kind: 'RaiseAlarm', alarmId, name, message: cut(message), priority, sourceDeviceId: null },
    });
  }

  async #execute(command: Parameters<ManagementServer['execute']>[0]): Promise<boolean> {
    const outcome = await this.#management.execute(command, { actor: `site:${this.#siteId}` });
    if (outcome.accepted || outcome.code === 'ALARM_EXISTS') return true;
    this.#logger.error({ outcome, command }, 'an alarm could not be raised or closed');
    return false;
  }

  #idOf(cause: string, count: number): AlarmId {
    return derivedId(`${this.#siteId} ${cause}${count === 1 ? '' : ` (${count})`}`, sha256);
  }
}

function cut(text: string): string {
  return text.slice(0, MESSAGE_LENGTH_MAX);
}
