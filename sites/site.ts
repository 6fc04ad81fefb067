import path from 'node:path';
import { Acknowledgements, type PeerCredentials } from '@holdfast/interconnect';
import type { Logger } from 'pino';
import type { SiteConfiguration } from './configuration/site-configuration.js';
import { requiredCredentials } from './credentials/required-credentials.js';
import { openOperationsServer } from './operations/operations-server.js';
import { reportToParent } from './report-to-parent.js';
import { runTogether } from './run-together.js';
import { openSiteServers, type SiteServers } from './site-servers.js';

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

function reportTasks(
  { configuration, logger }: RunSiteOptions,
  credentials: PeerCredentials,
  servers: SiteServers,
) {
  const { parent } = configuration;
  if (!parent) return [];
  return reportToParent({ parent, credentials, servers, logger, acknowledgements: new Acknowledgements() });
}

async function credentialsOf({
  configuration,
  baseDirectory,
}: RunSiteOptions): Promise<PeerCredentials | null> {
  if (!configuration.parent) return null;
  return requiredCredentials(path.resolve(baseDirectory, configuration.credentials ?? '.'));
}
