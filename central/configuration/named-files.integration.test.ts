import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  createCertificateAuthority,
  issuePeerCredentials,
  type PeerCredentials,
  savePeerCredentials,
} from '@holdfast/interconnect';
import { SiteId } from '@holdfast/schema';
import { loadSiteKeys, SiteConfiguration } from '@holdfast/sites';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CentralConfiguration } from './central-configuration.js';
import { faultsOfNamedFiles } from './named-files.js';

const test = suite('the files that a configuration names');
const nowMs = Date.UTC(2026, 10, 27);
const DAY_MS = 24 * 3600 * 1000;
/** Of a certificate, as it is issued. */
const LIFETIME_DAYS = 3650;
const [site, child] = [SiteId.parse(v7()), SiteId.parse(v7())];
const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-named-'));
test.after(() => rm(directory, { recursive: true, force: true }));
const at = (file: string) => path.join(directory, file);

const authority = await createCertificateAuthority({ name: 'Test', nowMs });
const issue = (of: SiteId, role: string, ageDays = 0) =>
  issuePeerCredentials(authority, { site: of, role, nowMs: nowMs - ageDays * DAY_MS });
const credentials = await issue(site, 'central');
const certificateOfChild = (await issue(child, 'site')).certificatePem;

const configuration = CentralConfiguration.parse({
  role: 'central',
  site: { id: site, name: 'Central' },
  ...{ data: './data', credentials: './credentials', listen: { port: 0 } },
  children: [{ id: child, name: 'Branch', certificate: './child.crt.pem' }],
  backbone: {
    kafka: { brokers: ['127.0.0.1:1'], signIn: { userName: 'holdfast', passwordFile: './kafka' } },
    roles: ['api'],
  },
});

/** Everything is right, but for what is given. */
async function said(changed: Partial<PeerCredentials> = {}, files: Record<string, string> = {}) {
  await savePeerCredentials(at('credentials'), { ...credentials, ...changed });
  await writeFile(at('child.crt.pem'), certificateOfChild);
  await writeFile(at('kafka'), 'secret\n');
  loadSiteKeys(at('data'));
  for (const [file, text] of Object.entries(files)) await writeFile(at(file), text);
  return faultsOfNamedFiles(configuration, { baseDirectory: directory, nowMs });
}

async function assertSaid(found: ReturnType<typeof said>, setting: string, message: RegExp | string) {
  const faults = await found;
  assert.is(faults.length, 1, JSON.stringify(faults));
  assert.is(faults[0]!.path.join('.'), setting);
  assert.match(faults[0]!.message, message);
}

test('are in order as init wrote them', async () => {
  assert.equal(await said(), []);
});

test('that are missing, or something else, are named', async () => {
  await assertSaid(said({ certificatePem: 'nothing' }), 'credentials', /server\.crt\.pem: expected a cert/);
  await assertSaid(said({ privateKeyPem: 'nothing' }), 'credentials', /server\.key\.pem: expected a priv/);
  await assertSaid(said({ authorityPem: '' }), 'credentials', /authority\.crt\.pem: expected a certificate/);
  await assertSaid(said({}, { kafka: '\n' }), 'backbone.kafka.signIn.passwordFile', 'the file is empty');
  await said();
  await rm(at('credentials/server.key.pem'));
  const without = faultsOfNamedFiles(configuration, { baseDirectory: directory, nowMs });
  assert.match(without[0]!.message, /server\.key\.pem: .*: no such file or folder/);
});

test('are also the key of the log: without it this would be another site', async () => {
  await said();
  await rm(at('data'), { recursive: true });
  const found = faultsOfNamedFiles(configuration, { baseDirectory: directory, nowMs });
  await assertSaid(Promise.resolve(found), 'data', /log\.key\.pem: expected the key .*: is its disk there\?/);
});

test('are asked for where a parent must know the site by them', async () => {
  await said();
  const parent = { siteId: site, host: '127.0.0.1', port: 1, serverName: 'holdfast-central.internal' };
  const standsBelow = SiteConfiguration.parse({
    ...{ role: 'site', site: { id: child, name: 'Branch' }, data: './data', parent },
  });
  const found = faultsOfNamedFiles(standsBelow, { baseDirectory: directory, nowMs });
  await assertSaid(Promise.resolve(found), 'parent', 'expected credentials');
});

test('must belong together', async () => {
  const { privateKeyPem } = await issue(site, 'central');
  await assertSaid(
    said({ privateKeyPem }),
    'credentials',
    /server\.key\.pem: expected the key of .*crt\.pem/,
  );
  const { certificatePem: authorityPem } = await createCertificateAuthority({ name: 'Test', nowMs });
  await assertSaid(
    said({ authorityPem }),
    'credentials',
    /expected a certificate that .*authority.* has issued/,
  );
  const own = await readFile(at('credentials/server.crt.pem'), 'utf8');
  await assertSaid(
    said({}, { 'child.crt.pem': own }),
    'children.0.certificate',
    `it is that of site ${site}`,
  );
  await assertSaid(
    said(await issue(child, 'central')),
    'credentials',
    `expected the certificate of site ${site}`,
  );
});

test('are told thirty days before they expire, and wrong from then on', async () => {
  assert.equal(await said(await issue(site, 'central', LIFETIME_DAYS - 31)), []);
  const [soon] = await said(await issue(site, 'central', LIFETIME_DAYS - 29));
  assert.match(soon!.message, 'expires in 29 days, at 2026-12-26T');
  assert.ok(soon!.isWarning);
  const [over] = await said(await issue(site, 'central', LIFETIME_DAYS + 1));
  assert.match(over!.message, 'expired at 2026-11-26T');
  assert.not(over!.isWarning);
  const [early] = await said(await issue(site, 'central', -2));
  assert.match(early!.message, 'valid from 2026-11-28T');
});

test('are told of an authority without naming what cannot help: another one is needed', async () => {
  const at = async (ageDays: number) => {
    const authority = await createCertificateAuthority({ name: 'Old', nowMs: nowMs - ageDays * DAY_MS });
    const issued = await issuePeerCredentials(authority, { site, role: 'central', nowMs });
    const [fault, ...others] = (await said(issued)).filter(({ message }) =>
      message.includes('authority.crt'),
    );
    assert.equal(others, []);
    assert.match(fault!.message, 'a new authority, and certificates of it for all its servers');
    assert.not.match(fault!.message, 'renew');
    return fault!.isWarning;
  };
  assert.is(await at(2 * LIFETIME_DAYS - 29), true);
  assert.is(await at(2 * LIFETIME_DAYS + 1), false);
});

test.run();
