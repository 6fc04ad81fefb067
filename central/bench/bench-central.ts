import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { savePeerCredentials } from '@holdfast/interconnect';
import type { RecordingServerId, SiteId } from '@holdfast/schema';
import { newUuid } from '@holdfast/sites';
import { administratorPasswordFile } from '../identity/administrator.js';
import type { BenchCentralReport } from './bench-central.process.js';
import type { BenchIdentity } from './bench-identity.js';
import { messageOf } from './bench-process.js';

/** What a central knows of a site before it has heard of it. */
export interface EnrolledSite {
  readonly siteId: SiteId;
  readonly certificatePem: string;
}

/** A data directory of a central that these sites may report to. */
export async function prepareCentral(options: {
  readonly directory: string;
  readonly central: BenchIdentity;
  readonly sites: readonly EnrolledSite[];
  readonly heartbeatSeconds: number;
}): Promise<object> {
  const { directory, central, sites, heartbeatSeconds } = options;
  const keys = await writeLogKey(directory, central);
  await savePeerCredentials(path.join(directory, 'credentials'), central.credentials);
  for (const { siteId, certificatePem } of sites) {
    await writeFile(path.join(keys, `${siteId}.crt.pem`), certificatePem);
  }
  return {
    role: 'central',
    site: { id: central.siteId, name: 'Benchmark' },
    data: '.',
    credentials: 'credentials',
    listen: { port: 0, heartbeatSeconds },
    http: { port: 0 },
    recordingServers: [{ id: newUuid<RecordingServerId>(), name: 'Recorder' }],
    children: sites.map(({ siteId }, index) => ({
      ...{ id: siteId, name: `Site ${index + 1}`, certificate: path.join('keys', `${siteId}.crt.pem`) },
    })),
  };
}

/** Where `holdfast verify` looks for it, too. Returns the folder. */
export async function writeLogKey(directory: string, { logKeyPem }: BenchIdentity): Promise<string> {
  const keys = path.join(directory, 'keys');
  await mkdir(keys, { recursive: true, mode: 0o700 });
  await writeFile(path.join(keys, 'log.key.pem'), logKeyPem, { mode: 0o600 });
  return keys;
}

export interface StartedCentral extends BenchCentralReport {
  readonly process: ChildProcess;
}

/** Starts a central as a process of its own. */
export function forkCentral(directory: string, configuration: object, options: ForkOptions = {}) {
  const program = path.join(import.meta.dirname, 'bench-central.process.js');
  const child = fork(program, [directory, JSON.stringify(configuration)], options);
  return { child, serves: messageOf<BenchCentralReport>(child) };
}

/** Starts a central, and waits until it serves. */
export async function startCentral(directory: string, configuration: object): Promise<StartedCentral> {
  const { child, serves } = forkCentral(directory, configuration);
  return { ...(await serves), process: child };
}

/** Signs in as the administrator whose password the central has written down. */
export async function signIn(directory: string, httpPort: number): Promise<string> {
  const password = (await readFile(administratorPasswordFile(directory), 'utf8')).trim();
  const response = await fetch(`http://127.0.0.1:${httpPort}/API/IDP/connect/token`, {
    method: 'POST',
    body: new URLSearchParams({
      ...{ grant_type: 'password', username: 'admin', password, client_id: 'GrantValidatorClient' },
    }),
  });
  const { access_token: token } = (await response.json()) as { access_token?: string };
  if (token === undefined) throw new Error(`the central does not let the benchmark in: ${response.status}`);
  return token;
}
