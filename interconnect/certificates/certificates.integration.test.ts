import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  createCertificateAuthority,
  issuePeerCredentials,
  serverNameOfRole,
} from './certificate-authority.js';
import {
  loadCertificateAuthority,
  loadPeerCredentials,
  saveCertificateAuthority,
  savePeerCredentials,
} from './certificate-files.js';
import { siteOfCertificate } from './site-of-certificate.js';

const test = suite('certificates');
const site = SiteId.parse(v7());
const nowMs = Date.UTC(2026, 10, 20);

test('a certificate is signed by its authority, names its role and its site, and fits its key', async () => {
  const authority = await createCertificateAuthority({ name: 'Demonstration', nowMs });
  const credentials = await issuePeerCredentials(authority, { site, role: 'central', nowMs });
  const certificate = new X509Certificate(credentials.certificatePem);
  const issuer = new X509Certificate(authority.certificatePem);
  assert.ok(certificate.checkIssued(issuer));
  assert.ok(certificate.verify(issuer.publicKey));
  assert.ok(issuer.ca);
  assert.not(certificate.ca);
  assert.is(certificate.checkHost('holdfast-central.internal'), 'holdfast-central.internal');
  assert.is(siteOfCertificate({ subjectaltname: certificate.subjectAltName }), site);
  assert.ok(Date.parse(certificate.validFrom) < nowMs);
});

test('files are readable by their owner only, and come back as they were', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-certificates-'));
  try {
    assert.is(await loadCertificateAuthority(directory), null);
    const authority = await createCertificateAuthority({ name: 'Demonstration', nowMs });
    const credentials = await issuePeerCredentials(authority, { site, role: 'site', nowMs });
    await saveCertificateAuthority(path.join(directory, 'authority'), authority);
    await savePeerCredentials(path.join(directory, 'server'), credentials);
    assert.equal(await loadCertificateAuthority(path.join(directory, 'authority')), authority);
    assert.equal(await loadPeerCredentials(path.join(directory, 'server')), credentials);
    for (const file of ['server/server.key.pem', 'authority/authority.key.pem']) {
      assert.is((await stat(path.join(directory, file))).mode & 0o777, 0o600);
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('half of a set of files is an error that names what is missing', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-certificates-'));
  try {
    await writeFile(path.join(directory, 'server.crt.pem'), 'x');
    await loadPeerCredentials(directory).then(
      () => assert.unreachable(),
      error => {
        assert.is(error.code, 'CERTIFICATE_FILE_UNREADABLE');
        assert.ok(error.file.endsWith('server.key.pem'));
      },
    );
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('a site is read only from exactly one well-formed urn:uuid name', () => {
  const other = v7();
  assert.is(siteOfCertificate(undefined), null);
  assert.is(siteOfCertificate({}), null);
  assert.is(siteOfCertificate({ subjectaltname: `DNS:a, URI:urn:uuid:${site}` }), site);
  assert.is(siteOfCertificate({ subjectaltname: `URI:urn:uuid:${site}, URI:urn:uuid:${other}` }), null);
  assert.is(siteOfCertificate({ subjectaltname: 'URI:urn:uuid:nonsense' }), null);
  assert.is(siteOfCertificate({ subjectaltname: `DNS:"a, URI:urn:uuid:${site}, b"` }), null);
});

test('a role that cannot be a DNS label is refused by name', () => {
  assert.throws(() => serverNameOfRole('Central Server'), /is no role/);
});

test.run();
