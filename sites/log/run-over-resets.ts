import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { backOffCeilingMs, type PulledHistory } from '@holdfast/core';
import type { LostHistorySink } from '@holdfast/interconnect';
import type { Logger } from 'pino';
import type { SiteConfiguration } from '../configuration/site-configuration.js';
import { pulledHistoryFileOf, siteLogFileOf } from '../site-directory.js';
import { loadSiteKeys } from '../site-keys.js';
import type { DurableSiteLog } from './durable-site-log.js';
import { rawPublicKey } from './ed25519-notes.js';
import { type LateSalvage, setAsideLogToTake, takeSetAsideLog } from './late-salvage.js';
import { LogRepairs } from './log-repairs.js';
import { openSiteLog } from './open-site-log.js';
import { HistoryNotKeptError, keepPulledHistory } from './pulled-history-file.js';
import {
  assertSalvageable,
  finishSalvage,
  NotSalvagedError,
  salvageOffThread,
  setAsideSiteLog,
} from './salvage-site-log.js';
import { SiteLogFileError, type SiteLogFileFault } from './site-log-file.js';
import { settleSiteLogFile } from './site-log-opening.js';

/** A log that failed is tried again so often, less and less. Nobody else waits for this disk: without jitter. */
const MEND = { firstMs: 1_000, mostMs: 60_000 };

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
  /** Whether it ends only to begin again. `failure`: why it ends, as `runTogether` tells it. */
  readonly isReset: (failure: unknown) => boolean;
  /** Ends it for another one to begin: what is repaired as a life begins, and could not be, is tried again. */
  readonly beginAgain: () => void;
  /** What a parent gives back is taken through it. */
  readonly repairs: LostHistorySink & Pick<LogRepairs, 'tellFailures'>;
  /** Should the log fail, makes it usable again while recording goes on, and ends this life for the next one. */
  readonly mend: (log: DurableSiteLog, signal: AbortSignal) => Promise<void>;
}

/**
 * Runs what works on a log until the signal is aborted. When its parent holds history that the log has lost, all of it is ended, the
 * log repaired, and everything opened again: also when the repair failed, for a site records whatever comes of it. A file that is
 * damaged is salvaged; for want of room it is set aside, and salvaged later.
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
  await finishSalvage(siteLogFileOf(of.dataDirectory));
  const repairs = new LogRepairs(monotonicMs);
  const pace = { dueMs: Number.NEGATIVE_INFINITY };
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
    try {
      await run({
        signal: AbortSignal.any([signal, reset.signal]),
        isReset: failure => !signal.aborted && (reset.signal.aborted || damageOf(failure, of) !== null),
        beginAgain: () => reset.abort(),
        repairs: {
          ...{ take, isWanted: () => repairs.isDue() },
          tellFailures: (to, running) => repairs.tellFailures(to, running),
        },
        mend: async (log, running) => {
          const late = { ...ownLogOf(of), log, repairs, pace, monotonicMs };
          if (await isMended(of, late, running)) reset.abort();
        },
      });
    } catch (error) {
      if (signal.aborted || !(await isSalvaged(of, error, repairs, { orSetAside: true }))) throw error;
      reset.abort();
    }
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

function ownLogOf({ configuration, dataDirectory, logger }: LogOfSite) {
  const publicKey = rawPublicKey(loadSiteKeys(dataDirectory).logKey);
  return { file: siteLogFileOf(dataDirectory), site: configuration.site.id, publicKey, logger };
}

/** True when the log has failed and can be used again, or another one has come in its place. */
async function isMended(
  of: LogOfSite,
  late: LateSalvage & { readonly repairs: LogRepairs },
  signal: AbortSignal,
): Promise<boolean> {
  const { log, repairs } = late;
  const found = new AbortController();
  const either = async <Found>(search: (signal: AbortSignal) => Promise<Found | null> | undefined) => {
    const one = (await search(AbortSignal.any([signal, found.signal]))) ?? null;
    if (one !== null) found.abort();
    return one;
  };
  const [failure, setAside] = await Promise.all([
    either(watching => log.failure?.(watching)),
    either(watching => setAsideLogToTake(late, watching)),
  ]);
  if (failure !== null) return mendFailed(of, { log, failure }, repairs, signal);
  if (setAside === null || signal.aborted) return false;
  await takeSetAsideLog(late, setAside);
  return true;
}

/** True when the log can be used again. Until then it is tried at a bounded pace. */
async function mendFailed(
  of: LogOfSite,
  { log, failure }: { readonly log: DurableSiteLog; readonly failure: Error },
  repairs: LogRepairs,
  signal: AbortSignal,
): Promise<boolean> {
  const isDamaged = damageOf(failure, of) !== null;
  const takesFacts = log.failedBecause?.() == null;
  of.logger.error({ err: failure }, 'the log has failed: recording goes on');
  for (let triesCount = 0; !signal.aborted; triesCount += 1) {
    // A damaged log that takes facts goes on taking them until it can be salvaged.
    if (!isDamaged || !takesFacts || isSalvageable(of, repairs)) {
      const released = await log.release?.();
      const options = { orSetAside: !takesFacts, note: released?.note ?? null };
      if (isDamaged ? await isSalvaged(of, failure, repairs, options) : await isUsable(of, repairs))
        return true;
    }
    await delay(backOffCeilingMs(MEND, triesCount), undefined, { signal }).catch(() => undefined);
  }
  return false;
}

/** Whether a log whose writer has failed can be written again, e.g. because its disk is back. */
async function isUsable(of: LogOfSite, repairs: LogRepairs): Promise<boolean> {
  try {
    settleSiteLogFile(siteLogFileOf(of.dataDirectory), of.configuration.site.id);
    return true;
  } catch (error) {
    of.logger.error({ err: error }, 'the log cannot be opened again: trying again later');
    return isSalvaged(of, error, repairs, { orSetAside: true });
  }
}

function isSalvageable(of: LogOfSite, repairs: LogRepairs): boolean {
  try {
    assertSalvageable(siteLogFileOf(of.dataDirectory), Date.now());
    return true;
  } catch (error) {
    of.logger.error({ err: error }, 'the damaged log cannot be salvaged now: trying again later');
    if (error instanceof NotSalvagedError) repairs.foundDamage(`${error.code}: ${error.message}`);
    return false;
  }
}

/** Whether this was said of a damaged file, which is whole again now, or is set aside: the site records on in another one. */
async function isSalvaged(
  of: LogOfSite,
  error: unknown,
  repairs: LogRepairs,
  { orSetAside, note = null }: { readonly orSetAside: boolean; readonly note?: string | null },
): Promise<boolean> {
  const damage = damageOf(error, of);
  if (damage === null) return false;
  const { file, site, publicKey } = ownLogOf(of);
  const salvage = { file, site, publicKey, note, damage: damage.message };
  const replace = async (task: typeof setAsideSiteLog) => {
    const done = await task({ ...salvage, nowMs: Date.now() });
    of.logger.error({ done }, 'the file of the log was damaged, and another one is in its place');
    repairs.foundDamage(done);
    return true;
  };
  const failed = (cause: unknown) => {
    of.logger.error({ err: cause, damage }, 'the damaged log could not be salvaged');
    // It comes from another thread, which leaves its class behind.
    return (cause as Partial<NotSalvagedError>).because ?? null;
  };
  const because = await replace(salvageOffThread).catch(failed);
  if (because === true) return true;
  if (because !== 'NO_ROOM' || !orSetAside) return false;
  return (await replace(setAsideSiteLog).catch(failed)) === true;
}

/** That the log's own file is damaged, among the causes of an error. */
function damageOf(error: unknown, { dataDirectory }: LogOfSite): SiteLogFileError | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (!(cause instanceof SiteLogFileError) || cause.file !== siteLogFileOf(dataDirectory)) continue;
    if (DAMAGES.has(cause.fault)) return cause;
  }
  return null;
}

const DAMAGES: ReadonlySet<SiteLogFileFault> = new Set(['DAMAGED', 'INDEX_DAMAGED', 'UNREADABLE']);

export function openLogOf({ configuration, dataDirectory, logger }: LogOfSite): Promise<DurableSiteLog> {
  const { logKey: signingKey } = loadSiteKeys(dataDirectory);
  return openSiteLog({ configuration, dataDirectory, site: configuration.site.id, signingKey, logger });
}
