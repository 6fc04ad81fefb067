import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { TRUNCATION_RETRY_MS } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from '../network/demonstration-network.js';
import { edit, enrol, holdfast, query, Server, setPorts, signIn } from '../network/installation-by-hand.js';

const test = suite('a bus below a region below a centre');

interface SiteNode {
  readonly id: string;
  readonly name: string;
  readonly parent: { readonly name: string } | null;
}

test('facts of the bus reach the centre through the region, past a kill and a restored old log, and are the same at all three', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-levels-'));
  const [centre, region, bus] = ['centre', 'region', 'bus'].map(name => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  const files = {
    centre: path.join(centre, 'central.yaml'),
    region: path.join(region, 'central.yaml'),
    bus: path.join(bus, 'site.yaml'),
  };
  try {
    await holdfast('init', centre);
    const centrePort = await setPorts(files.centre);
    const madeRegion = await holdfast('init', region, '--region', 'North', '--central', centre);
    await setPorts(files.region);
    await enrol(files.centre, madeRegion.output);
    const madeBus = await holdfast('init', bus, '--site', 'Bus 7', '--central', region);
    await enrol(files.region, madeBus.output);
    for (const file of Object.values(files)) assert.is((await holdfast('check', file)).code, 0, file);

    {
      await using centreServer = new Server(files.centre);
      await using regionServer = new Server(files.region);
      await using busServer = new Server(files.bus);
      const token = await eventually('the centre signs in', () => signIn(centre, centrePort));
      const nodes = () =>
        query<{ sites: { edges: { node: SiteNode }[] } }>(
          centrePort,
          token,
          '{ sites(first: 10) { edges { node { id name parent { name } } } } }',
        ).then(({ sites }) => sites.edges.map(({ node }) => node));
      await eventually('the centre knows the bus under its region, by what the bus itself says', async () => {
        const known = await nodes();
        return known.find(({ name, parent }) => name === 'Bus 7' && parent?.name === 'North');
      });
      const eventsOfBus = async () => {
        const id = (await nodes()).find(({ name }) => name.startsWith('Bus'))!.id;
        const { events } = await query<{ events: { edges: { node: { type: string } }[] } }>(
          centrePort,
          token,
          `{ events(filter: { siteId: "${id}" }, first: 200) { edges { node { type } } } }`,
        );
        return events.edges.map(({ node }) => node.type);
      };
      await eventually('facts of the bus', async () =>
        (await eventsOfBus()).includes('RecordingServerStarted'),
      );

      const known = (name: string) =>
        eventually(`the centre knows ${name} under its region`, async () =>
          (await nodes()).find(node => node.name === name && node.parent?.name === 'North'),
        );
      const rename = (from: string, to: string) =>
        edit(files.bus, text => text.replace(`name: "${from}"`, `name: "${to}"`));

      // The bus goes on alone: what it says meanwhile arrives when the region is back.
      await regionServer.end('SIGKILL');
      await busServer.end('SIGTERM');
      await cp(path.join(bus, 'data', 'log'), path.join(folder, 'old-copy'), { recursive: true });
      await rename('Bus 7', 'Bus 8');
      busServer.start();
      regionServer.start();
      await known('Bus 8');
      const { id } = (await nodes()).find(({ name }) => name === 'Bus 8')!;
      await eventually('the centre knows how far the log of the bus reaches, and has all of it', async () => {
        const { site } = await query<{
          site: { link: { headPosition: number | null; lastPosition: number } };
        }>(...[centrePort, token, `{ site(id: "${id}") { link { headPosition lastPosition } } }`]);
        return site.link.headPosition !== null && site.link.lastPosition >= site.link.headPosition;
      });

      // An old copy of its log is put back: it heals by itself, and everybody above is told.
      await busServer.end('SIGTERM');
      await rm(path.join(bus, 'data', 'log'), { recursive: true });
      await cp(path.join(folder, 'old-copy'), path.join(bus, 'data', 'log'), { recursive: true });
      await rm(path.join(folder, 'old-copy'), { recursive: true });
      await rename('Bus 8', 'Bus 9');
      busServer.start();
      await known('Bus 9');
      const typesOfBus = await eventually('what was lost', async () => {
        const types = await eventsOfBus();
        return types.includes('LogHistoryRecovered') && types;
      });
      assert.is(typesOfBus.filter(type => type === 'LogEpochOpened').length, 2);
      await eventually('the alarms of region and centre', async () => {
        const { alarms } = await query<{ alarms: { edges: { node: { name: string } }[] } }>(
          centrePort,
          token,
          '{ alarms(first: 20) { edges { node { name } } } }',
        );
        return (
          alarms.edges.filter(({ node }) => /^The log of Bus \d was reset$/.test(node.name)).length === 2
        );
      });

      // By its policy the bus keeps next to nothing that the centre holds: but as long as it does not know that, all of it.
      for (const server of [busServer, regionServer, centreServer]) await server.end('SIGTERM');
      await edit(files.bus, text => `${text}\nlog: { keepDays: 0.00001, until: top }\n`);
      assert.is((await holdfast('check', files.bus)).code, 0);
      regionServer.start();
      busServer.start();
      const isTruncated = async () =>
        (await holdfast('log', 'tail', path.join(bus, 'data'), '--lines', '1000')).output.includes(
          'LogTruncated',
        );
      await delay(1.5 * TRUNCATION_RETRY_MS);
      assert.not(await isTruncated());
      centreServer.start();
      await eventually('the centre signs in again', () => signIn(centre, centrePort));
      await eventually('the beginning of the log of the bus is removed', isTruncated);

      // What it is made of is still known after a restart; without its folds, as after an upgrade, too.
      await busServer.end('SIGTERM');
      await rm(path.join(bus, 'data', 'folds'), { recursive: true });
      await rename('Bus 9', 'Bus 10');
      busServer.start();
      await known('Bus 10');
      assert.is((await eventsOfBus()).filter(type => type === 'SiteEstablished').length, 1);
    }

    const verified = await holdfast('verify', folder, '--json');
    const { proven, comparisons } = JSON.parse(verified.output) as {
      readonly proven: boolean;
      readonly comparisons: readonly {
        readonly where: readonly string[];
        readonly difference: string | null;
      }[];
    };
    assert.ok(proven, verified.output);
    assert.ok(comparisons.every(({ difference }) => difference === null));
    // The bus at itself, the region and the centre; the region at itself twice (log and database) and the centre.
    assert.is(comparisons.filter(({ where }) => where.length === 3).length, 2, verified.output);
    // The sealed epoch of the bus at region and centre; the centre's own log and database.
    assert.is(comparisons.length, 4, verified.output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
