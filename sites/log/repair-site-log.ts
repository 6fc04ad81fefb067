import type { PulledHistory } from '@holdfast/core';
import type { Logger } from 'pino';
import type { SiteConfiguration } from '../configuration/site-configuration.js';
import { pulledHistoryFileOf } from '../site-directory.js';
import { loadSiteKeys } from '../site-keys.js';
import type { DurableSiteLog } from './durable-site-log.js';
import { openSiteLog } from './open-site-log.js';
import { keepPulledHistory } from './pulled-history-file.js';

/** Which log. */
export interface LogOfSite {
  readonly configuration: Pick<SiteConfiguration, 'site'> & Partial<Pick<SiteConfiguration, 'log'>>;
  readonly dataDirectory: string;
  readonly logger: Logger;
}

/** One life of all that works on a log. */
export interface LogLife {
  /** Aborted when it has to end: for good, or because lost history was pulled back. */
  readonly signal: AbortSignal;
  /** Whether it ends only to begin again. */
  readonly isReset: () => boolean;
  /** Why the log could not be repaired: it is not tried again before the process is started anew. */
  readonly unrepairedBecause: string | null;
  /** For `reportToParent`. */
  readonly onLostHistory?: (history: PulledHistory) => Promise<void>;
}

/**
 * Runs what works on a log until the signal is aborted. When its parent holds history that the log has lost, all of it is ended, the
 * log repaired, and everything opened again.
 */
export async function runOverResets(
  of: LogOfSite,
  run: (life: LogLife) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  let unrepairedBecause: string | null = null;
  for (;;) {
    const reset = new AbortController();
    let lost: (PulledHistory & AsyncDisposable) | null = null;
    const onLostHistory = async (history: PulledHistory) => {
      lost = await keepPulledHistory(history, pulledHistoryFileOf(of.dataDirectory));
      reset.abort();
    };
    await run({
      signal: AbortSignal.any([signal, reset.signal]),
      isReset: () => reset.signal.aborted && !signal.aborted,
      unrepairedBecause,
      ...(unrepairedBecause === null ? { onLostHistory } : {}),
    });
    // Assigned in a callback, which the compiler does not follow.
    await using kept = lost as (PulledHistory & AsyncDisposable) | null;
    if (kept === null || signal.aborted) return;
    unrepairedBecause = await repairSiteLog(of, kept);
  }
}

/** With nobody at work on the log: puts back what it has lost, and begins its next epoch. Null, or why that cannot be. */
async function repairSiteLog(of: LogOfSite, history: PulledHistory): Promise<string | null> {
  const { logger } = of;
  const outcome = await (await openLogOf(of)).reopenAs(history);
  await using _reopened = outcome.log;
  if (outcome.reopened) {
    const { epoch } = outcome.log.head();
    logger.warn({ epoch, common: history.common, reason: history.reason }, 'the log has its history back');
    return null;
  }
  const { code, detail } = outcome.refusal;
  logger.error({ code, detail }, 'the log cannot be repaired with what the parent holds');
  return `${code}: ${detail}`;
}

export function openLogOf({ configuration, dataDirectory, logger }: LogOfSite): Promise<DurableSiteLog> {
  const { logKey: signingKey } = loadSiteKeys(dataDirectory);
  return openSiteLog({ configuration, dataDirectory, site: configuration.site.id, signingKey, logger });
}
