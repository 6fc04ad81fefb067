import { rm } from 'node:fs/promises';
import type { PulledHistory } from '@holdfast/core';
import type { LostHistorySink } from '@holdfast/interconnect';
import type { Logger } from 'pino';
import type { SiteConfiguration } from '../configuration/site-configuration.js';
import { pulledHistoryFileOf } from '../site-directory.js';
import { loadSiteKeys } from '../site-keys.js';
import type { DurableSiteLog } from './durable-site-log.js';
import { LogRepairs } from './log-repairs.js';
import { openSiteLog } from './open-site-log.js';
import { HistoryNotKeptError, keepPulledHistory } from './pulled-history-file.js';

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
  /** Ends it for another one to begin: what is repaired as a life begins, and could not be, is tried again. */
  readonly beginAgain: () => void;
  /** What a parent gives back is taken through it. */
  readonly repairs: LostHistorySink & Pick<LogRepairs, 'tellFailures'>;
}

/**
 * Runs what works on a log until the signal is aborted. When its parent holds history that the log has lost, all of it is ended, the
 * log repaired, and everything opened again: also when the repair failed, for a site records whatever comes of it.
 */
export async function runOverResets(
  of: LogOfSite,
  run: (life: LogLife) => Promise<void>,
  signal: AbortSignal,
  /** Other than the real one for tests only. */
  monotonicMs = () => performance.now(),
): Promise<void> {
  const file = pulledHistoryFileOf(of.dataDirectory);
  // A kill can leave one.
  await rm(file, { force: true });
  const repairs = new LogRepairs(monotonicMs);
  for (;;) {
    const reset = new AbortController();
    let lost: (PulledHistory & AsyncDisposable) | null = null;
    const take = async (history: PulledHistory) => {
      const kept = await keptHistory(history, file, repairs);
      // Of a session that had ended meanwhile.
      if (reset.signal.aborted) return kept[Symbol.asyncDispose]();
      lost = kept;
      reset.abort();
    };
    await run({
      signal: AbortSignal.any([signal, reset.signal]),
      isReset: () => reset.signal.aborted && !signal.aborted,
      beginAgain: () => reset.abort(),
      repairs: {
        ...{ take, isWanted: () => repairs.isDue() },
        tellFailures: (to, running) => repairs.tellFailures(to, running),
      },
    });
    // Assigned in a callback, which the compiler does not follow.
    await using kept = lost as (PulledHistory & AsyncDisposable) | null;
    if (signal.aborted || !reset.signal.aborted) return;
    if (kept !== null) await repairSiteLog(of, kept, repairs);
  }
}

async function keptHistory(history: PulledHistory, file: string, repairs: LogRepairs) {
  try {
    return await keepPulledHistory(history, file);
  } catch (error) {
    if (error instanceof HistoryNotKeptError) repairs.failed(error);
    throw error;
  }
}

/** With nobody at work on the log: puts back what it has lost, and begins its next epoch. */
async function repairSiteLog(of: LogOfSite, history: PulledHistory, repairs: LogRepairs): Promise<void> {
  const { logger } = of;
  let outcome: Awaited<ReturnType<DurableSiteLog['reopenAs']>>;
  try {
    outcome = await (await openLogOf(of)).reopenAs(history);
  } catch (error) {
    // The log is as it was. Should it not open, whoever opens it next says so.
    logger.error({ err: error }, 'the log could not be repaired; trying again later');
    repairs.failed(error);
    return;
  }
  await using log = outcome.log;
  if (outcome.reopened) {
    const { epoch } = log.head();
    logger.warn({ epoch, common: history.common, reason: history.reason }, 'the log has its history back');
    repairs.succeeded();
    return;
  }
  const { code, detail } = outcome.refusal;
  logger.error({ code, detail }, 'the log cannot be repaired with what the parent holds');
  repairs.refused(`${code}: ${detail}`);
}

export function openLogOf({ configuration, dataDirectory, logger }: LogOfSite): Promise<DurableSiteLog> {
  const { logKey: signingKey } = loadSiteKeys(dataDirectory);
  return openSiteLog({ configuration, dataDirectory, site: configuration.site.id, signingKey, logger });
}
