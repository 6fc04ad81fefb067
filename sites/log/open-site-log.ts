import type { KeyObject } from 'node:crypto';
import type { SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { SiteConfiguration } from '../configuration/site-configuration.js';
import { kurrentIndexFileOf, kurrentReceiptFileOf, siteLogFileOf } from '../site-directory.js';
import type { DurableSiteLog } from './durable-site-log.js';
import { openSqliteSiteLog } from './sqlite-site-log.js';

/** Opens a site's log where its configuration says that it is kept: in a file of its data directory, or on a server. */
export async function openSiteLog(options: {
  readonly configuration: Pick<SiteConfiguration, 'log'>;
  readonly dataDirectory: string;
  readonly site: SiteId;
  readonly signingKey: KeyObject;
  readonly logger: Logger;
  /** The log's index was damaged and is whole again, which is in the process's log already. */
  readonly onIndexRebuilt?: (detail: string) => void;
}): Promise<DurableSiteLog> {
  const { configuration, dataDirectory, site, signingKey, logger, onIndexRebuilt } = options;
  const opening = { site, now: Date.now, signingKey };
  const kurrent = configuration.log?.kurrent;
  if (kurrent === undefined) {
    return openSqliteSiteLog({
      ...opening,
      file: siteLogFileOf(dataDirectory),
      onIndexRebuilt: detail => {
        logger.error(
          { detail },
          'the index of the log was damaged: no event is lost, the disk may be failing',
        );
        onIndexRebuilt?.(detail);
      },
    });
  }
  // Only here: its client is a tenth of what a site loads.
  const { openKurrentSiteLog } = await import('./kurrent/kurrent-site-log.js');
  return openKurrentSiteLog({
    ...opening,
    connectionString: kurrent.connectionString,
    indexFile: kurrentIndexFileOf(dataDirectory),
    receiptFile: kurrentReceiptFileOf(dataDirectory),
    random: Math.random,
    onTrouble: detail => logger.warn({ detail }, 'the server that keeps the log does not answer'),
  });
}
