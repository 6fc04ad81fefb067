import path from 'node:path';
import {
  dialParent,
  type PeerCredentials,
  processTimers,
  runMediaChannel,
  runReplication,
} from '@holdfast/interconnect';
import type { Logger } from 'pino';
import type { SiteConfiguration } from './configuration/site-configuration.js';
import { requiredCredentials } from './credentials/required-credentials.js';
import { sha256 } from './log/sha256.js';
import { openOperationsServer } from './operations/operations-server.js';
import { runTogether } from './run-together.js';
import { openSiteServers, type SiteServers } from './site-servers.js';
import { SOFTWARE } from './software.js';

export interface RunSiteOptions {
  readonly configuration: SiteConfiguration;
  /** Where relative paths of the configuration start. */
  readonly baseDirectory: string;
  readonly logger: Logger;
  readonly onReady: (address: { readonly operationsPort: number }) => void;
  /** Called when the site begins to end, asked to or because a part of it failed. */
  readonly onEnding: () => void;
}

/** A remote site as one process: composition root. Runs until the signal is aborted; needs nobody to record. */
export async function runSite(options: RunSiteOptions, signal: AbortSignal): Promise<void> {
  const { configuration, logger } = options;
  const credentials = await credentialsOf(options);
  await using servers = await openSiteServers({ ...options, pins: () => [] });
  await using operations = await openOperationsServer({
    ...configuration.operations,
    notReadyBecause: () => null,
  });
  options.onReady({ operationsPort: operations.port });
  logger.info({ site: configuration.site, operationsPort: operations.port }, 'site runs');
  const reports = credentials ? reportTasks(options, credentials, servers) : [];
  await runTogether([running => servers.run(running), ...reports], signal, options.onEnding);
}

type Task = (signal: AbortSignal) => Promise<void>;

function reportTasks(
  { configuration, logger }: RunSiteOptions,
  credentials: PeerCredentials,
  servers: SiteServers,
): readonly Task[] {
  const { parent } = configuration;
  if (!parent) return [];
  const { siteId, log, management, recordingServers } = servers;
  const redialMsMax = parent.reconnectSecondsMax * 1000;
  const peer = { parent, credentials, software: SOFTWARE, random: Math.random, logger };
  const replication = {
    ...{ ...peer, dial: () => dialParent(peer), log, site: siteId, sha256 },
    ...{ now: Date.now, timers: processTimers },
    ...{ wishes: management.wishSink(parent.siteId), parentSite: parent.siteId },
    backoffMsMax: redialMsMax,
  };
  const mediaChannel = { ...peer, siteId, monotonicMs: () => performance.now(), redialMsMax };
  return [
    signal => runReplication(replication, signal),
    ...[...recordingServers].map(
      ([recordingServerId, source]): Task =>
        signal =>
          runMediaChannel({ ...mediaChannel, recordingServerId, source }, signal),
    ),
  ];
}

async function credentialsOf({
  configuration,
  baseDirectory,
}: RunSiteOptions): Promise<PeerCredentials | null> {
  if (!configuration.parent) return null;
  return requiredCredentials(path.resolve(baseDirectory, configuration.credentials ?? '.'));
}
