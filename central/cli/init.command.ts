import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  issuePeerCredentials,
  loadCertificateAuthority,
  saveCertificateAuthority,
  savePeerCredentials,
  serverNameOfRole,
} from '@holdfast/interconnect';
import { SiteId } from '@holdfast/schema';
import type { CentralConfiguration } from '../configuration/central-configuration.js';
import { readConfigurationOrReport } from './check.command.js';
import { EXIT_WRONG_USE } from './process-lifetime.js';

export interface InitCommandOptions {
  /** A site's name; without it a central is made. */
  readonly site?: string;
  /** The folder of the central that the site reports to, as `init` made it. */
  readonly central?: string;
}

/** `holdfast init DIR`: a configuration with every setting explained, and keys. Returns the exit code. */
export async function initCommand(directory: string, options: InitCommandOptions): Promise<number> {
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    return wrongUse(`${directory} is not empty: name a new folder, so that nothing is overwritten`);
  }
  if ((options.site === undefined) !== (options.central === undefined)) {
    return wrongUse('init: give --site NAME and --central DIR together for a site, neither for a central');
  }
  return options.site === undefined || options.central === undefined
    ? initCentral(directory)
    : initSite(directory, { name: options.site, central: options.central });
}

async function initCentral(directory: string): Promise<number> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const siteId = SiteId.parse(randomUUID());
  const authority = await createCertificateAuthority({ name: 'Holdfast', nowMs: Date.now() });
  await saveCertificateAuthority(path.join(directory, 'authority'), authority);
  await issueCredentials(directory, authority, { siteId, role: 'central' });
  const file = path.join(directory, 'central.yaml');
  writeFileSync(file, centralConfiguration(siteId, randomUUID()), { mode: 0o600 });
  process.stdout.write(`${file} is written. Look through it, then:  holdfast run ${file}\n`);
  return 0;
}

async function initSite(
  directory: string,
  { name, central }: { readonly name: string; readonly central: string },
): Promise<number> {
  const centralFile = path.join(central, 'central.yaml');
  const configuration = readConfigurationOrReport(centralFile);
  if (configuration === null) return EXIT_WRONG_USE;
  const authority = await loadCertificateAuthority(path.join(central, 'authority'));
  if (configuration.role !== 'central' || authority === null) {
    return wrongUse(`${central}: expected central.yaml and authority/, as holdfast init wrote them`);
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const siteId = SiteId.parse(randomUUID());
  await issueCredentials(directory, authority, { siteId, role: 'site' });
  const file = path.join(directory, 'site.yaml');
  writeFileSync(
    file,
    siteConfiguration({ siteId, name, recordingServerId: randomUUID(), central: configuration }),
    {
      mode: 0o600,
    },
  );
  const certificate = path.relative(central, path.join(directory, 'credentials', 'server.crt.pem'));
  process.stdout.write(`${file} is written. Let the central know the site; in ${centralFile}, under children:

  - id: ${siteId}
    name: ${name}
    certificate: ${certificate}

Start the central again, then:  holdfast run ${file}
`);
  return 0;
}

async function issueCredentials(
  directory: string,
  authority: CertificateAuthority,
  { siteId, role }: { readonly siteId: SiteId; readonly role: 'central' | 'site' },
): Promise<void> {
  const credentials = await issuePeerCredentials(authority, { site: siteId, role, nowMs: Date.now() });
  await savePeerCredentials(path.join(directory, 'credentials'), credentials);
}

function wrongUse(message: string): number {
  process.stderr.write(`holdfast: ${message}\n`);
  return EXIT_WRONG_USE;
}

function siteConfiguration(site: {
  readonly siteId: SiteId;
  readonly name: string;
  readonly recordingServerId: string;
  readonly central: CentralConfiguration;
}): string {
  const { siteId, name, recordingServerId, central } = site;
  return `# A Holdfast site. Paths start at this file's folder. Check it with: holdfast check FILE
role: site
site:
  id: ${siteId}
  name: ${JSON.stringify(name)}

# Where everything is kept: the log and the recordings.
data: ./data

# This site's certificate and key, and the authority that its parent's certificate must come from.
credentials: ./credentials

# The central that this site reports to, as seen from here. Without it the site stands alone.
parent:
  siteId: ${central.site.id}
  host: ${central.listen.host}
  port: ${central.listen.port}
  serverName: ${serverNameOfRole('central')}

recordingServers:
  - id: ${recordingServerId}
    name: Recording server
    retentionDays: 30
    # sizeGigabytesMax: 500

# Cameras are added when they are not there yet; afterwards they are changed through the API.
cameras: []
#  - hardwareId: 018f0000-0000-7000-8000-000000000002
#    name: Entrance
#    address: rtsp://192.0.2.10/stream1
#    userName: viewer
#    password: secret
#    recordingServer: ${recordingServerId}
`;
}

function centralConfiguration(siteId: string, recordingServerId: string): string {
  return `# A Holdfast central. Paths start at this file's folder. Check it with: holdfast check FILE
role: central
site:
  id: ${siteId}
  name: Central

# Where everything is kept: the log, the recordings, the database, the administrator's first password.
data: ./data

# This server's certificate and key (server.crt.pem, server.key.pem) and the authority (authority.crt.pem) that its
# children's certificates must come from. Keep ./authority itself off this server once all sites have theirs.
credentials: ./credentials

# Console, GraphQL and media. Everything listens on the loopback until told otherwise.
http:
  host: 127.0.0.1
  port: 8080

# Where child sites dial: gRPC with mutual TLS.
listen:
  host: 127.0.0.1
  port: 9000

# Holds what is retrieved from the sites, and records the central's own cameras.
recordingServers:
  - id: ${recordingServerId}
    name: Central recording server
    retentionDays: 30
    # sizeGigabytesMax: 500
    # freeGigabytesLow: 5

# Sites that may report here.
children: []
#  - id: 018f0000-0000-7000-8000-000000000001
#    name: Harbour Street branch
#    certificate: ./children/harbour-street.crt.pem

# Cameras of the central itself; added when they are not there yet.
cameras: []
#  - hardwareId: 018f0000-0000-7000-8000-000000000002
#    name: Server room
#    address: rtsp://192.0.2.10/stream1
#    userName: viewer
#    password: secret
#    recordingServer: ${recordingServerId}
`;
}
