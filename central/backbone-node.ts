import { createPrivateKey, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { createGrpcServer } from '@holdfast/interconnect';
import {
  filesOfCertificates,
  openOperationsServer,
  requiredCredentials,
  runTogether,
  sha256,
  siteLogKeyFileOf,
  watchCertificates,
} from '@holdfast/sites';
import type { Logger } from 'pino';
import { type BackboneCentralConfiguration, openBackboneRoles } from './backbone/backbone-roles.js';
import { isEnrolledIn } from './backbone/feed-enrolment.js';
import { openFeedLog } from './backbone/feed-log.js';
import { alarmsOfNode } from './backbone/node-alarms.js';
import { FEED_CHANNEL } from './intake/postgres-replica-intake.js';
import { openDatabase } from './postgres/database.js';
import { listenFor } from './read-models/wakeup.js';

export interface RunBackboneNodeOptions {
  readonly configuration: BackboneCentralConfiguration;
  /** Where relative paths of the configuration start. */
  readonly baseDirectory: string;
  readonly logger: Logger;
  readonly onReady: (address: { readonly httpPort: number; readonly listenPort: number | null }) => void;
  /** Called when the node begins to end, asked to or because a part of it failed. */
  readonly onEnding: () => void;
}

export class LogKeyMissingError extends Error {
  override readonly name = 'LogKeyMissingError';
  readonly code = 'LOG_KEY_MISSING';
}

/** Sites believe one key of their parent, whichever node they reach: it is copied, never made here. */
function readLogKey(file: string): KeyObject {
  try {
    return createPrivateKey(readFileSync(file));
  } catch (cause) {
    throw new LogKeyMissingError(`${file}: expected a copy of the log key of the process with the role api`, {
      cause,
    });
  }
}

/** The nodes of a central meet in one database, which none of them can bring along. */
export class SharedDatabaseMissingError extends Error {
  override readonly name = 'SharedDatabaseMissingError';
  readonly code = 'SHARED_DATABASE_MISSING';
}

/**
 * An intake node, a projector node, or both, as one process beside the one that has the central's own log: composition root.
 * Runs until the signal is aborted. It holds nothing that is not in the database, on the backbone, or at the sites.
 */
export async function runBackboneNode(options: RunBackboneNodeOptions, signal: AbortSignal): Promise<void> {
  const { configuration, baseDirectory, logger } = options;
  const databaseUrl = process.env.DATABASE_URL ?? null;
  if (databaseUrl === null) {
    throw new SharedDatabaseMissingError(
      'a node without the role api shares the database of the one with it: expected DATABASE_URL',
    );
  }
  const logKey = readLogKey(siteLogKeyFileOf(path.resolve(baseDirectory, configuration.data)));
  const credentials = await requiredCredentials(path.resolve(baseDirectory, configuration.credentials));
  await using stack = new AsyncDisposableStack();
  const database = stack.use(await openDatabase({ directory: baseDirectory, databaseUrl }));
  const { sql } = database;
  const site = configuration.site.id;
  const wishes = await openFeedLog({
    ...{ sql, site, sha256, feedGrown: await listenFor(sql, FEED_CHANNEL) },
    onFailure: error => logger.warn({ err: error }, 'wishes cannot be read; trying again'),
  });
  const grpc = stack.use(createGrpcServer({ credentials, logger }));
  const { tasks, awayBecause } = await openBackboneRoles(
    {
      ...{ configuration, baseDirectory, sql, wishes, grpc, logger, logKey },
      enrolled: child => isEnrolledIn(sql, { ownSite: site, child }),
      monotonicMs: () => performance.now(),
    },
    stack,
  );
  const alarms = alarmsOfNode(sql, error => logger.warn({ err: error }, 'an alarm cannot be told'));
  const certificates = {
    files: filesOfCertificates(configuration, baseDirectory),
    alarms,
    now: Date.now,
    logger,
  };
  const takesIn = configuration.backbone.roles.includes('intake');
  const listenPort = takesIn ? (await grpc.listen(configuration.listen)).port : null;
  const operations = stack.use(
    await openOperationsServer({ ...configuration.http, notReadyBecause: awayBecause }),
  );
  options.onReady({ httpPort: operations.port, listenPort });
  const { roles } = configuration.backbone;
  logger.info({ site: configuration.site, roles, httpPort: operations.port, listenPort }, 'node runs');
  await runTogether(
    [running => database.watch(running), running => watchCertificates(certificates, running), ...tasks],
    signal,
    options.onEnding,
  );
}
