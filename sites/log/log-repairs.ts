import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';

/** A repair pulls a whole history over the link and interrupts recording: what failed is tried again less and less often. */
const RETRY_MS_MIN = 60_000;
const RETRY_MS_MAX = 3_600_000;
const LOOK_MS = 1_000;
/** Until an alarm is tried again that the log did not take. */
const ALARM_RETRY_MS = 30_000;

/** What came of the attempts to repair a log, in one run of the process. */
export class LogRepairs {
  readonly #monotonicMs: () => number;
  #failureCount = 0;
  /** Milliseconds of the monotonic clock. */
  #dueMs = Number.NEGATIVE_INFINITY;
  #toldBefore: string | null = null;
  #untold: string | null = null;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Whether it is time for one. */
  isDue(): boolean {
    return this.#monotonicMs() >= this.#dueMs;
  }

  succeeded(): void {
    this.#failureCount = 0;
    this.#dueMs = Number.NEGATIVE_INFINITY;
    this.#toldBefore = null;
    this.#untold = null;
  }

  /** For want of room, for example: the log is as it was, and it is tried again. Returns that in words. */
  failed(error: unknown): string {
    this.#dueMs = this.#monotonicMs() + Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** this.#failureCount);
    this.#failureCount = Math.min(this.#failureCount + 1, 16);
    const detail = error instanceof Error ? error.message : String(error);
    const message = `NOT_REPAIRED_NOW: ${detail}; it is tried again, at the latest after an hour`;
    this.#tell(message);
    return message;
  }

  /** It will be refused again: it is not tried before the process is started anew. */
  refused(because: string): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#tell(because);
  }

  #tell(message: string): void {
    if (message !== this.#toldBefore) this.#untold = message;
  }

  /** Resolves when it is time for one, or the signal is aborted. */
  async untilDue(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.isDue()) {
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Raises an alarm of each cause, as soon as the log takes it, until the signal is aborted. */
  async tellFailures(
    to: { readonly raiseAlarm: (message: string) => Promise<void>; readonly logger: Logger },
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      const waitMs = await this.#tellFailure(to);
      await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #tellFailure({ raiseAlarm, logger }: Parameters<LogRepairs['tellFailures']>[0]): Promise<number> {
    const message = this.#untold;
    if (message === null) return LOOK_MS;
    try {
      await raiseAlarm(message);
    } catch (error) {
      logger.error({ err: error, message }, 'the site could not raise its own alarm; trying again');
      return ALARM_RETRY_MS;
    }
    this.#toldBefore = message;
    if (this.#untold === message) this.#untold = null;
    return LOOK_MS;
  }
}
