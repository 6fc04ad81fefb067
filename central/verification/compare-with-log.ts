import { comparePlaces, encodeBase64, equalBytes, type LogHead, type LogPlace } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { HoldingsComparison } from './compare-holdings.js';
import { inWords, type SignedReplica } from './replica-signatures.js';

/** A log in the data directory of its site. */
export interface LogAtHand {
  readonly directory: string;
  /** Where the log ends by now; null when it does not tell. */
  readonly end: () => LogPlace | null;
  /** The root over the first `size` events of an epoch; null when the log does not tell. */
  readonly rootAt: (
    place: Pick<LogHead, 'epoch' | 'size'>,
    signal: AbortSignal,
  ) => Promise<Uint8Array | null>;
}

export interface LogComparison {
  /** Replicas that are, to their end, what their sites hold. */
  readonly alike: ReadonlySet<SiteId>;
  readonly differences: readonly HoldingsComparison[];
}

/**
 * A replica that goes on behind the end of the log that is at hand: one of them is not whole. What of it is not signed yet is held
 * against the log itself.
 */
export async function compareWithLogs(
  replicas: {
    readonly database: string;
    readonly heads: readonly LogHead[];
    readonly signed: readonly SignedReplica[];
  },
  logs: ReadonlyMap<SiteId, LogAtHand>,
  signal: AbortSignal,
): Promise<LogComparison> {
  const alike = new Set<SiteId>();
  const differences: HoldingsComparison[] = [];
  for (const { site, end, signedUpTo } of replicas.signed) {
    const log = logs.get(site);
    const held = replicas.heads.find(head => head.site === site && head.epoch === end.epoch);
    if (log === undefined || held === undefined) continue;
    const isSigned = comparePlaces(signedUpTo, end) >= 0;
    const where = [log.directory, replicas.database];
    const differs = (difference: string) =>
      differences.push({ site, epoch: end.epoch, size: end.position, where, difference });
    // Looked at behind the replica: a log that goes on is never behind it.
    const logEnd = log.end();
    if (logEnd !== null && comparePlaces(end, logEnd) > 0) {
      differs(
        isSigned
          ? `${log.directory} ends at ${inWords(logEnd)} and has lost what follows: ${replicas.database} holds it up to ${inWords(end)}, signed by the site`
          : `${inWords(end)} is held by ${replicas.database}, signed up to ${inWords(signedUpTo)}; ${log.directory} ends at ${inWords(logEnd)}`,
      );
      continue;
    }
    if (isSigned) continue;
    const root = await log.rootAt(held, signal);
    if (root === null) continue;
    if (equalBytes(root, held.root)) alike.add(site);
    else
      differs(
        `${inWords(end)}: ${log.directory} holds the root ${encodeBase64(root)}, ${replicas.database} ${encodeBase64(held.root)}`,
      );
  }
  return { alike, differences };
}
