import type { TruncatableLog, TruncationFacts } from '@holdfast/core';
import type { Acknowledgements } from '@holdfast/interconnect';
import type { Logger } from 'pino';
import { Gauge, type Registry } from 'prom-client';
import type { SiteConfiguration } from './configuration/site-configuration.js';
import type { DurableSiteLog } from './log/durable-site-log.js';
import { runTruncation } from './log/truncation-schedule.js';
import type { SiteServers } from './site-servers.js';

const DAY_MS = 24 * 3600 * 1000;

export interface LogTruncationTask {
  readonly configuration: Pick<SiteConfiguration, 'log'>;
  readonly servers: SiteServers;
  readonly acknowledgements: Acknowledgements;
  /** How far other readers of the whole log have come. Rejects when it cannot be known. */
  readonly readThrough?: () => Promise<TruncationFacts['readThrough']>;
  readonly logger: Logger;
  /** Other than the real ones for tests only. */
  readonly intervalMs?: number;
  readonly retryMs?: number;
}

/** What a site or a central does to keep its log short: nothing unless its configuration says so. */
export function truncateLog(options: LogTruncationTask): readonly ((signal: AbortSignal) => Promise<void>)[] {
  const { configuration, servers, acknowledgements, logger, readThrough = async () => [] } = options;
  const { log, siteId } = servers;
  const { keepDays, until } = configuration.log ?? {};
  if (keepDays === undefined || !isTruncatable(log)) return [];
  const level = until === 'top' ? 'TOP' : 'PARENT';
  const { intervalMs, retryMs } = options;
  const schedule = {
    policy: { acknowledgedBy: level, keepMs: keepDays * DAY_MS },
    log,
    acknowledged: () => acknowledgements.of(siteId)[level === 'TOP' ? 'top' : 'parent'],
    needs: async () => ({
      readThrough: await readThrough(),
      recordingsSinceMs: recordingsNeededSince(servers),
    }),
    ...{ now: Date.now, logger },
    ...(intervalMs === undefined ? {} : { intervalMs }),
    ...(retryMs === undefined ? {} : { retryMs }),
  } as const;
  return [signal => runTruncation(schedule, signal)];
}

/** Of each recording server. What is on a disk that is away is needed since nobody knows when. */
export function recordingsNeededSince({
  recordingServers,
  awayMedia,
}: Pick<SiteServers, 'recordingServers' | 'awayMedia'>): readonly number[] {
  return [
    ...Array.from(recordingServers.values(), server => server.neededSinceMs()),
    ...awayMedia.map(() => 0),
  ];
}

function isTruncatable(log: DurableSiteLog): log is DurableSiteLog & TruncatableLog {
  return log.truncate !== undefined;
}

/** For `/metrics`: null while the log is not open. */
export function defineLogMetrics(registry: Registry, servers: () => Pick<SiteServers, 'log'> | null): void {
  const registers = [registry];
  const size: Gauge = new Gauge({
    ...{ name: 'holdfast_log_events', help: 'Events of the current epoch of the log.', registers },
    collect() {
      const log = servers()?.log;
      if (log === undefined) return;
      const head = log.head();
      const keptAfter = log.keptAfter?.();
      size.set(head.size);
      truncated.set(keptAfter?.epoch === head.epoch ? keptAfter.position : 0);
      const away = log.away?.() ?? null;
      awaySeconds.set(away === null ? 0 : (Date.now() - away.sinceMs) / 1000);
    },
  });
  const awaySeconds = new Gauge({
    ...{
      name: 'holdfast_log_away_seconds',
      help: 'How long the server that keeps the log has been away; 0: it is there, or the log is a file.',
      registers,
    },
  });
  const truncated = new Gauge({
    ...{
      name: 'holdfast_log_truncated_events',
      help: 'Of those, removed because others hold them.',
      registers,
    },
  });
}
