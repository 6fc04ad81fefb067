import { setTimeout as delay } from 'node:timers/promises';
import { backOffCeilingMs } from '@holdfast/core';
import { pause, processTimers, type Timers } from '@holdfast/interconnect';
import type { Logger } from 'pino';
import { untilAborted } from '../until-aborted.js';

/** A repair pulls a whole history over the link and interrupts recording: what failed is tried again less and less often, and never at once. */
const RETRY = { firstMs: 60_000, mostMs: 3_600_000 };
/** Until an alarm is tried again that the log did not take. */
const ALARM_RETRY_MS = 30_000;

export interface LogRepairAlarm {
  readonly name: string;
  readonly message: string;
}

/** What came of the attempts to repair a log, in one run of the process. */
export class LogRepairs {
  readonly #monotonicMs: () => number;
  readonly #name: string;
  readonly #timers: Timers;
  #failureCount = 0;
  /** Milliseconds of the monotonic clock. */
  #dueMs = Number.NEGATIVE_INFINITY;
  /** Messages by the name of their alarm. */
  readonly #toldBefore = new Map<string, string>();
  readonly #untold = new Map<string, string>();
  #told = Promise.withResolvers<void>();

  /** `name`: of the alarm when the log is not repaired. */
  constructor(
    monotonicMs: () => number,
    name = 'The log differs from what the parent holds of it',
    timers: Timers = processTimers,
  ) {
    this.#monotonicMs = monotonicMs;
    this.#name = name;
    this.#timers = timers;
  }

  /** Whether it is time for one. */
  isDue(): boolean {
    return this.#monotonicMs() >= this.#dueMs;
  }

  succeeded(): void {
    this.#failureCount = 0;
    this.#dueMs = Number.NEGATIVE_INFINITY;
    this.#toldBefore.delete(this.#name);
    this.#untold.delete(this.#name);
  }

  /** For want of room, for example: the log is as it was, and it is tried again. Returns that in words. */
  failed(error: unknown): string {
    this.#dueMs = this.#monotonicMs() + backOffCeilingMs(RETRY, this.#failureCount);
    this.#failureCount += 1;
    const detail = error instanceof Error ? error.message : String(error);
    const message = `NOT_REPAIRED_NOW: ${detail}; it is tried again, at the latest after an hour`;
    this.#tell(this.#name, message);
    return message;
  }

  /** It will be refused again: it is not tried before the process is started anew. */
  refused(because: string): void {
    this.#dueMs = Number.POSITIVE_INFINITY;
    this.#tell(this.#name, because);
  }

  /** The file is damaged: what was done about it, or why nothing was. */
  foundDamage(what: string): void {
    this.#tell('The file of the log was damaged', what);
  }

  #tell(name: string, message: string): void {
    if (message === this.#toldBefore.get(name)) return;
    this.#untold.set(name, message);
    this.#told.resolve();
  }

  /** Resolves when it is time for one, or the signal is aborted. */
  async untilDue(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !this.isDue()) {
      // What was refused is due at no time, and a timer knows none that is so far.
      const waitMs = Math.min(this.#dueMs - this.#monotonicMs(), RETRY.mostMs);
      await pause(this.#timers, Math.ceil(waitMs), signal);
    }
  }

  /** Raises an alarm of each cause, as soon as the log takes it, until the signal is aborted. */
  async tellFailures(
    to: { readonly raiseAlarm: (alarm: LogRepairAlarm) => Promise<void>; readonly logger: Logger },
    signal: AbortSignal,
  ): Promise<void> {
    do {
      this.#told = Promise.withResolvers();
      if (await this.#tellFailure(to)) await untilAborted(this.#told.promise, signal);
      else await delay(ALARM_RETRY_MS, undefined, { signal }).catch(() => undefined);
    } while (!signal.aborted);
  }

  /** True when all is told. */
  async #tellFailure({ raiseAlarm, logger }: Parameters<LogRepairs['tellFailures']>[0]): Promise<boolean> {
    for (const [name, message] of this.#untold) {
      try {
        await raiseAlarm({ name, message });
      } catch (error) {
        logger.error({ err: error, message }, 'the site could not raise its own alarm; trying again');
        return false;
      }
      this.#toldBefore.set(name, message);
      if (this.#untold.get(name) === message) this.#untold.delete(name);
    }
    return true;
  }
}
