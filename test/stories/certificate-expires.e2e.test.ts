import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { issuePeerCredentials, loadCertificateAuthority, savePeerCredentials } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from '../network/demonstration-network.js';
import { enrol, holdfast, query, Server, setPorts, signIn } from '../network/installation-by-hand.js';

const test = suite('a certificate that expires');
const DAY_MS = 24 * 3600 * 1000;
const LIFETIME_DAYS = 3650;

interface ShownAlarm {
  readonly name: string;
  readonly priority: string;
  readonly state: string;
  readonly site: { readonly name: string };
}

test('is an alarm at the centre while its site runs, until it is renewed and the site started again', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-expires-'));
  try {
    const [central, site] = [path.join(folder, 'central'), path.join(folder, 'branch')];
    const [centralFile, siteFile] = [path.join(central, 'central.yaml'), path.join(site, 'site.yaml')];
    await holdfast('init', central);
    const httpPort = await setPorts(centralFile);
    const made = await holdfast('init', site, '--site', 'Branch', '--central', central);
    await enrol(centralFile, made.output);
    const id = /id: (\S+)/.exec(await readFile(siteFile, 'utf8'))![1] as SiteId;
    const authority = (await loadCertificateAuthority(path.join(central, 'authority')))!;
    const issuedMs = Date.now() - (LIFETIME_DAYS - 20) * DAY_MS;
    await savePeerCredentials(
      path.join(site, 'credentials'),
      await issuePeerCredentials(authority, { site: id, role: 'site', nowMs: issuedMs }),
    );

    await using _central = new Server(centralFile);
    await using branch = new Server(siteFile);
    const token = await eventually('the central signs in', () => signIn(central, httpPort));
    const alarm = async (state: string) => {
      const { alarms } = await query<{ alarms: { edges: { node: ShownAlarm }[] } }>(
        httpPort,
        token,
        '{ alarms(first: 10) { edges { node { name priority state site { name } } } } }',
      );
      const nodes = alarms.edges.map(({ node }) => node);
      assert.ok(nodes.length <= 1, JSON.stringify(nodes));
      return nodes.find(node => node.state === state);
    };
    const raised = await eventually('the alarm is shown', () => alarm('NEW'));
    assert.is(raised.name, 'The certificate of this server expires soon');
    assert.is(raised.site.name, 'Branch');

    assert.is((await holdfast('renew', siteFile, '--central', central)).code, 0);
    await branch.end('SIGTERM');
    branch.start();
    await eventually('the alarm is closed', () => alarm('CLOSED'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
