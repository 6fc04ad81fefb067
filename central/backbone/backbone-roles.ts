import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import {
  type Backbone,
  createReplicationService,
  type GrpcServer,
  type LinkTrouble,
  openKafkaBackbone,
  processTimers,
  type WishLog,
} from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { noteSigner, SOFTWARE, sha256, verifyNoteOffThread } from '@holdfast/sites';
import type { Logger } from 'pino';
import type { BackboneConfiguration, CentralConfiguration } from '../configuration/central-configuration.js';
import { createFeedOriginKeys } from '../link/origin-keys.js';
import type { Sql } from '../postgres/sql.js';
import { FeedWriter, REWOUND_CHANNEL } from './feed-writer.js';
import { createPublishingIntake } from './publishing-intake.js';
import { SessionReports } from './session-reports.js';
import { createSettledReplicas } from './settled-replicas.js';

export type BackboneCentralConfiguration = CentralConfiguration & {
  readonly backbone: BackboneConfiguration;
};

type Task = (signal: AbortSignal) => Promise<void>;

export class BackbonePasswordError extends Error {
  override readonly name = 'BackbonePasswordError';
  readonly code = 'BACKBONE_PASSWORD_MISSING';
}

function openBackbone(
  { kafka }: BackboneConfiguration,
  { baseDirectory, logger }: { readonly baseDirectory: string; readonly logger: Logger },
): Promise<Backbone> {
  const signIn = kafka.signIn
    ? {
        userName: kafka.signIn.userName,
        password: readPassword(path.resolve(baseDirectory, kafka.signIn.passwordFile)),
      }
    : null;
  return openKafkaBackbone({ ...kafka, signIn, logger, random: Math.random });
}

function readPassword(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (cause) {
    throw new BackbonePasswordError(`${file}: expected the password for the brokers there`, { cause });
  }
}

export interface BackboneRolesOptions {
  readonly configuration: BackboneCentralConfiguration;
  /** Where relative paths of the configuration start. */
  readonly baseDirectory: string;
  readonly sql: Sql;
  /** The central's own log, or what the feed holds of it. */
  readonly wishes: WishLog;
  readonly enrolled: (site: SiteId) => boolean | Promise<boolean>;
  /** Where children dial. */
  readonly grpc: GrpcServer;
  /** The central's: it cosigns what is on the backbone. */
  readonly logKey: KeyObject;
  readonly logger: Logger;
}

/**
 * What a process does for the backbone, by its roles. The caller opens the door when all services are added. Rejects when no
 * broker can be reached: whoever started this process starts it again.
 */
export async function openBackboneRoles(
  options: BackboneRolesOptions,
  stack: AsyncDisposableStack,
): Promise<readonly Task[]> {
  const { configuration, sql, logger } = options;
  const { roles, kafka } = configuration.backbone;
  const isIntake = roles.includes('intake');
  if (!isIntake && !roles.includes('projector')) return [];
  const backbone = stack.use(await openBackbone(configuration.backbone, options));
  const reports = new SessionReports({
    sql,
    onFailure: error => logger.warn({ err: error }, 'the state of a link could not be reported'),
  });
  stack.defer(() => reports.settled());
  if (isIntake) await openIntake(options, { backbone, reports }, stack);
  if (!roles.includes('projector')) return [];
  const onUnstorable = (site: SiteId, trouble: LinkTrouble) => reports.refused(site, trouble);
  const writer = new FeedWriter({ ...{ sql, topic: kafka.topic, sha256, logger }, onUnstorable });
  return [signal => backbone.consume(writer, signal)];
}

async function openIntake(
  { configuration, sql, wishes, enrolled, grpc, logKey, logger }: BackboneRolesOptions,
  { backbone, reports: links }: { readonly backbone: Backbone; readonly reports: SessionReports },
  stack: AsyncDisposableStack,
): Promise<void> {
  const replication = stack.use(
    createReplicationService({
      ...{ intake: createPublishingIntake({ sql, backbone, sha256 }), log: wishes, enrolled, links, logger },
      ...{ sha256, now: Date.now, timers: processTimers, software: SOFTWARE },
      ...{ replicas: createSettledReplicas(sql), verify: verifyNoteOffThread, signer: noteSigner(logKey) },
      keys: createFeedOriginKeys({ sql, ownSite: configuration.site.id }),
      heartbeatMs: configuration.listen.heartbeatSeconds * 1000,
    }),
  );
  replication.register(grpc);
  // A session that has nothing to commit would not notice that it was fenced.
  const missed = async () => {
    const rows = await sql<{ site: SiteId }[]>`select site from backbone_cursor where fence = rewound_fence`;
    for (const { site } of rows) replication.disconnect(site);
  };
  await sql.listen(
    REWOUND_CHANNEL,
    site => replication.disconnect(site as SiteId),
    () => void missed().catch(error => logger.warn({ err: error }, 'fenced sessions could not be looked up')),
  );
}
