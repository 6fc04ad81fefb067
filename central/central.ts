import path from 'node:path';
import { performance } from 'node:perf_hooks';
import type { HeatMapQuery } from '@holdfast/core';
import {
  Acknowledgements,
  createGrpcServer,
  createMediaChannelService,
  createReplicationService,
  DEFAULT_RETRIEVAL_BUDGET,
  type GrpcServer,
  type LinkKeeper,
  type MediaChannelService,
  type OriginKeys,
  openLinkKeeper,
  type PeerCredentials,
  processTimers,
  RelayedReplicas,
  type ReplicaIntake,
  type ReplicaReader,
  RetrievalService,
  registerSubjectKeyService,
  type Timers,
} from '@holdfast/interconnect';
import type { DeviceId, EventId, RecordingServerId, SiteId } from '@holdfast/schema';
import {
  alarmsOfUnrepairedLog,
  beginsAgainWithMedia,
  defineLogMetrics,
  defineRecordingMetrics,
  defineStorageMetrics,
  ffmpegCandidates,
  firstRecordingServer,
  foldCode,
  type LogLife,
  LogRepairs,
  newUuid,
  noteSigner,
  openSiteServers,
  pulledHistoryFileOf,
  type RecordingServer,
  reportToParent,
  requiredCredentials,
  runOverResets,
  runTogether,
  type SiteServers,
  SnapshotMaker,
  SOFTWARE,
  sealCredentials,
  sha256,
  truncateLog,
  verifyNoteOffThread,
} from '@holdfast/sites';
import type { Logger } from 'pino';
import { type BackboneRoles, openBackboneRoles } from './backbone/backbone-roles.js';
import { BackboneAlarm } from './backbone/backbone-watch.js';
import { openFeedLog } from './backbone/feed-log.js';
import { hearAlarmsOfNodes } from './backbone/node-alarms.js';
import { SESSION_CHANNEL } from './backbone/session-reports.js';
import { SessionWatch } from './backbone/session-watch.js';
import { AnswerWatch } from './command/answer-watch.js';
import { createSiteCommandGateway } from './command/site-command-gateway.js';
import type { CentralConfiguration } from './configuration/central-configuration.js';
import { EvidenceLockPins } from './evidence-lock/evidence-lock-pins.js';
import { isWrittenOff } from './evidence-lock/written-off-sites.js';
import { type CentralHttp, createCentralHttp } from './http/central-http.js';
import { AccessTokens } from './identity/access-tokens.js';
import { Administrator } from './identity/administrator.js';
import { signInReporter } from './identity/sign-in-reporter.js';
import { runOwnLogIntake } from './intake/own-log-intake.js';
import { ownLogReadThrough } from './intake/own-log-read-through.js';
import { repairOwnLogIfPossible } from './intake/own-log-repair.js';
import { OwnLogTrouble } from './intake/own-log-trouble.js';
import {
  createPostgresReplicaIntake,
  FEED_CHANNEL,
  readReplicaCursor,
} from './intake/postgres-replica-intake.js';
import { createPostgresReplicaReader } from './intake/postgres-replica-reader.js';
import { createReplicaMender } from './intake/replica-mender.js';
import { alarmingLinks } from './link/alarming-links.js';
import { enrolChildSites } from './link/child-sites.js';
import { createEmulatedLinkControl } from './link/emulated-link-control.js';
import { FactsWatch } from './link/facts-watch.js';
import { createLinkViews } from './link/link-views.js';
import { newestReceipt } from './link/newest-receipt.js';
import { createOriginKeys } from './link/origin-keys.js';
import { OutageWatch } from './link/outage-watch.js';
import { takeBackReplicas } from './link/replica-recovery.js';
import { watchResets } from './link/reset-watch.js';
import {
  createCentralCameraControl,
  createCentralMediaDirectory,
  recordingServersAway,
} from './media-gateway/central-media-directory.js';
import { OPERATOR_CHANNEL, OperatorLog } from './operator/operator-log.js';
import { ErasedKeys } from './personal/erased-keys.js';
import { type Database, openDatabase } from './postgres/database.js';
import type { Sql } from './postgres/sql.js';
import { Freshness } from './read-models/freshness.js';
import { projectionReporter } from './read-models/projection-reporter.js';
import { Projections } from './read-models/projections.js';
import { PROJECTED_CHANNEL } from './read-models/projector.js';
import { readModels } from './read-models/read-models.js';
import { createRetrievalFacts } from './read-models/retrieval/retrieval-facts.query.js';
import { listenFor, type Wakeup } from './read-models/wakeup.js';
import { createRetrievalRequests } from './retrieval-requests.js';

export interface RunCentralOptions {
  readonly configuration: CentralConfiguration;
  /** Where relative paths of the configuration start. */
  readonly baseDirectory: string;
  readonly logger: Logger;
  readonly onReady: (address: { readonly httpPort: number; readonly listenPort: number }) => void;
  /** Once for each child, when its link is up and everything it has said is folded here. */
  readonly onChildKnown: (site: SiteId) => void;
  /** Called when the central begins to end, asked to or because a part of it failed. */
  readonly onEnding: () => void;
  /** Other than the real one for tests only. */
  readonly monotonicMs?: () => number;
  readonly timers?: Timers;
}

export class RecordingServerMissingError extends Error {
  override readonly name = 'RecordingServerMissingError';
  readonly code = 'RECORDING_SERVER_MISSING';
}

const newId = newUuid<EventId>;

/**
 * A central as one process: composition root. Runs until the signal is aborted. When its own log was restored from an old copy,
 * it is repaired: out of the own database before anything else, and out of the parent, which ends this life and begins another.
 */
export async function runCentral(options: RunCentralOptions, signal: AbortSignal): Promise<void> {
  const { configuration, baseDirectory, logger } = options;
  const reported = new Set<SiteId>();
  let isFirst = true;
  const told: RunCentralOptions = {
    ...options,
    onReady: address => {
      if (isFirst) options.onReady(address);
      isFirst = false;
    },
    onChildKnown: site => {
      if (!reported.has(site)) options.onChildKnown(site);
      reported.add(site);
    },
  };
  const dataDirectory = path.resolve(baseDirectory, configuration.data);
  const monotonicMs = options.monotonicMs ?? (() => performance.now());
  const repairsOf = (cause: string) => new LogRepairs(monotonicMs, cause, options.timers);
  const ownRepairs = repairsOf('The log differs from what the own database holds of it');
  const replicaRepairs = repairsOf('Logs below differ from what the parent holds of them');
  const run = (life: LogLife) => runLife(told, { ...life, ownRepairs, replicaRepairs });
  await runOverResets({ configuration, dataDirectory, logger }, run, signal, monotonicMs);
}

/** `ownRepairs`: of the log by what the own database holds of it. `replicaRepairs`: of logs below by what the parent holds of them. */
type CentralLife = LogLife & { readonly ownRepairs: LogRepairs; readonly replicaRepairs: LogRepairs };

async function runLife(options: RunCentralOptions, life: CentralLife): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const parts = await openParts(options, life, stack);
  const { servers, links, retrievals, projections, pins, facts, projected, logger } = parts;
  const grpc = stack.use(createGrpcServer({ credentials: parts.credentials, logger }));
  const retry = (error: unknown) => logger.warn({ err: error }, 'the database is away; trying again');
  const children = await takeInChildren(grpc, parts, { ...options, retry }, stack);
  grpc.addService(parts.channels.definition, parts.channels.implementation);
  const listenPort = (await grpc.listen(options.configuration.listen)).port;
  const { unrepaired } = parts;
  const raiseAlarm = servers.alarms.raise;
  const trouble = new OwnLogTrouble({ unrepaired, raiseAlarm, logger, onRetry: retry });
  const readiness = { isShown: false, trouble, awayBecause: children.awayBecause };
  const operators = new OperatorLog({
    ...{ log: servers.log, sql: parts.sql, personal: servers.subjectKeys, now: Date.now, newEventId: newId },
  });
  const asked = await listenFor(parts.sql, OPERATOR_CHANNEL);
  const http = stack.use(await openHttp(options, { ...parts, operators }, readiness));
  const resets = {
    ...{ sql: parts.sql, feedGrown: await listenFor(parts.sql, FEED_CHANNEL) },
    nameOf: (site: SiteId) => nameOfSite(parts.sql, site),
    raiseAlarm,
  };
  const erasures = { feedGrown: resets.feedGrown, raiseAlarm };
  const reportKnown = childReporter(options, parts);
  const onMoved = () => {
    parts.factsMoved();
    reportKnown();
  };
  const isNotFirst = ({ recordingServerId }: { readonly recordingServerId: RecordingServerId }) =>
    recordingServerId !== options.configuration.recordingServers[0]?.id;
  const announce = async (running: AbortSignal) => {
    await showOwnLog(parts, running);
    if (running.aborted) return;
    readiness.isShown = true;
    options.onReady({ httpPort: http.port, listenPort });
    logger.info({ site: options.configuration.site, httpPort: http.port, listenPort }, 'central runs');
  };
  try {
    await runTogether(
      [
        running => servers.run(running),
        alarmsOfUnrepairedLog(servers, life.repairs, logger),
        ...ownLogTasks(parts, life, trouble),
        running => life.mend(servers.log, running),
        ...beginsAgainWithMedia(
          // Without that of the first there is no central: it halts, and waits.
          { ...servers, mediaToMiss: servers.mediaToMiss.filter(isNotFirst) },
          { beginAgain: life.beginAgain, logger },
        ),
        running => parts.database.watch(running),
        running => projections.run(running),
        running => operators.run({ asked, onFailure: retry }, running),
        running => pins.run(projected, running, retry),
        running => facts.run({ projected, onMoved, onFailure: retry }, running),
        running => watchResets({ ...resets, onFailure: retry }, running),
        running => parts.erasedKeys.run({ ...erasures, onFailure: retry }, running),
        running => retrievals.run(running),
        ...reportTasks(options, parts, life, children.moved),
        ...children.tasks,
        ...(unrepaired === null ? [announce] : []),
      ],
      life.signal,
      failure => life.isReset(failure) || options.onEnding(),
    );
  } finally {
    await links.settled();
  }
}

/** The own log is taken in; or, as long as it and the database are not one history, the next attempt to make them that is waited for. */
function ownLogTasks(
  { servers, intake, logger, unrepaired }: CentralParts,
  { ownRepairs, beginAgain }: CentralLife,
  trouble: OwnLogTrouble,
): readonly Task[] {
  const { log } = servers;
  if (unrepaired === null) {
    const { random } = Math;
    const onRetry = (error: unknown) => trouble.met(error);
    const checkpoint = () => log.signedCheckpoint();
    return [signal => runOwnLogIntake({ ...{ log, intake, signal, random, onRetry, checkpoint } })];
  }
  return [
    alarmsOfUnrepairedLog(servers, ownRepairs, logger),
    async running => {
      await ownRepairs.untilDue(running);
      if (!running.aborted) beginAgain();
    },
  ];
}

/** A central below another one is a site too: its own log goes up, and those of its children with it. */
function reportTasks(
  { configuration, logger }: RunCentralOptions,
  parts: CentralParts,
  { repairs: lostHistory, replicaRepairs }: CentralLife,
  onMoved: (origin: SiteId) => void,
) {
  const { above: acknowledgements, credentials, links, relayed, servers, sql } = parts;
  const { parent } = configuration;
  if (parent === undefined || acknowledgements === null) return [];
  const readThrough = () => ownLogReadThrough(parts);
  const mender = createReplicaMender({ sql, ownSite: servers.siteId });
  const takeBack = takeBackReplicas({
    ...{ ...parts, mender, repairs: replicaRepairs, logger },
    ...{ children: () => servers.management.state.site.children.keys(), onMoved },
    file: pulledHistoryFileOf(parts.dataDirectory),
  });
  return [
    ...reportToParent({
      ...{ parent, credentials, servers, acknowledgements, lostHistory, logger },
      relayed: { follow: running => relayed.follow(running), heads: () => links.heads(), takeBack },
    }),
    alarmsOfUnrepairedLog(servers, replicaRepairs, logger),
    ...truncateLog({ configuration, servers, acknowledgements, readThrough, logger }),
  ];
}

function childReporter(
  { onChildKnown }: RunCentralOptions,
  { facts, links, servers }: Pick<CentralParts, 'facts' | 'links' | 'servers'>,
): () => void {
  return () => {
    for (const site of servers.management.state.site.children.keys()) {
      if (facts.linkState(site, links.view(site)) === 'UP') onChildKnown(site);
    }
  };
}

/** Who is told that a central serves may ask for every site that it has enrolled. */
function showOwnLog({ sql, servers, projected }: CentralParts, signal: AbortSignal): Promise<void> {
  return new Freshness({ sql, ownHead: () => servers.log.head(), projected }).untilOwnLog(signal);
}

interface CentralParts {
  readonly dataDirectory: string;
  readonly credentials: PeerCredentials;
  readonly servers: SiteServers;
  readonly retrieved: RecordingServer;
  readonly database: Database;
  readonly sql: Sql;
  readonly intake: ReplicaIntake;
  readonly replicas: ReplicaReader;
  readonly relayed: RelayedReplicas;
  readonly keys: OriginKeys;
  /** What this central's own parent acknowledges; null when it has none. */
  readonly above: Acknowledgements | null;
  readonly answers: AnswerWatch;
  readonly projected: Wakeup;
  readonly projections: Projections;
  /** Why the own log and what the database holds of it are not one history; null: they are. */
  readonly unrepaired: string | null;
  readonly pins: EvidenceLockPins;
  readonly erasedKeys: ErasedKeys;
  readonly facts: FactsWatch;
  /** Something is known, or a link is up, that was not before. */
  readonly factsMoved: () => void;
  readonly links: LinkKeeper;
  readonly channels: MediaChannelService;
  readonly retrievals: RetrievalService;
  readonly logger: Logger;
}

async function openParts(
  options: RunCentralOptions,
  { ownRepairs }: Pick<CentralLife, 'ownRepairs'>,
  stack: AsyncDisposableStack,
): Promise<CentralParts> {
  const { configuration, baseDirectory, logger } = options;
  const dataDirectory = path.resolve(baseDirectory, configuration.data);
  const credentials = await requiredCredentials(path.resolve(baseDirectory, configuration.credentials));
  const database = stack.use(
    await openDatabase({
      directory: path.join(dataDirectory, 'postgres'),
      databaseUrl: process.env.DATABASE_URL ?? null,
    }),
  );
  const { sql } = database;
  const unrepaired = await repairOwnLogIfPossible({ configuration, dataDirectory, sql, logger }, ownRepairs);
  const pins = new EvidenceLockPins({ sql, now: Date.now });
  await pins.refresh();
  const above = configuration.parent === undefined ? null : new Acknowledgements();
  const isHistoryAwaited = () => unrepaired !== null || above?.of(configuration.site.id).top === null;
  const servers = stack.use(
    await openSiteServers({ ...options, pins: () => pins.spans(), isHistoryAwaited }),
  );
  await enrolChildSites(servers.management, configuration, baseDirectory);
  const retrieved = firstRecordingServer(servers, configuration);
  if (!retrieved)
    throw new RecordingServerMissingError('a central needs a recording server: it holds what is retrieved');
  const answers = new AnswerWatch();
  const replicas = createPostgresReplicaReader(sql);
  const relayed = new RelayedReplicas({ own: servers.siteId, replicas });
  const erasedKeys = new ErasedKeys({ sql, keys: servers.subjectKeys });
  await erasedKeys.catchUp();
  const intake = relayed.watch(answers.watch(createPostgresReplicaIntake(sql)));
  const projected = await listenFor(sql, PROJECTED_CHANNEL);
  const projections = new Projections({
    ...{ sql, ownSite: servers.siteId, models: readModels, now: Date.now, random: Math.random },
    feedGrown: await listenFor(sql, FEED_CHANNEL),
    buildThread: database.target,
    reports: projectionReporter({ logger, raiseAlarm: servers.alarms.raise }),
  });
  const channels = stack.use(
    createMediaChannelService({
      ...{ siteId: servers.siteId, software: SOFTWARE, monotonicMs: () => performance.now(), logger },
    }),
  );
  const linked = await openLinks({ sql, servers, channels, retrieved, logger }, stack);
  pins.expect(linked.links.heldBefore(), site => isWrittenOff(servers.log, site));
  await pins.refresh();
  return {
    ...{
      dataDirectory,
      credentials,
      servers,
      retrieved,
      database,
      sql,
      intake,
      replicas,
      relayed,
      keys: createOriginKeys({ sql, management: servers.management, ownSite: servers.siteId }),
      answers,
      erasedKeys,
    },
    ...{ projected, projections, unrepaired, pins, above, channels, logger, ...linked },
  };
}

/** Links and retrieval need each other: a link that is back starts retrieval, and retrieval asks for the state of links. */
async function openLinks(
  parts: Pick<CentralParts, 'sql' | 'servers' | 'channels' | 'retrieved' | 'logger'>,
  stack: AsyncDisposableStack,
): Promise<Pick<CentralParts, 'facts' | 'factsMoved' | 'links' | 'retrievals'>> {
  const { sql, servers, channels, retrieved, logger } = parts;
  const facts = new FactsWatch(sql);
  const children = [...servers.management.state.site.children.keys()];
  const outages = new OutageWatch({
    isCurrent: site => facts.linkState(site, links.view(site)) === 'UP',
    request: (site, outage) => retrievals.onLinkUp(site, outage),
    onFailure: (error, site, outage) =>
      logger.error({ err: error, site, outage }, 'what was missed could not be requested; trying again'),
  });
  const factsMoved = () => {
    retrievals.replanSoon();
    void outages.heal();
  };
  const links: LinkKeeper = stack.use(
    await openLinkKeeper({
      ...{ log: servers.log, sites: children, now: Date.now, newEventId: newId, logger },
      actor: `site:${servers.siteId}`,
      replicaPosition: site => readReplicaCursor(sql, site),
      onChange: (site, view) => {
        outages.observe(site, view);
        if (view.state === 'UP') factsMoved();
      },
    }),
  );
  for (const site of children) {
    await outages.restore(servers.log, site);
    outages.observe(site, links.view(site));
  }
  const retrievals = new RetrievalService({
    ...{ log: servers.log, facts: createRetrievalFacts(sql, servers.siteId), intake: retrieved.database },
    ...{ now: Date.now, random: Math.random, newId, actor: `site:${servers.siteId}`, logger },
    sourceOf: of => channels.mediaSourceOf(of),
    attached: () => channels.attached(),
    linkState: site => facts.link(site, links.view(site)),
    budgetOf: () => DEFAULT_RETRIEVAL_BUDGET,
  });
  channels.onAttached(() => retrievals.replanSoon());
  return { facts, factsMoved, links, retrievals };
}

type Task = (signal: AbortSignal) => Promise<void>;

/** `moved`: what is held of a log has moved beside the session that brings it. */
interface ChildrenTakenIn extends BackboneRoles {
  readonly moved: (origin: SiteId) => void;
}

/** Takes in the logs of children: straight into the database, or over a backbone, by the roles of this process. */
async function takeInChildren(
  grpc: GrpcServer,
  parts: CentralParts,
  options: RunCentralOptions & { readonly retry: (error: unknown) => void },
  stack: AsyncDisposableStack,
): Promise<ChildrenTakenIn> {
  const { sql, servers, intake, answers, links, logger } = parts;
  const { configuration, baseDirectory, retry: onFailure } = options;
  const { backbone } = configuration;
  const heartbeatMs = configuration.listen.heartbeatSeconds * 1000;
  const enrolled = (site: SiteId) => servers.management.state.site.children.has(site);
  registerSubjectKeyService(grpc, { sink: servers.subjectKeys, logger, enrolled });
  const feedGrown = await listenFor(sql, FEED_CHANNEL);
  const { raise: raiseAlarm } = servers.alarms;
  const { monotonicMs = () => performance.now() } = options;
  const alarming = alarmingLinks(links, {
    nameOf: site => nameOfSite(sql, site),
    ...{ raiseAlarm, monotonicMs },
  });
  if (!backbone) {
    // Out of the feed: a wish that a child can answer must not be lost with the log's file alone.
    const wishes = await openFeedLog({ sql, site: servers.siteId, sha256, feedGrown, onFailure });
    const replication = stack.use(
      createReplicationService({
        ...{ intake, replicas: parts.replicas, log: wishes, logger, sha256 },
        links: alarming,
        ...(parts.above === null ? {} : { above: parts.above }),
        onLogLost: signed => parts.relayed.lost(signed),
        ...{ now: Date.now, timers: processTimers, software: SOFTWARE, enrolled, heartbeatMs },
        ...{ verify: verifyNoteOffThread, signer: noteSigner(servers.keys.logKey), keys: parts.keys },
      }),
    );
    replication.register(grpc);
    return { tasks: [], awayBecause: () => null, moved: origin => replication.moved(origin) };
  }
  const watch = new SessionWatch({ sql, links: alarming, heartbeatMs });
  const reported = await listenFor(sql, SESSION_CHANNEL);
  await new BackboneAlarm({ alarms: servers.alarms, monotonicMs }).listen(sql);
  await hearAlarmsOfNodes(sql, servers.alarms);
  const roles = await openBackboneRoles(
    {
      configuration: { ...configuration, backbone },
      ...{ baseDirectory, sql, wishes: servers.log, enrolled, grpc, logger, logKey: servers.keys.logKey },
      monotonicMs,
    },
    stack,
  );
  return {
    ...roles,
    // It has no parent that could hold more.
    moved: () => undefined,
    tasks: [
      ...roles.tasks,
      running => watch.run({ reported, onFailure }, running),
      running => answers.follow({ sql, feedGrown, sha256, onFailure }, running),
    ],
  };
}

function openHttp(
  options: RunCentralOptions,
  parts: CentralParts & { readonly operators: OperatorLog },
  readiness: Pick<BackboneRoles, 'awayBecause'> & {
    readonly isShown: boolean;
    readonly trouble: OwnLogTrouble;
  },
): Promise<CentralHttp> {
  const { configuration, baseDirectory, logger } = options;
  const { sql, servers, links, facts, answers, retrievals, channels, retrieved, dataDirectory } = parts;
  const { siteId: ownSite, log, management, recordingServers, subjectKeys: personal } = servers;
  const { emulatedLinks } = configuration;
  const devices = { sql, ownSite, recordingServers, retrieved, channels };
  return createCentralHttp({
    ...{ ...configuration.http, sql, projected: parts.projected },
    defineMetrics: registry => {
      defineLogMetrics(registry, () => servers);
      defineRecordingMetrics(registry, () => servers);
      defineStorageMetrics(registry, () => servers);
    },
    api: {
      ...{ ownSite, ownHead: () => log.head(), softwareVersion: SOFTWARE, now: Date.now, newId },
      foldCode: foldCode(),
      commands: createSiteCommandGateway({
        ...{ ownSite, log, management, answers, now: Date.now, newId, personal },
        isUp: site => links.view(site).state === 'UP',
      }),
      retrievals: createRetrievalRequests(retrievals),
      cameras: createCentralCameraControl(devices),
      operators: parts.operators,
      awaitedSites: () => parts.pins.awaited(),
      newestReceipt: newestReceipt(log),
      projections: parts.projections,
      searchMotion: (deviceId, query) => searchMotion(recordingServers.values(), deviceId, query),
      personal,
      awayAt: site => recordingServersAway(site, devices, links.view(site).state),
      links: createLinkViews(links, facts),
      linkControl: emulatedLinks
        ? createEmulatedLinkControl({
            url: emulatedLinks.url,
            tokenFile: path.resolve(baseDirectory, emulatedLinks.tokenFile),
          })
        : null,
      sealCredentials: (site, userName, password) => sealForSite(sql, site, { userName, password }),
      servers: () =>
        [...recordingServers.values()].map(server => ({
          name:
            management.state.recordingServers.get(server.recordingServerId)?.name ?? server.recordingServerId,
          state: server.isHalted ? 'HALTED' : 'RUNNING',
          detail: null,
        })),
    },
    media: createCentralMediaDirectory({
      ...{ ...devices, now: Date.now },
      snapshots: read =>
        new SnapshotMaker({ read, ffmpeg: ffmpegCandidates(process.env.FFMPEG_BIN ?? null) }),
    }),
    administrator: Administrator.load(dataDirectory),
    tokens: AccessTokens.load({ dataDirectory, issuer: `urn:uuid:${ownSite}`, now: Date.now }),
    reportSignIn: signInReporter({ log, personal, now: Date.now, newEventId: newId, logger }),
    notReadyBecause: () =>
      log.failedBecause?.() ??
      (readiness.isShown
        ? readiness.awayBecause()
        : (readiness.trouble.because ?? 'the read models do not show the own log yet')),
    onFault: error => logger.error({ err: error }, 'a request failed'),
  });
}

/** A camera may have been moved: then parts of its recordings lie at several recording servers. */
function searchMotion(
  servers: Iterable<RecordingServer>,
  deviceId: DeviceId,
  query: HeatMapQuery,
): readonly number[] {
  const found = [...servers].flatMap(server => server.searchMotion(deviceId, query));
  return [...new Set(found)].sort((one, other) => one - other);
}

/** Null while the site's log, which carries its public key, has not arrived. */
async function sealForSite(
  sql: Sql,
  site: SiteId,
  credentials: { readonly userName: string; readonly password: string },
): Promise<string | null> {
  const [row] = await sql<{ sealingPublicKey: string | null }[]>`
    select sealing_public_key from site where id = ${site}`;
  return row?.sealingPublicKey ? sealCredentials(credentials, row.sealingPublicKey) : null;
}

/** As the read models know it; its id while they do not. */
async function nameOfSite(sql: Sql, site: SiteId): Promise<string> {
  const [row] = await sql<{ name: string }[]>`select name from site where id = ${site}`;
  return row?.name ?? site;
}
