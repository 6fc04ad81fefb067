import { backOffMs } from '@holdfast/core';
import type { Logger } from 'pino';
import { pause } from '../transport/timers.js';
import { type ChildSessionEnd, runChildSession } from './child-session.js';
import type { ReplicationRefusalCode } from './replication-frame.js';
import type { ReplicationOptions } from './replication-options.js';
import { RootMemory } from './root-memory.js';

/** A link that was up is tried again at once: most losses are short. */
const FIRST_RETRY_MS_MAX = 200;
const BACKOFF_MS_MIN = 1_000;
/** Where nothing says otherwise, a thousand children that lost their parent come back at less than 20 a second. */
const BACKOFF_MS_MAX = 60_000;
/** A link that stays up this long is a good one again; what breaks sooner is dialled less and less often. */
const STABLE_MS = 5_000;
/** Some round trips of a satellite link, and the first retransmissions of a lossy one. */
const DIAL_TIMEOUT_MS = 10_000;
/** A person has to look at these; the parent is asked again, but so many times less often. */
const LASTING_REFUSAL_FACTOR = 10;
const lastingRefusals: ReadonlySet<ReplicationRefusalCode> = new Set([
  'GAP',
  'FORK',
  'AHEAD',
  'BAD_HASH',
  'BAD_SIGNATURE',
  'UNKNOWN_EPOCH',
  'NOT_ENROLLED',
  'PROTOCOL_VIOLATION',
]);

/**
 * Keeps this site's log replicated to its parent, and brings the parent's wishes, until the signal is aborted. The child
 * dials; a link that is lost is dialled again with full-jitter back-off, and continues with what the parent wants.
 */
export async function runReplication(options: ReplicationOptions, signal: AbortSignal): Promise<void> {
  const backoffMsMax = options.backoffMsMax ?? BACKOFF_MS_MAX;
  const roots = new RootMemory();
  let failures = 0;
  while (!signal.aborted) {
    options.onLink?.({ state: 'CONNECTING' });
    const dialledAtMs = options.now();
    const dialTimeoutMs = options.dialTimeoutMs ?? DIAL_TIMEOUT_MS;
    const stream = options.dial();
    const end = await runChildSession({ ...options, stream, roots, dialTimeoutMs }, signal);
    if (signal.aborted) break;
    const wasStable = end.wasEstablished && options.now() - dialledAtMs >= STABLE_MS;
    // Two servers with one identity fence each other: a refusal must not end in quick retries for ever.
    if (wasStable && end.refusal === null) failures = 0;
    const waitMs = retryDelayMs({ end, failures, backoffMsMax, random: options.random });
    failures += 1;
    report(options.logger, end, waitMs);
    options.onLink?.({ state: 'DOWN', reason: end.reason });
    await pause(options.timers, waitMs, signal);
  }
  options.onLink?.({ state: 'DOWN', reason: 'stopped' });
}

/** With jitter, so that children never come in step. */
export function retryDelayMs(options: {
  readonly end: Pick<ChildSessionEnd, 'refusal' | 'wasEstablished'>;
  readonly failures: number;
  readonly backoffMsMax: number;
  readonly random: () => number;
}): number {
  const { end, failures, backoffMsMax, random } = options;
  if (end.refusal !== null && lastingRefusals.has(end.refusal.code)) {
    const slowMsMax = Math.max(backoffMsMax, Math.min(BACKOFF_MS_MAX, backoffMsMax * LASTING_REFUSAL_FACTOR));
    return slowMsMax / 2 + (random() * slowMsMax) / 2;
  }
  if (failures === 0) return random() * Math.min(FIRST_RETRY_MS_MAX, backoffMsMax);
  return backOffMs({ firstMs: BACKOFF_MS_MIN, mostMs: backoffMsMax }, failures - 1, random());
}

function report(logger: Logger, end: ChildSessionEnd, waitMs: number): void {
  const facts = { reason: end.reason, retryInMs: Math.round(waitMs) };
  if (end.refusal !== null && lastingRefusals.has(end.refusal.code)) {
    logger.error({ ...facts, code: end.refusal.code }, 'replication refused');
  } else if (end.wasEstablished) logger.warn(facts, 'link to the parent lost');
  else logger.info(facts, 'parent not reached');
}
