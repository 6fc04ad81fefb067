import { once } from 'node:events';
import path from 'node:path';
import { Acknowledgements, type PeerCredentials } from '@holdfast/interconnect';
import type { AlarmId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { SiteConfiguration } from './configuration/site-configuration.js';
import { requiredCredentials } from './credentials/required-credentials.js';
import type { LogRepairAlarm, LogRepairs } from './log/log-repairs.js';
import { type LogLife, runOverResets } from './log/run-over-resets.js';
import { whenMediaIsGone, whenMediaIsThere } from './media-away.js';
import { defineLiveMetrics } from './operations/live-metrics.js';
import { openOperationsServer } from './operations/operations-server.js';
import { defineRecordingMetrics, defineStorageMetrics } from './operations/recording-metrics.js';
import { reportToParent } from './report-to-parent.js';
import { runTogether } from './run-together.js';
import { newUuid, openSiteServers, type SiteServers } from './site-servers.js';
import { defineLogMetrics, truncateLog } from './truncate-log.js';
import { untilAborted } from './until-aborted.js';

export interface RunSiteOptions {
  readonly configuration: SiteConfiguration;
  /** Where relative paths of the configuration start. */
  readonly baseDirectory: string;
  readonly logger: Logger;
  readonly onReady: (address: { readonly operationsPort: number }) => void;
  /** Called when the site begins to end, asked to or because a part of it failed. */
  readonly onEnding: () => void;
}

/**
 * A remote site as one process: composition root. Runs until the signal is aborted; needs nobody to record. When its parent
 * holds history that the log has lost, recording pauses while the log is repaired.
 */
export async function runSite(options: RunSiteOptions, signal: AbortSignal): Promise<void> {
  const { configuration, logger } = options;
  const credentials = await credentialsOf(options);
  let open: SiteServers | null = null;
  await using operations = await openOperationsServer({
    ...configuration.operations,
    notReadyBecause: () => {
      if (open === null) return 'the log is being opened';
      const failed = open.log.failedBecause?.() ?? null;
      if (failed !== null) return `the log has failed, recording goes on: ${failed}`;
      const away = open.log.away?.() ?? null;
      if (away !== null) return `the log is away, recording goes on: ${away.reason}`;
      const awaited = [...open.recordingServers.values()].flatMap(server => server.awaited ?? []);
      const because = [...open.awayMedia.map(({ why }) => why), ...awaited.slice(0, 1)];
      return because.length === 0 ? null : because.join('; ');
    },
    defineMetrics: registry => {
      defineLogMetrics(registry, () => open);
      defineRecordingMetrics(registry, () => open);
      defineStorageMetrics(registry, () => open);
      const servers = () => [...(open?.recordingServers.values() ?? [])];
      defineLiveMetrics(registry, () => servers().map(server => server.liveViewers));
    },
  });
  let onOpen = () => {
    options.onReady({ operationsPort: operations.port });
    logger.info({ site: configuration.site, operationsPort: operations.port }, 'site runs');
    onOpen = () => logger.info('the site runs again');
  };
  await runOverResets(
    { configuration, dataDirectory: dataDirectoryOf(options), logger },
    async life => {
      const acknowledgements = new Acknowledgements();
      const isHistoryAwaited = () =>
        configuration.parent !== undefined && acknowledgements.of(configuration.site.id).top === null;
      await using servers = await openSiteServers({ ...options, pins: () => [], isHistoryAwaited });
      open = servers;
      onOpen();
      try {
        await runOnLog({ ...options, credentials, acknowledgements }, servers, life);
      } finally {
        open = null;
      }
    },
    signal,
  );
}

async function runOnLog(
  options: RunSiteOptions & {
    readonly credentials: PeerCredentials | null;
    readonly acknowledgements: Acknowledgements;
  },
  servers: SiteServers,
  { signal, isReset, repairs, mend, beginAgain }: LogLife,
): Promise<void> {
  const { configuration, credentials, acknowledgements, logger, onEnding } = options;
  const { parent } = configuration;
  const reports =
    parent === undefined || credentials === null
      ? []
      : reportToParent({
          ...{ parent, credentials, servers, acknowledgements, logger },
          lostHistory: repairs,
        });
  const truncation = truncateLog({ configuration, servers, acknowledgements, logger });
  const tasks = [
    (running: AbortSignal) => servers.run(running),
    alarmsOfUnrepairedLog(servers, repairs, logger),
    (running: AbortSignal) => mend(servers.log, running),
    ...beginsAgainWithMedia(servers, { beginAgain, logger }),
    ...reports,
    ...truncation,
  ];
  await runTogether(tasks, signal, failure => isReset(failure) || onEnding());
}

/**
 * Recording servers whose disk is there again, or has gone while they have other storages, are opened as everything is: anew. So
 * are those for which an index of what is in other storages had to be made first.
 */
export function beginsAgainWithMedia(
  { awayMedia, mediaToMiss, dataDirectory }: Pick<SiteServers, 'awayMedia' | 'mediaToMiss' | 'dataDirectory'>,
  { beginAgain, logger }: { readonly beginAgain: () => void; readonly logger: Logger },
): readonly ((signal: AbortSignal) => Promise<void>)[] {
  const again = (wait: (signal: AbortSignal) => Promise<void>) => async (signal: AbortSignal) => {
    await wait(signal);
    if (!signal.aborted) beginAgain();
  };
  const preparing = awayMedia.flatMap(({ prepared }) => prepared ?? []);
  const untilPrepared = async (signal: AbortSignal) => {
    try {
      await untilAborted(Promise.race(preparing), signal);
    } catch (error) {
      if (signal.aborted) return;
      // What fails once fails again: it is tried when the disk is back, or the site started anew.
      logger.error({ err: error }, 'no index could be made of what is in other storages');
      await once(signal, 'abort');
    }
  };
  return [
    ...(awayMedia.length === 0 ? [] : [again(signal => whenMediaIsThere(awayMedia, signal))]),
    ...(preparing.length === 0 ? [] : [again(untilPrepared)]),
    ...(mediaToMiss.length === 0
      ? []
      : [again(signal => whenMediaIsGone({ used: mediaToMiss, dataDirectory }, signal))]),
  ];
}

/** For who operates it: the log, and what its parent or the own database holds of it, remain apart. */
export function alarmsOfUnrepairedLog(
  { management, siteId }: Pick<SiteServers, 'management' | 'siteId'>,
  repairs: Pick<LogRepairs, 'tellFailures'>,
  logger: Logger,
): (signal: AbortSignal) => Promise<void> {
  const raiseAlarm = ({ name, message }: LogRepairAlarm) =>
    management.raiseAlarm({
      ...{ alarmId: newUuid<AlarmId>(), name, message: message.slice(0, 1000) },
      actor: `site:${siteId}`,
    });
  return signal => repairs.tellFailures({ raiseAlarm, logger }, signal);
}

function dataDirectoryOf({ configuration, baseDirectory }: RunSiteOptions): string {
  return path.resolve(baseDirectory, configuration.data);
}

async function credentialsOf({
  configuration,
  baseDirectory,
}: RunSiteOptions): Promise<PeerCredentials | null> {
  if (!configuration.parent) return null;
  return requiredCredentials(path.resolve(baseDirectory, configuration.credentials ?? '.'));
}
