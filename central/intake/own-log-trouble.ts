import type { CausedAlarm } from '@holdfast/sites';
import type { Logger } from 'pino';
import { OwnLogTruncatedError } from './own-log-intake.js';

export interface OwnLogTroubleOptions {
  /** Why the two could not be made one history again, as an alarm of its own says; null: they are. */
  readonly unrepaired: string | null;
  readonly raiseAlarm: (alarm: CausedAlarm) => void;
  readonly logger: Logger;
  /** For all else, which ends by itself. */
  readonly onRetry: (error: unknown) => void;
}

/** What keeps a central's own log from its database, for who operates it: that the database is away is another matter. */
export class OwnLogTrouble {
  readonly #options: OwnLogTroubleOptions;
  #because: string | null;

  constructor(options: OwnLogTroubleOptions) {
    this.#options = options;
    this.#because = options.unrepaired;
  }

  /** Null: nothing that somebody must put right. */
  get because(): string | null {
    return this.#because;
  }

  /** The intake met it, and tries again. */
  met(error: unknown): void {
    const { raiseAlarm, logger, onRetry } = this.#options;
    if (!(error instanceof OwnLogTruncatedError)) {
      onRetry(error);
      return;
    }
    const { message } = error;
    if (this.#because === message) return;
    this.#because = message;
    logger.error({ code: error.code }, message);
    raiseAlarm({ cause: message, name: 'The database lacks a part of the own log', message });
  }
}
