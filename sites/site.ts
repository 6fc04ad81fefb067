import path from 'node:path';
import type { PulledHistory } from '@holdfast/core';
import { Acknowledgements, type PeerCredentials } from '@holdfast/interconnect';
import type { AlarmId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { SiteConfiguration } from './configuration/site-configuration.js';
import { requiredCredentials } from './credentials/required-credentials.js';
import { openSiteLog } from './log/open-site-log.js';
import { keepPulledHistory } from './log/pulled-history-file.js';
import { openOperationsServer } from './operations/operations-server.js';
import { reportToParent } from './report-to-parent.js';
import { runTogether } from './run-together.js';
import { pulledHistoryFileOf } from './site-directory.js';
import { loadSiteKeys } from './site-keys.js';
import { newUuid, openSiteServers, type SiteServers } from './site-servers.js';

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
 * holds history that the log has lost, everything that works on the log is ended, the log repaired, and all of it opened again.
 */
export async function runSite(options: RunSiteOptions, signal: AbortSignal): Promise<void> {
  const { configuration, logger } = options;
  const credentials = await credentialsOf(options);
  const life: SiteLife = { credentials, isOpen: false, unrepairedBecause: null };
  await using operations = await openOperationsServer({
    ...configuration.operations,
    notReadyBecause: () => (life.isOpen ? null : 'the log is being opened'),
  });
  let onOpen = () => {
    options.onReady({ operationsPort: operations.port });
    logger.info({ site: configuration.site, operationsPort: operations.port }, 'site runs');
    onOpen = () => logger.info('the site runs again');
  };
  for (;;) {
    await using lost = await runUntilReset(options, life, () => onOpen(), signal);
    if (lost === null) return;
    await repairLog(options, life, lost);
  }
}

interface SiteLife {
  readonly credentials: PeerCredentials | null;
  isOpen: boolean;
  /** Why the log could not be repaired: it is not tried again before the process is started anew. */
  unrepairedBecause: string | null;
}

/** Null when the signal was aborted; otherwise the history that the log has lost. */
async function runUntilReset(
  options: RunSiteOptions,
  life: SiteLife,
  onOpen: () => void,
  signal: AbortSignal,
): Promise<(PulledHistory & AsyncDisposable) | null> {
  const { configuration, logger } = options;
  const { unrepairedBecause } = life;
  await using servers = await openSiteServers({ ...options, pins: () => [] });
  life.isOpen = true;
  onOpen();
  if (unrepairedBecause !== null) await alarmOf(servers, unrepairedBecause);
  const reset = new AbortController();
  let lost: (PulledHistory & AsyncDisposable) | null = null;
  const onLostHistory = async (history: PulledHistory) => {
    lost = await keepPulledHistory(history, pulledHistoryFileOf(dataDirectoryOf(options)));
    reset.abort();
  };
  const { parent } = configuration;
  const reports =
    parent === undefined || life.credentials === null
      ? []
      : reportToParent({
          ...{ parent, credentials: life.credentials, servers, logger },
          acknowledgements: new Acknowledgements(),
          ...(unrepairedBecause === null ? { onLostHistory } : {}),
        });
  await runTogether(
    [running => servers.run(running), ...reports],
    AbortSignal.any([signal, reset.signal]),
    () => reset.signal.aborted || options.onEnding(),
  );
  life.isOpen = false;
  return signal.aborted ? null : lost;
}

/** With nobody at work on the log: puts back what it has lost, and begins its next epoch. */
async function repairLog(options: RunSiteOptions, life: SiteLife, history: PulledHistory): Promise<void> {
  const { configuration, logger } = options;
  const dataDirectory = dataDirectoryOf(options);
  const { logKey: signingKey } = loadSiteKeys(dataDirectory);
  const { id: site } = configuration.site;
  const log = await openSiteLog({ configuration, dataDirectory, site, signingKey, logger });
  const outcome = await log.reopenAs(history);
  await using _reopened = outcome.log;
  if (outcome.reopened) {
    const { epoch } = outcome.log.head();
    logger.warn({ epoch, common: history.common, reason: history.reason }, 'the log has its history back');
    return;
  }
  const { code, detail } = outcome.refusal;
  life.unrepairedBecause = `${code}: ${detail}`;
  logger.error({ code, detail }, 'the log cannot be repaired with what the parent holds');
}

async function alarmOf({ management, siteId }: SiteServers, message: string): Promise<void> {
  const name = 'The log differs from what the parent holds of it';
  await management.raiseAlarm({
    ...{ alarmId: newUuid<AlarmId>(), name, message: message.slice(0, 1000) },
    actor: `site:${siteId}`,
  });
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
