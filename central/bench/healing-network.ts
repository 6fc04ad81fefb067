import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import path from 'node:path';
import type { MediaSource, SiteLog } from '@holdfast/core';
import {
  Acknowledgements,
  createCertificateAuthority,
  createGrpcServer,
  createMediaChannelService,
  createReplicationService,
  DEFAULT_RETRIEVAL_BUDGET,
  dialParent,
  EmulatedLink,
  issuePeerCredentials,
  openLinkKeeper,
  processTimers,
  RetrievalService,
  runMediaChannel,
  runReplication,
  serverNameOfRole,
} from '@holdfast/interconnect';
import type { EventId, RecordingServerId, SiteId } from '@holdfast/schema';
import {
  type MediaDatabase,
  newUuid,
  noteSigner,
  openSqliteSiteLog,
  rawPublicKey,
  SiteConfiguration,
  SOFTWARE,
  type SqliteSiteLog,
  sha256,
  verifyNote,
} from '@holdfast/sites';
import { pino } from 'pino';
import { runOwnLogIntake } from '../intake/own-log-intake.js';
import {
  createPostgresReplicaIntake,
  FEED_CHANNEL,
  readReplicaCursor,
} from '../intake/postgres-replica-intake.js';
import { createPostgresReplicaReader } from '../intake/postgres-replica-reader.js';
import { FactsWatch } from '../link/facts-watch.js';
import { openDatabase } from '../postgres/database.js';
import type { Sql } from '../postgres/sql.js';
import { projectionReporter } from '../read-models/projection-reporter.js';
import { Projections } from '../read-models/projections.js';
import { PROJECTED_CHANNEL } from '../read-models/projector.js';
import { readModels } from '../read-models/read-models.js';
import { createRetrievalFacts } from '../read-models/retrieval/retrieval-facts.query.js';
import { listenFor } from '../read-models/wakeup.js';
import { openBenchMediaDatabase } from './recorded-cameras.js';

const logger = pino({ level: process.env.HOLDFAST_LOG_LEVEL ?? 'silent' }, pino.destination(2));
const monotonicMs = () => performance.now();
const newEventId = newUuid<EventId>;
/** As in the configuration of a site that says nothing. */
const RECONNECT_MS_MAX =
  SiteConfiguration.shape.parent.unwrap().shape.reconnectSecondsMax.parse(undefined) * 1000;

/** A site and its central as they heal, in one process: real logs, media databases, PostgreSQL and TLS over an emulated link. */
export interface HealingNetwork extends AsyncDisposable {
  readonly siteId: SiteId;
  readonly link: EmulatedLink;
  readonly siteLog: SiteLog;
  readonly recorded: MediaDatabase;
  readonly retrieved: MediaDatabase;
  readonly retrievals: RetrievalService;
  /** How much of the site's log is durable at the central. */
  readonly intakePosition: () => Promise<number>;
  /** Bytes of init segments and fragments that the site's media database gave out for sending. */
  readonly givenBytes: () => number;
}

export async function openHealingNetwork(directory: string): Promise<HealingNetwork> {
  const stack = new AsyncDisposableStack();
  try {
    return await openParts(directory, stack);
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

async function openParts(directory: string, stack: AsyncDisposableStack): Promise<HealingNetwork> {
  const stop = new AbortController();
  const tasks: Promise<void>[] = [];
  const authority = await createCertificateAuthority({ name: 'Benchmark', nowMs: Date.now() });
  const [centralId, siteId] = [newUuid<SiteId>(), newUuid<SiteId>()];
  const issue = (site: SiteId, role: string) =>
    issuePeerCredentials(authority, { site, role, nowMs: Date.now() });
  const { sql } = stack.use(
    await openDatabase({
      directory: path.join(directory, 'postgres'),
      databaseUrl: process.env.DATABASE_URL ?? null,
    }),
  );
  const media = (name: string) =>
    openBenchMediaDatabase(path.join(directory, name), newUuid<RecordingServerId>());
  const [recorded, retrieved] = [stack.use(await media('recorded')), stack.use(await media('retrieved'))];
  const [centralKey, siteKey] = [newLogKey(), newLogKey()];
  const [log, siteLog] = [
    stack.use(await openLog(path.join(directory, 'central.log'), centralId, centralKey)),
    stack.use(await openLog(path.join(directory, 'site.log'), siteId, siteKey)),
  ];
  const central = await openCentral({
    ...{ sql, log, retrieved, siteId, centralId, centralKey, siteKey, stack },
  });
  const grpc = stack.use(createGrpcServer({ credentials: await issue(centralId, 'central'), logger }));
  central.register(grpc);
  const target = { host: '127.0.0.1', ...(await grpc.listen({ host: '127.0.0.1', port: 0 })) };
  const link = stack.use(await EmulatedLink.open({ listenPort: 0, target, now: monotonicMs }));
  const source = countedSource(recorded);
  const peer = {
    parent: { host: '127.0.0.1', port: link.port, serverName: serverNameOfRole('central') },
    ...{ credentials: await issue(siteId, 'site'), siteId, software: SOFTWARE, random: Math.random, logger },
  };
  const { recordingServerId } = recorded;
  const wishes = { cursor: async () => null, accept: async () => undefined };
  tasks.push(
    ...central.run(stop.signal),
    runReplication(
      {
        ...{ ...peer, dial: () => dialParent(peer), log: siteLog, site: siteId, wishes, sha256 },
        ...{ now: Date.now, timers: processTimers, backoffMsMax: RECONNECT_MS_MAX },
        ...{ signer: noteSigner(siteKey), verify: verifyNote, acknowledgements: new Acknowledgements() },
        parentKey: { known: () => rawPublicKey(centralKey), pin: async () => undefined },
      },
      stop.signal,
    ),
    runMediaChannel(
      { ...peer, recordingServerId, source, monotonicMs, redialMsMax: RECONNECT_MS_MAX },
      stop.signal,
    ),
  );
  stack.defer(async () => {
    stop.abort();
    await Promise.all(tasks);
  });
  return {
    ...{ siteId, link, siteLog, recorded, retrieved, retrievals: central.retrievals },
    intakePosition: async () => (await readReplicaCursor(sql, siteId))?.position ?? 0,
    givenBytes: source.givenBytes,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** What `central.ts` runs, as far as facts and recordings pass through it. */
async function openCentral(parts: {
  readonly sql: Sql;
  readonly log: SqliteSiteLog;
  readonly centralKey: KeyObject;
  readonly siteKey: KeyObject;
  readonly retrieved: MediaDatabase;
  readonly siteId: SiteId;
  readonly centralId: SiteId;
  readonly stack: AsyncDisposableStack;
}) {
  const { sql, log, retrieved, siteId, centralId, centralKey, siteKey, stack } = parts;
  const actor = `site:${centralId}`;
  const intake = createPostgresReplicaIntake(sql);
  const projected = await listenFor(sql, PROJECTED_CHANNEL);
  const projections = new Projections({
    ...{ sql, ownSite: centralId, models: readModels, now: Date.now, random: Math.random },
    feedGrown: await listenFor(sql, FEED_CHANNEL),
    reports: projectionReporter({ logger, raiseAlarm: () => undefined }),
  });
  const channels = stack.use(
    createMediaChannelService({ siteId: centralId, software: SOFTWARE, monotonicMs, logger }),
  );
  const links = stack.use(
    await openLinkKeeper({
      ...{ log, sites: [siteId], now: Date.now, newEventId, actor, logger },
      replicaPosition: site => readReplicaCursor(sql, site),
      onUp: () => retrievals.replanSoon(),
    }),
  );
  const facts = new FactsWatch(sql);
  const retrievals = new RetrievalService({
    ...{ log, facts: createRetrievalFacts(sql, centralId), intake: retrieved, actor, logger },
    ...{ now: Date.now, random: Math.random, newId: newUuid },
    sourceOf: of => channels.mediaSourceOf(of),
    attached: () => channels.attached(),
    linkState: site => facts.link(site, links.view(site)),
    budgetOf: () => DEFAULT_RETRIEVAL_BUDGET,
  });
  channels.onAttached(() => retrievals.replanSoon());
  const replication = stack.use(
    createReplicationService({
      ...{ intake, replicas: createPostgresReplicaReader(sql), log, links, logger, sha256, now: Date.now },
      ...{ timers: processTimers, verify: verifyNote, signer: noteSigner(centralKey) },
      keys: { keyOf: async () => rawPublicKey(siteKey), pin: async () => undefined },
      software: SOFTWARE,
      enrolled: site => site === siteId,
    }),
  );
  const onFailure = (error: unknown) => logger.warn({ err: error }, 'the database is away; trying again');
  return {
    retrievals,
    register: (grpc: ReturnType<typeof createGrpcServer>) => {
      replication.register(grpc);
      grpc.addService(channels.definition, channels.implementation);
    },
    run: (signal: AbortSignal) => [
      runOwnLogIntake({
        ...{ log, intake, signal, onRetry: onFailure, random: Math.random },
        checkpoint: () => log.signedCheckpoint(),
      }),
      projections.run(signal),
      facts.run({ projected, onMoved: () => retrievals.replanSoon(), onFailure }, signal),
      retrievals.run(signal),
    ],
  };
}

const newLogKey = () => generateKeyPairSync('ed25519').privateKey;

function openLog(file: string, site: SiteId, signingKey: KeyObject) {
  return openSqliteSiteLog({ file, site, now: Date.now, signingKey });
}

function countedSource(database: MediaDatabase): MediaSource & { readonly givenBytes: () => number } {
  let given = 0;
  return {
    givenBytes: () => given,
    open: async function* (request, { signal }) {
      if (request.kind !== 'RETRIEVE') return;
      for await (const item of database.readSegments({ ...request, signal })) {
        if (item.kind === 'fragment') given += item.fragment.bytes.byteLength;
        else if (item.kind === 'init') given += item.init.bytes.byteLength;
        yield item;
      }
    },
  };
}
