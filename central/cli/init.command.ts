import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { encodeBase64 } from '@holdfast/core';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  issuePeerCredentials,
  loadCertificateAuthority,
  makeFolder,
  saveCertificateAuthority,
  savePeerCredentials,
  serverNameOfRole,
} from '@holdfast/interconnect';
import { SiteId } from '@holdfast/schema';
import { loadSiteKeys, rawPublicKey, siteLogKeyFileOf } from '@holdfast/sites';
import type { CentralConfiguration } from '../configuration/central-configuration.js';
import { readConfigurationOrReport } from './check.command.js';
import { orSayWhy } from './named-file.js';
import { EXIT_WRONG_USE } from './process-lifetime.js';

export interface InitCommandOptions {
  /** A site's name; without this and `region` a topmost central is made. */
  readonly site?: string;
  /** The name of a central that reports to another one. */
  readonly region?: string;
  /** The folder of the central that the site or region reports to, as `init` made it. */
  readonly central?: string;
}

/** `holdfast init DIR`: a configuration with every setting explained, and keys. Returns the exit code. */
export async function initCommand(directory: string, options: InitCommandOptions): Promise<number> {
  if (directory === '') return wrongUse('init: name a new folder');
  const there = () => (existsSync(directory) ? readdirSync(directory) : []);
  if (orSayWhy(`${directory}: expected a new folder`, there).length > 0) {
    return wrongUse(`${directory} is not empty: name a new folder, so that nothing is overwritten`);
  }
  const { site, region, central } = options;
  if (site === undefined && region === undefined && central === undefined) return initCentral(directory);
  const name = site ?? region;
  if (name === undefined || central === undefined || (site !== undefined && region !== undefined)) {
    return wrongUse(
      'init: give --site NAME or --region NAME together with --central DIR, or neither for a central',
    );
  }
  if (name.trim() === '')
    return wrongUse('init: a site without a name could not be told from others: give one');
  const parent = await readParent(central);
  if (parent === null) return EXIT_WRONG_USE;
  return site === undefined ? initRegion(directory, { name, parent }) : initSite(directory, { name, parent });
}

async function initCentral(directory: string): Promise<number> {
  makeFolder(directory);
  const siteId = SiteId.parse(randomUUID());
  const authority = await createCertificateAuthority({ name: 'Holdfast', nowMs: Date.now() });
  await saveCertificateAuthority(path.join(directory, 'authority'), authority);
  await issueCredentials(directory, authority, { siteId, role: 'central' });
  loadSiteKeys(path.join(directory, 'data'));
  const file = path.join(directory, 'central.yaml');
  const configuration = centralConfiguration({ siteId, name: 'Central', recordingServerId: randomUUID() });
  writeFileSync(file, configuration, { mode: 0o600 });
  process.stdout.write(`${file} is written. Look through it, then:  holdfast run ${file}\n`);
  return 0;
}

interface Parent {
  readonly directory: string;
  readonly configuration: CentralConfiguration;
  readonly authority: CertificateAuthority;
  /** As the configuration of a child names it. */
  readonly logPublicKey: string;
}

/** Null after having written to standard error what is missing. */
async function readParent(directory: string): Promise<Parent | null> {
  const configuration = readConfigurationOrReport(path.join(directory, 'central.yaml'));
  if (configuration === null) return null;
  const authority = await loadCertificateAuthority(path.join(directory, 'authority'));
  if (configuration.role !== 'central' || authority === null) {
    wrongUse(`${directory}: expected central.yaml and authority/, as holdfast init wrote them`);
    return null;
  }
  const data = path.resolve(directory, configuration.data);
  if (!existsSync(siteLogKeyFileOf(data))) {
    wrongUse(
      `${siteLogKeyFileOf(data)}: expected the log key of the central, as holdfast init made it: name its own folder`,
    );
    return null;
  }
  const logPublicKey = logPublicKeyIn(data);
  return { directory, configuration, authority, logPublicKey };
}

async function initSite(
  directory: string,
  { name, parent }: { readonly name: string; readonly parent: Parent },
): Promise<number> {
  makeFolder(directory);
  const siteId = SiteId.parse(randomUUID());
  await issueCredentials(directory, parent.authority, { siteId, role: 'site' });
  const file = path.join(directory, 'site.yaml');
  const configuration = siteConfiguration({ siteId, name, recordingServerId: randomUUID(), parent });
  writeFileSync(file, configuration, { mode: 0o600 });
  printEnrolment(parent, { directory, file, siteId, name });
  return 0;
}

/** A central below another one. It gets the same authority, so that what enrols its children is known all the way up. */
async function initRegion(
  directory: string,
  { name, parent }: { readonly name: string; readonly parent: Parent },
): Promise<number> {
  makeFolder(directory);
  const siteId = SiteId.parse(randomUUID());
  await saveCertificateAuthority(path.join(directory, 'authority'), parent.authority);
  await issueCredentials(directory, parent.authority, { siteId, role: 'central' });
  const file = path.join(directory, 'central.yaml');
  const configuration = centralConfiguration({ siteId, name, recordingServerId: randomUUID(), parent });
  writeFileSync(file, configuration, { mode: 0o600 });
  printEnrolment(parent, { directory, file, siteId, name });
  return 0;
}

function printEnrolment(
  parent: Parent,
  child: {
    readonly directory: string;
    readonly file: string;
    readonly siteId: SiteId;
    readonly name: string;
  },
): void {
  const certificate = path.relative(
    parent.directory,
    path.join(child.directory, 'credentials', 'server.crt.pem'),
  );
  const centralFile = path.join(parent.directory, 'central.yaml');
  process.stdout.write(`${child.file} is written. Let the central know the site; in ${centralFile}, under children:

  - id: ${child.siteId}
    name: ${child.name}
    logPublicKey: ${logPublicKeyIn(path.join(child.directory, 'data'))}
    certificate: ${certificate}

Start the central again, then:  holdfast run ${child.file}
`);
}

/** Base64 of the key that a site signs its log with; made when it is not there yet. */
export function logPublicKeyIn(dataDirectory: string): string {
  return encodeBase64(rawPublicKey(loadSiteKeys(dataDirectory).logKey));
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
  readonly parent: Parent;
}): string {
  const { siteId, name, recordingServerId, parent } = site;
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
${parentBlock(parent)}
${LOG_BLOCK}
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

const LOG_BLOCK = `# How much of its log is kept here. Left out: everything. What is removed is older than keepDays, held by the parent, or with
# "until: top" by the topmost central, and not about recordings that are still kept or locked here.
# log:
#   keepDays: 90
#   until: top
`;

function parentBlock({ configuration: { site, listen }, logPublicKey }: Parent): string {
  return `parent:
  siteId: ${site.id}
  host: ${listen.host}
  port: ${listen.port}
  serverName: ${serverNameOfRole('central')}
  logPublicKey: ${logPublicKey}
`;
}

function centralConfiguration(central: {
  readonly siteId: string;
  readonly name: string;
  readonly recordingServerId: string;
  readonly parent?: Parent;
}): string {
  const { siteId, name, recordingServerId, parent } = central;
  const above =
    parent === undefined
      ? ''
      : `# The central that this one reports to: its own log, and those of all sites below it.
${parentBlock(parent)}
${LOG_BLOCK}
`;
  return `# A Holdfast central. Paths start at this file's folder. Check it with: holdfast check FILE
role: central
site:
  id: ${siteId}
  name: ${JSON.stringify(name)}

# Where everything is kept: the log, the recordings, the database, the administrator's first password.
data: ./data

# This server's certificate and key (server.crt.pem, server.key.pem) and the authority (authority.crt.pem) that its
# children's certificates must come from. Keep ./authority itself off this server once all sites have theirs.
credentials: ./credentials

${above}# Console, GraphQL and media. Everything listens on the loopback until told otherwise.
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
