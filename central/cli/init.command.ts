import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import {
  createCertificateAuthority,
  issuePeerCredentials,
  saveCertificateAuthority,
  savePeerCredentials,
} from '@holdfast/interconnect';
import { SiteId } from '@holdfast/schema';
import { EXIT_WRONG_USE } from './process-lifetime.js';

/** `holdfast init DIR`: a central's configuration with every setting explained, an authority, and the central's own keys. */
export async function initCommand(directory: string): Promise<number> {
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    process.stderr.write(
      `holdfast: ${directory} is not empty: name a new folder, so that nothing is overwritten\n`,
    );
    return EXIT_WRONG_USE;
  }
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const siteId = SiteId.parse(randomUUID());
  const authority = await createCertificateAuthority({ name: 'Holdfast', nowMs: Date.now() });
  await saveCertificateAuthority(path.join(directory, 'authority'), authority);
  const credentials = await issuePeerCredentials(authority, {
    site: siteId,
    role: 'central',
    nowMs: Date.now(),
  });
  await savePeerCredentials(path.join(directory, 'credentials'), credentials);
  const file = path.join(directory, 'central.yaml');
  writeFileSync(file, centralConfiguration(siteId, randomUUID()), { mode: 0o600 });
  process.stdout.write(`${file} is written. Look through it, then:  holdfast run ${file}\n`);
  return 0;
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
