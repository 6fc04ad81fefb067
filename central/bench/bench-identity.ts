import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { SiteLog } from '@holdfast/core';
import {
  Acknowledgements,
  type CertificateAuthority,
  dialParent,
  issuePeerCredentials,
  type LostHistorySink,
  type PeerCredentials,
  processTimers,
  runReplication,
  serverNameOfRole,
} from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { newUuid, noteSigner, SOFTWARE, sha256, verifyNote } from '@holdfast/sites';
import { pino } from 'pino';

/** Of a benchmark's processes. Silent unless somebody wants to see why it does not come to an end. */
export const benchLogger = pino(
  { level: process.env.HOLDFAST_LOG_LEVEL ?? 'silent' },
  pino.destination({ fd: 2, sync: true }),
);

/** What a site of a benchmark is known by. Plain data, so that it may be handed to a process. */
export interface BenchIdentity {
  readonly siteId: SiteId;
  readonly logKeyPem: string;
  readonly credentials: PeerCredentials;
}

export async function newBenchIdentity(
  authority: CertificateAuthority,
  role: string,
): Promise<BenchIdentity> {
  const siteId = newUuid<SiteId>();
  const { privateKey } = generateKeyPairSync('ed25519');
  return {
    siteId,
    logKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }).toString(),
    credentials: await issuePeerCredentials(authority, { site: siteId, role, nowMs: Date.now() }),
  };
}

export function logKeyOf({ logKeyPem }: BenchIdentity): KeyObject {
  return createPrivateKey(logKeyPem);
}

/** Replicates the log of a site to the central that listens on this port of this machine, as a site does, until aborted. */
export function replicateToCentral(
  options: {
    readonly identity: BenchIdentity;
    readonly log: SiteLog;
    readonly port: number;
    readonly backoffMsMax: number;
    readonly acknowledgements?: Acknowledgements;
    readonly lostHistory?: LostHistorySink;
  },
  signal: AbortSignal,
): Promise<void> {
  const { identity, log, port, backoffMsMax } = options;
  const { siteId: site, credentials } = identity;
  const parent = { host: '127.0.0.1', port, serverName: serverNameOfRole('central') };
  return runReplication(
    {
      ...{ log, site, sha256, verify: verifyNote, signer: noteSigner(logKeyOf(identity)), backoffMsMax },
      ...{
        software: SOFTWARE,
        logger: benchLogger,
        now: Date.now,
        timers: processTimers,
        random: Math.random,
      },
      dial: () => dialParent({ parent, credentials }),
      parentKey: { known: () => null, pin: async () => undefined },
      wishes: { cursor: async () => null, accept: async () => undefined },
      acknowledgements: options.acknowledgements ?? new Acknowledgements(),
      ...(options.lostHistory && { lostHistory: options.lostHistory }),
    },
    signal,
  );
}
