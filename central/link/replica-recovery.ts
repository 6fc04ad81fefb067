import { setTimeout as delay } from 'node:timers/promises';
import { comparePlaces, type LogPlace } from '@holdfast/core';
import {
  type LinkKeeper,
  type OriginKeys,
  type RelayedLogs,
  type RelayedReplicas,
  type ReplicaMender,
  type ReplicaReader,
  ReplicaRecovery,
} from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { HistoryNotKeptError, keepPulledHistory, type LogRepairs, sha256, verifyNote } from '@holdfast/sites';
import type { Logger } from 'pino';

/** A site dials as often, also one that lost this central while it began again, as it does when its own log came back before. */
const DIALLING_MS_MAX = 60_000;
const DIALLING_LOOK_MS = 200;

export interface ReplicaRecoveryParts {
  readonly mender: ReplicaMender;
  readonly replicas: ReplicaReader;
  readonly relayed: RelayedReplicas;
  readonly links: Pick<LinkKeeper, 'view' | 'relayedHead'>;
  readonly keys: OriginKeys;
  readonly children: () => Iterable<SiteId>;
  /** What is pulled waits there; nothing of it is left behind. */
  readonly file: string;
  /** Says how the last attempt ended that found no room. */
  readonly repairs: LogRepairs;
  /** What is held of a log has moved beside the session that brings it. */
  readonly onMoved: (origin: SiteId) => void;
  readonly logger: Logger;
}

/**
 * What a central below another one does when that holds more, or something else, of a log that it relays: one of the two was restored from an
 * old copy, or the site with this central. A disk without room leaves everything as it was.
 */
export function takeBackReplicas(parts: ReplicaRecoveryParts): NonNullable<RelayedLogs['takeBack']> {
  const { mender, replicas, relayed, links, repairs, logger } = parts;
  const recovery = new ReplicaRecovery({
    ...{ replicas, verify: verifyNote, sha256 },
    mender: relayed.watchMended(mender),
    keyOf: origin => keyOf(origin, parts),
    isThere: (site, held) => isThereSoon(links, site, held),
    keep: history => keepPulledHistory(history, parts.file),
  });
  return async (origin, from) => {
    if (!repairs.isDue()) return 'NOTHING';
    try {
      const outcome = await recovery.takeBack(origin, from);
      if (outcome !== 'NOTHING') {
        logger.warn({ origin, held: from.held, outcome }, 'what was lost of a log below is back');
        parts.onMoved(origin);
      }
      repairs.succeeded();
      return outcome;
    } catch (error) {
      if (!(error instanceof HistoryNotKeptError)) throw error;
      logger.error({ err: error, origin }, 'what was lost of a log below cannot be kept; trying again later');
      repairs.failed(error);
      return 'NOTHING';
    }
  };
}

/** A child whose link is up was asked from where on it goes on; of a site further below, what it said last counts. */
async function isThereSoon(
  links: ReplicaRecoveryParts['links'],
  site: SiteId,
  held: LogPlace,
): Promise<boolean> {
  const isThere = () => {
    if (links.view(site).state === 'UP') return true;
    const head = links.relayedHead(site);
    return head !== null && comparePlaces({ epoch: head.epoch, position: head.size }, held) >= 0;
  };
  for (const beganMs = performance.now(); !isThere(); await delay(DIALLING_LOOK_MS)) {
    if (performance.now() - beganMs > DIALLING_MS_MAX) return false;
  }
  return true;
}

/** The key of a site is the same whichever child brings its log. */
async function keyOf(origin: SiteId, { keys, children }: ReplicaRecoveryParts): Promise<Uint8Array | null> {
  for (const child of children()) {
    const key = await keys.keyOf(origin, child);
    if (key !== null) return key;
  }
  return null;
}
