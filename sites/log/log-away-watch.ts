import { setTimeout as delay } from 'node:timers/promises';
import type { LogElsewhere } from '@holdfast/core';
import type { Logger } from 'pino';

/** A server that restarts is back before that. */
const ALARM_AFTER_MS = 30_000;
const LOOK_MS = 1_000;

/**
 * Says loudly that the server that keeps the log is away: in the process's log at once, and with an alarm when it can be
 * recorded again. Until the signal is aborted.
 */
export async function watchLogAway(
  options: {
    readonly log: LogElsewhere;
    readonly raiseAlarm: (alarm: { readonly name: string; readonly message: string }) => Promise<void>;
    readonly now: () => number;
    readonly logger: Logger;
    /** Other than the real ones for tests only. */
    readonly alarmAfterMs?: number;
  },
  signal: AbortSignal,
): Promise<void> {
  const { log, logger, now, raiseAlarm, alarmAfterMs = ALARM_AFTER_MS } = options;
  while (!signal.aborted) {
    const away = log.away();
    if (away === null) {
      await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
      continue;
    }
    logger.error(away, 'the server that keeps the log is away: recording goes on, and facts wait');
    await log.whenThere(signal);
    if (signal.aborted) return;
    const awayMs = now() - away.sinceMs;
    logger.warn({ ...away, awayMs }, 'the server that keeps the log is there again');
    if (awayMs < alarmAfterMs) continue;
    const since = new Date(away.sinceMs).toISOString();
    const message = `From ${since} on, for ${Math.round(awayMs / 1000)} s, the server that keeps this site's log did not take what happened: ${away.reason}. Recording went on; facts of that time have come into the log since then.`;
    await raiseAlarm({ name: 'The log was away', message: message.slice(0, 1000) }).catch(error =>
      logger.error({ err: error }, 'the site could not raise its own alarm'),
    );
  }
}
