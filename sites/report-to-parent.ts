import type { SignedCheckpoint } from '@holdfast/core';
import {
  type Acknowledgements,
  dialParent,
  type LostHistorySink,
  type PeerCredentials,
  processTimers,
  type RelayedLogs,
  runMediaChannel,
  runReplication,
  runSubjectKeyOffers,
} from '@holdfast/interconnect';
import type { Logger } from 'pino';
import type { ParentConfiguration } from './configuration/site-configuration.js';
import { noteSigner, verifyNote } from './log/ed25519-notes.js';
import { sha256 } from './log/sha256.js';
import { pinConfiguredKey, pinFirstKey, pinnedKey } from './management-server/pinned-keys.js';
import type { SiteServers } from './site-servers.js';
import { SOFTWARE } from './software.js';
import { subjectKeySource } from './subject-keys/subject-key-source.js';

type Task = (signal: AbortSignal) => Promise<void>;

export interface ParentReport {
  readonly parent: ParentConfiguration;
  readonly credentials: PeerCredentials;
  readonly servers: SiteServers;
  /** Learns what is durable above. */
  readonly acknowledgements: Acknowledgements;
  /** The logs of the sites below this one. */
  readonly relayed?: RelayedLogs;
  readonly lostHistory: LostHistorySink;
  readonly logger: Logger;
}

/** What a site or a central does for its parent: facts up, wishes down, and media when they are asked for. */
export function reportToParent(report: ParentReport): readonly Task[] {
  const { parent, credentials, servers, acknowledgements, relayed, lostHistory, logger } = report;
  const { siteId, log, keys, subjectKeys, management, recordingServers } = servers;
  const redialMsMax = parent.reconnectSecondsMax * 1000;
  const actor = `site:${siteId}`;
  const peer = { parent, credentials, software: SOFTWARE, random: Math.random, logger };
  const replication = {
    ...{ ...peer, dial: () => dialParent(peer), log, site: siteId, sha256, acknowledgements, lostHistory },
    ...{ signer: noteSigner(keys.logKey), verify: verifyNote, now: Date.now, timers: processTimers },
    ...{ wishes: management.wishSink(parent.siteId), parentSite: parent.siteId },
    parentKey: {
      known: (site: typeof siteId) => pinnedKey(management, site),
      pin: (site: typeof siteId, publicKey: Uint8Array) =>
        pinFirstKey(management, { siteId: site, publicKey }, actor),
    },
    ...(relayed === undefined ? {} : { relayed }),
    async storeReceipt({ note }: SignedCheckpoint) {
      // Nobody could check it by the log before the key of its witness is pinned there. A later one covers the same events.
      if (pinnedKey(management, parent.siteId) === null) return;
      // No reason to lose the link: on a full disk, a later receipt will cover the same events.
      await log
        .storeReceipt({ witness: parent.siteId, note })
        .catch((error: unknown) => logger.warn({ err: error }, 'a receipt of the parent was not stored'));
    },
    backoffMsMax: redialMsMax,
  };
  const beside = { ...peer, parent: { ...parent, ...parent.media } };
  const keySource = subjectKeySource({ subjectKeys, management, parentSite: parent.siteId });
  const mediaChannel = { ...beside, siteId, monotonicMs: () => performance.now(), redialMsMax };
  return [
    async signal => {
      const { siteId: parentSite, logPublicKey: publicKey } = parent;
      if (publicKey !== undefined) {
        await pinConfiguredKey(management, { siteId: parentSite, publicKey }, actor);
      }
      await runReplication(replication, signal);
    },
    signal => runSubjectKeyOffers({ ...beside, source: keySource }, signal),
    ...[...recordingServers].map(
      ([recordingServerId, server]): Task =>
        signal =>
          runMediaChannel({ ...mediaChannel, recordingServerId, source: server, control: server }, signal),
    ),
  ];
}
