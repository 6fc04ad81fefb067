import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from '../network/demonstration-network.js';
import { edit, enrol, holdfast, query, Server, setPorts, signIn } from '../network/installation-by-hand.js';

const test = suite('a region that was restored from an old copy');

interface Nodes<Node> {
  readonly edges: readonly { readonly node: Node }[];
}

/** Puts folders aside, and back in the place of what became of them. */
class OldCopy {
  readonly #from: string;
  readonly #to: string;

  constructor(from: string, to: string) {
    this.#from = from;
    this.#to = to;
  }

  keep(): Promise<void> {
    return cp(this.#from, this.#to, { recursive: true });
  }

  async restore(...folders: readonly string[]): Promise<void> {
    for (const folder of folders) {
      await rm(path.join(this.#from, folder), { recursive: true });
      await cp(path.join(this.#to, folder), path.join(this.#from, folder), { recursive: true });
    }
  }
}

test('its log comes back out of its database, then out of its parent; also where one of its sites was restored with it', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-region-'));
  const at = (name: string) => path.join(folder, name);
  const [centre, region, bus] = [at('centre'), at('region'), at('bus')];
  const files = {
    ...{ centre: path.join(centre, 'central.yaml'), region: path.join(region, 'central.yaml') },
    bus: path.join(bus, 'site.yaml'),
  };
  try {
    await holdfast('init', centre);
    const centrePort = await setPorts(files.centre);
    const madeRegion = await holdfast('init', region, '--region', 'North', '--central', centre);
    const regionPort = await setPorts(files.region);
    await enrol(files.centre, madeRegion.output);
    await enrol(files.region, (await holdfast('init', bus, '--site', 'Bus 7', '--central', region)).output);
    {
      await using centreServer = new Server(files.centre);
      await using regionServer = new Server(files.region);
      await using busServer = new Server(files.bus);
      const token = await eventually('the centre signs in', () => signIn(centre, centrePort));
      const sites = async () => {
        const answer = await query<{ sites: Nodes<{ id: string; name: string }> }>(
          ...([centrePort, token, '{ sites(first: 10) { edges { node { id name } } } }'] as const),
        );
        return answer.sites.edges.map(({ node }) => node);
      };
      const known = (name: string) =>
        eventually(`the centre knows ${name}`, async () => (await sites()).find(node => node.name === name));
      const typesOf = async (siteId: string) => {
        const { events } = await query<{ events: Nodes<{ type: string }> }>(
          ...([centrePort, token] as const),
          `{ events(filter: { siteId: "${siteId}" }, first: 500) { edges { node { type } } } }`,
        );
        return events.edges.map(({ node }) => node.type);
      };
      /** The bus is asked by its region to raise an alarm, and everybody above hears of it. */
      const busAnswers = async (name: string) => {
        const busId = (await known('Bus 7')).id;
        const own = await eventually('the region signs in', () => signIn(region, regionPort));
        await eventually(`the bus does what its region wishes: ${name}`, async () => {
          const { alarms } = await query<{ alarms: Nodes<{ name: string }> }>(
            ...([centrePort, token, '{ alarms(first: 100) { edges { node { name } } } }'] as const),
          );
          if (alarms.edges.some(({ node }) => node.name === name)) return true;
          await query(
            ...([regionPort, own] as const),
            `mutation { raiseAlarm(siteId: "${busId}", name: "${name}") { alarm { id } } }`,
          );
          return false;
        });
      };
      await busAnswers('before the copy');
      const regionId = (await known('North')).id;
      const recoveries = async () =>
        (await typesOf(regionId)).filter(type => type === 'LogHistoryRecovered').length;
      const whileItIsDown = async (task: () => Promise<unknown>) => {
        await regionServer.end('SIGTERM');
        await task();
        regionServer.start();
      };
      const copy = new OldCopy(path.join(region, 'data'), at('old-copy'));
      const busCopy = new OldCopy(path.join(bus, 'data'), at('old-bus-copy'));
      await busServer.end('SIGTERM');
      await whileItIsDown(() => Promise.all([copy.keep(), busCopy.keep()]));
      busServer.start();
      await busAnswers('after the copy');
      const newerCopy = new OldCopy(path.join(region, 'data'), at('newer-copy'));
      await whileItIsDown(() => newerCopy.keep());
      await busAnswers('after the newer copy');

      await whileItIsDown(async () => {
        await copy.restore('log');
        await newerCopy.restore('postgres');
      });
      await eventually(
        'the log has its history back out of the database, and then what that had not either',
        async () => (await recoveries()) >= 2,
      );
      await busAnswers('after the log was restored');
      const before = await recoveries();

      await whileItIsDown(async () => {
        await copy.restore('log', 'postgres');
        await edit(files.region, text => text.replace('name: "North"', 'name: "North again"'));
      });
      await eventually(
        'the log has its history back out of the centre',
        async () => (await recoveries()) > before,
      );
      await known('North again');
      await busAnswers('after everything was restored');

      // Bus and region are as old as each other: only the centre knows what both have lost, and both go on without it.
      const busId = (await known('Bus 7')).id;
      const recovered = await recoveries();
      await centreServer.end('SIGTERM');
      await busServer.end('SIGTERM');
      await whileItIsDown(() => Promise.all([copy.restore('log', 'postgres'), busCopy.restore('log')]));
      await edit(files.bus, text => text.replace('name: "Bus 7"', 'name: "Bus 8"'));
      busServer.start();
      const own = await eventually('the region signs in', () => signIn(region, regionPort));
      await eventually('the region takes in what the restored bus goes on with', async () => {
        const { site } = await query<{ site: { name: string } | null }>(
          ...([regionPort, own, `{ site(id: "${busId}") { name } }`] as const),
        );
        return site?.name === 'Bus 8';
      });
      centreServer.start();
      await eventually('the region has its own history back', async () => (await recoveries()) > recovered);
      await known('Bus 8');
      await eventually('all that was lost is in the log', async () =>
        (await typesOf(busId)).includes('LogHistoryRecovered'),
      );
    }
    const verified = await holdfast('verify', folder, '--json');
    assert.ok((JSON.parse(verified.output) as { readonly proven: boolean }).proven, verified.output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
