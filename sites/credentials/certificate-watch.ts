import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  certificatesOfFile,
  type FileCertificate,
  fittingCredentials,
  peerFiles,
} from '@holdfast/interconnect';
import type { Logger } from 'pino';
import type { AlarmsByCause, CausedAlarm } from '../alarms-by-cause.js';
import { tlsFilesOf } from '../configuration/kurrent-configuration.js';
import type { SiteConfiguration } from '../configuration/site-configuration.js';

const DAY_MS = 24 * 3600 * 1000;
const LOOK_MS = 3_600_000;
/** From the last day to the first on which somebody is told, and how urgent it is from then on. */
const GRACES = [
  { days: 0, priority: 1 },
  { days: 1, priority: 1 },
  { days: 7, priority: 2 },
  { days: 30, priority: 3 },
] as const satisfies readonly { days: number; priority: CausedAlarm['priority'] }[];

/** A certificate file that a process uses. */
export interface WatchedFile {
  readonly file: string;
  /** As alarms about it name it, wherever the installation lies. */
  readonly name: string;
  /** Whose it is, and how another one is had. */
  readonly whose: {
    readonly is: string;
    readonly renewal: string;
    /** It is taken while the server runs, as soon as it fits what lies beside it. */
    readonly isTaken?: true;
    /** It may hold authorities of all the world: which of them the peer has nobody can say, so the last one to expire counts. Else the first. */
    readonly isBundle?: true;
  };
}

const own = {
  is: 'The certificate of this server',
  renewal: 'Peers refuse it then. holdfast renew writes a new one, which this server takes within a minute.',
  isTaken: true,
} as const;
const authority = {
  is: 'The certificate of the authority of this server',
  renewal:
    'No certificate of it is believed then: a new authority, and certificates of it for all its servers, are needed.',
  isTaken: true,
} as const;
const ofLogServer = {
  is: 'A certificate for the server of the log',
  renewal:
    'The log cannot be reached with it then: put another one in its place and start this server again.',
};
const authoritiesOfLogServer = { ...ofLogServer, isBundle: true } as const;

/** The certificates by which this process and its peers know each other, and those of a log that is kept on a server. */
export function filesOfCertificates(
  { credentials, log }: Partial<Pick<SiteConfiguration, 'credentials' | 'log'>>,
  baseDirectory: string,
): readonly WatchedFile[] {
  const files: WatchedFile[] = [];
  if (credentials !== undefined) {
    for (const [part, whose] of [
      ['certificatePem', own],
      ['authorityPem', authority],
    ] as const) {
      const name = path.join(credentials, peerFiles[part]);
      files.push({ file: path.resolve(baseDirectory, name), name, whose });
    }
  }
  if (log?.kurrent === undefined) return files;
  const { authorities, own: ofClient } = tlsFilesOf(log.kurrent.connectionString);
  for (const [name, whose] of [
    [authorities, authoritiesOfLogServer],
    [ofClient, ofLogServer],
  ] as const) {
    if (name !== undefined) files.push({ file: path.resolve(name), name, whose });
  }
  return files;
}

/**
 * Raises an alarm thirty days before a certificate expires, makes it more urgent as that comes near, and closes it when the process
 * uses another one. Until the signal is aborted.
 */
export async function watchCertificates(
  options: {
    readonly files: readonly WatchedFile[];
    readonly alarms: AlarmsByCause;
    readonly now: () => number;
    readonly logger: Logger;
    /** Other than the real one for tests only. */
    readonly lookMs?: number;
  },
  signal: AbortSignal,
): Promise<void> {
  const { files, alarms, now, logger, lookMs = LOOK_MS } = options;
  // Of those that are not taken while the server runs, another one in its place is used from the next start on.
  const used = files.map(watched => ({ watched, counts: whatCounts(watched) }));
  const told = new Map<WatchedFile, (typeof GRACES)[number] | null>();
  /** Of which it is not known yet whether the log has it. */
  const telling = new Set<WatchedFile>();
  const tell = async (
    watched: WatchedFile,
    grace: (typeof GRACES)[number] | null,
    done: Promise<boolean>,
  ) => {
    telling.add(watched);
    if (await done) told.set(watched, grace);
    telling.delete(watched);
  };
  while (!signal.aborted) {
    for (const each of used) {
      const { watched } = each;
      if (watched.whose.isTaken && fittingCredentials(path.dirname(watched.file)) !== null)
        each.counts = whatCounts(watched);
      const { counts } = each;
      if (counts === undefined) continue;
      const leftMs = counts.validToMs - now();
      const grace = GRACES.find(({ days }) => leftMs <= days * DAY_MS) ?? null;
      if (told.get(watched) === grace || telling.has(watched)) continue;
      const cause = `the certificate in ${watched.name} expires`;
      if (grace === null) {
        const reason = `It is valid until ${atOf(counts)}.`;
        void tell(watched, grace, alarms.end({ cause, reason }));
      } else {
        const alarm = { ...alarmOf(watched, counts, leftMs), cause, priority: grace.priority };
        logger[leftMs > 0 ? 'warn' : 'error']({ file: watched.file, validTo: atOf(counts) }, alarm.name);
        void tell(watched, grace, alarms.raise({ ...alarm, recurs: 'UNLESS_OPEN' }));
      }
    }
    await delay(lookMs, undefined, { signal }).catch(() => undefined);
  }
}

function alarmOf(
  { file, whose }: WatchedFile,
  certificate: FileCertificate,
  leftMs: number,
): Pick<CausedAlarm, 'name' | 'message'> {
  const days = Math.floor(leftMs / DAY_MS);
  const within = days > 0 ? `expires in ${days} ${days === 1 ? 'day' : 'days'}` : 'expires within a day';
  return {
    name: `${whose.is} ${leftMs > 0 ? 'expires soon' : 'has expired'}`,
    message: `${file}: ${leftMs > 0 ? `${within}, at` : 'expired at'} ${atOf(certificate)}. ${whose.renewal}`,
  };
}

function atOf({ validToMs }: FileCertificate): string {
  return new Date(validToMs).toISOString();
}

function whatCounts({ file, whose }: WatchedFile): FileCertificate | undefined {
  const firstToLast = [...certificatesOfFile(file)].sort((one, other) => one.validToMs - other.validToMs);
  return firstToLast.at(whose.isBundle ? -1 : 0);
}
