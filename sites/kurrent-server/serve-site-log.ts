import path from 'node:path';
import type { SiteLog } from '@holdfast/core';
import type { Logger } from 'pino';
import type { SiteConfiguration } from '../configuration/site-configuration.js';
import { requiredCredentials } from '../credentials/required-credentials.js';
import type { KurrentServer } from './kurrent-server.js';
import { SiteLogStreams } from './site-log-streams.js';

/** Serves a site's log for reading as its configuration says. Throws `CredentialsMissingError` and `GrpcListenError`. */
export async function serveSiteLog(options: {
  readonly configuration: NonNullable<SiteConfiguration['kurrentServer']>;
  /** Of the site. */
  readonly credentialsDirectory: string;
  readonly log: SiteLog;
  readonly logger: Logger;
}): Promise<KurrentServer> {
  const { configuration, credentialsDirectory, log, logger } = options;
  const { host, port, tls } = configuration;
  // Only here: few sites serve it, and all would load what its protocol is generated into.
  const { openKurrentServer } = await import('./kurrent-server.js');
  const server = await openKurrentServer({
    ...{ streams: new SiteLogStreams(log), host, port, appendBytesMax: 0, logger },
    credentials: tls ? await requiredCredentials(path.resolve(credentialsDirectory)) : null,
  });
  logger.info({ host, port: server.port, tls }, 'the log is served to clients of EventStoreDB');
  return server;
}
