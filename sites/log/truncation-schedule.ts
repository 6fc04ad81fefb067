import { setTimeout as delay } from 'node:timers/promises';
import {
  type LogPlace,
  planTruncation,
  type SiteLog,
  type TruncatableLog,
  type TruncationFacts,
  type TruncationPolicy,
} from '@holdfast/core';
import type { Logger } from 'pino';

const DAY_MS = 24 * 3600 * 1000;
/** A day's events are removed at once, with one event that says so. */
export const TRUNCATION_INTERVAL_MS = DAY_MS;
/** After the start, and whenever it could not be decided, this long until it is looked at (again): it costs some 50 reads. */
export const TRUNCATION_RETRY_MS = 10_000;

export interface TruncationScheduleOptions {
  readonly policy: TruncationPolicy;
  readonly log: SiteLog & TruncatableLog;
  /** What the level of the policy holds; null while it is not known. */
  readonly acknowledged: () => LogPlace | null;
  /** Throws, or rejects, when it cannot be known. */
  readonly needs: () => Promise<Pick<TruncationFacts, 'readThrough' | 'recordingsSinceMs'>>;
  readonly now: () => number;
  readonly logger: Logger;
  readonly intervalMs?: number;
  readonly retryMs?: number;
}

/** Truncates a log as its policy says, once a day, until the signal is aborted. */
export async function runTruncation(options: TruncationScheduleOptions, signal: AbortSignal): Promise<void> {
  const { intervalMs = TRUNCATION_INTERVAL_MS, retryMs = TRUNCATION_RETRY_MS, logger } = options;
  let waitMs = retryMs;
  for (;;) {
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    try {
      waitMs = (await truncateOnce(options, signal)) ? intervalMs : retryMs;
    } catch (error) {
      if (signal.aborted) return;
      logger.error({ err: error }, 'the log could not be truncated; trying again tomorrow');
      waitMs = intervalMs;
    }
  }
}

/** False when it could not be decided yet. */
async function truncateOnce(options: TruncationScheduleOptions, signal: AbortSignal): Promise<boolean> {
  const { policy, log, logger } = options;
  if (options.acknowledged() === null) return false;
  const needs = await options.needs();
  // Last, since it may fall: a parent that was restored wants again what it had acknowledged.
  const acknowledged = options.acknowledged();
  const facts = {
    ...{ nowMs: options.now(), keptAfter: log.keptAfter(), acknowledged },
    lastRecordedBefore: (ms: number) => log.lastRecordedBefore(ms),
  };
  const plan = planTruncation(policy, { ...facts, ...needs });
  if (plan === null) {
    logger.info({ acknowledged, keptAfter: facts.keptAfter }, 'nothing of the log is to be removed');
    return true;
  }
  logger.info(plan, 'the beginning of the log is removed');
  await log.truncate(plan, signal);
  if (!signal.aborted) logger.info(plan, 'the beginning of the log was removed');
  return true;
}
