import { setTimeout as delay } from 'node:timers/promises';
import { backOffMs, SiteLogClosedError } from '@holdfast/core';
import { describe, isDenial } from './kurrent-connection.js';
import { KurrentLogError } from './kurrent-log-error.js';

/** First and longest pause between tries, with full jitter: a server that restarts is back in seconds. */
const RETRY = { firstMs: 100, mostMs: 5000 };

export interface PatienceOptions {
  /** Aborted when the log is closed. */
  readonly signal: AbortSignal;
  readonly random: () => number;
  /** Told of every try in vain. */
  readonly onTrouble: (detail: string) => void;
  readonly onAnswer?: () => void;
}

/**
 * Asks the server until it answers: a log that is far away is slow at times, never wrong. Throws `KurrentLogError` when
 * asking again cannot help or `patienceMs` are over, and `SiteLogClosedError` when the log is closed meanwhile.
 */
export async function untilAnswered<Answer>(
  stream: string,
  ask: () => Promise<Answer>,
  options: PatienceOptions & { readonly patienceMs: number },
): Promise<Answer> {
  const { signal, random, onTrouble, onAnswer, patienceMs } = options;
  const beganMs = performance.now();
  for (let failures = 0; ; failures += 1) {
    if (signal.aborted) throw new SiteLogClosedError();
    try {
      const answer = await ask();
      onAnswer?.();
      return answer;
    } catch (error) {
      if (error instanceof KurrentLogError) throw error;
      if (isDenial(error)) throw new KurrentLogError('DENIED', stream, describe(error), { cause: error });
      if (signal.aborted) throw new SiteLogClosedError();
      const detail = `no answer: ${describe(error)}`;
      if (performance.now() - beganMs >= patienceMs) {
        throw new KurrentLogError('UNREACHABLE', stream, detail, { cause: error });
      }
      onTrouble(detail);
    }
    const waitMs = backOffMs(RETRY, failures, random());
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
  }
}
