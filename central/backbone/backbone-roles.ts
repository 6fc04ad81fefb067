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
import { BackboneWatch, inWords } from './backbone-watch.js';
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
  readonly monotonicMs: () => number;
}

export interface BackboneRoles {
  readonly tasks: readonly Task[];
  /** Why this process can neither publish nor store yet; null once Kafka has answered it. */
  readonly awayBecause: () => string | null;
}

/**
 * What a process does for the backbone, by its roles. The caller opens the door when all services are added. It does not wait
 * for Kafka: sites are told to come back until brokers answer.
 */
export async function openBackboneRoles(
  options: BackboneRolesOptions,
  stack: AsyncDisposableStack,
): Promise<BackboneRoles> {
  const { configuration, sql, logger } = options;
  const { roles, kafka } = configuration.backbone;
  const isIntake = roles.includes('intake');
  const isProjector = roles.includes('projector');
  if (!isIntake && !isProjector) return { tasks: [], awayBecause: () => null };
  const backbone = stack.use(await openBackbone(configuration.backbone, options));
  const reports = new SessionReports({
    sql,
    onFailure: error => logger.warn({ err: error }, 'the state of a link could not be reported'),
  });
  stack.defer(() => reports.settled());
  const unanswered = `BACKBONE_AWAY: Kafka at ${kafka.brokers.join(', ')} has not answered yet`;
  const watch = new BackboneWatch(unanswered, options.monotonicMs);
  if (isIntake) await openIntake(options, { backbone, reports, watch }, stack);
  const watched = watchBackbone(backbone, watch, options);
  if (!isProjector) return watched;
  const onUnstorable = (site: SiteId, trouble: LinkTrouble) => reports.refused(site, trouble);
  const writer = new FeedWriter({ ...{ sql, topic: kafka.topic, sha256, logger }, onUnstorable });
  return { ...watched, tasks: [...watched.tasks, signal => backbone.consume(writer, signal)] };
}

function watchBackbone(
  backbone: Backbone,
  watch: BackboneWatch,
  { sql, logger }: BackboneRolesOptions,
): BackboneRoles {
  const onAway = (error: Error) => {
    watch.away(inWords(error));
    logger.warn({ err: error }, 'the backbone is away: sites are told to come back; trying again');
  };
  const onUntold = (error: unknown) =>
    logger.warn({ err: error }, 'the state of the backbone cannot be told');
  return {
    awayBecause: () => watch.unreachedBecause(),
    tasks: [
      signal => backbone.watch({ onThere: () => watch.there(), onAway }, signal),
      signal => watch.tell(sql, onUntold, signal),
    ],
  };
}

async function openIntake(
  { configuration, sql, wishes, enrolled, grpc, logKey, logger }: BackboneRolesOptions,
  {
    backbone,
    reports: links,
    watch,
  }: { readonly backbone: Backbone; readonly reports: SessionReports; readonly watch: BackboneWatch },
  stack: AsyncDisposableStack,
): Promise<void> {
  const onPublished = (error: Error | null) => watch.published(error);
  const replication = stack.use(
    createReplicationService({
      ...{
        intake: createPublishingIntake({ sql, backbone, sha256, onPublished }),
        log: wishes,
        enrolled,
        links,
        logger,
      },
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
