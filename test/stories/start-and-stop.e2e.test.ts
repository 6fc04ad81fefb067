import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DemonstrationNetwork, eventually } from '../network/demonstration-network.js';
import { linkOf } from '../network/site-view.js';

const test = suite('starting and stopping');

let network: DemonstrationNetwork;

test.before(async () => {
  network = await DemonstrationNetwork.create({ sites: 1 });
});
test.after(() => network?.[Symbol.asyncDispose]());

test('a killed PostgreSQL server brings the central down and up again, with everything in it', async () => {
  const siteId = network.ready.sites[0]!.id;
  const alarmId = await raiseAlarm(network, siteId);
  await network.killProcess('native/bin/postgres');
  await eventually(
    'the central is ready again',
    async () => network.output.includes('PostgreSQL ended by itself') && (await isReady(network)),
  );
  const { alarm } = await network.query<{ alarm: { name: string } }>(
    'query ($id: ID!) { alarm(id: $id) { name } }',
    { id: alarmId },
  );
  assert.is(alarm.name, 'Door forced');
});

test('a database that was lost is filled again from the logs of all sites', async () => {
  const siteId = network.ready.sites[0]!.id;
  const alarmId = await raiseAlarm(network, siteId);
  const before = await logsOf(network);
  await network.stop();
  await network.removeFolder('central/postgres');
  await network.start();
  await eventually('the link is up and everything has arrived', async () => {
    const link = await linkOf(network, siteId);
    return link.state === 'UP' && link.lastPosition >= before.get(siteId)!;
  });
  await eventually('the alarm is known again', async () => {
    const { alarm } = await network.query<{ alarm: { name: string } | null }>(
      'query ($id: ID!) { alarm(id: $id) { name } }',
      { id: alarmId },
    );
    return alarm?.name === 'Door forced';
  });
  for (const [site, size] of await logsOf(network)) assert.ok(size >= before.get(site)!);
});

test('a second demonstration on the same data, or on a taken port, is refused and changes nothing', async () => {
  const plan = path.join(network.dataDirectory, 'demonstration.json');
  const before = await readFile(plan, 'utf8');
  const second = await network.command('demonstration', '--data', network.dataDirectory, '--port', '0');
  assert.is(second.code, 1);
  assert.match(second.errors, 'a demonstration runs with this data');
  assert.is(await readFile(plan, 'utf8'), before);

  await network.stop();
  await using stranger = await listening();
  const onTakenPort = await network.command(
    ...['demonstration', '--data', network.dataDirectory, '--port', String(stranger.port)],
  );
  assert.is(onTakenPort.code, 1);
  assert.match(onTakenPort.errors, `port ${stranger.port}: another program listens there`);
});

async function raiseAlarm(network: DemonstrationNetwork, siteId: string): Promise<string> {
  await eventually('the link is up', async () => (await linkOf(network, siteId)).state === 'UP');
  const { raiseAlarm } = await network.query<{ raiseAlarm: { alarm: { id: string } } }>(
    'mutation ($s: ID!) { raiseAlarm(siteId: $s, name: "Door forced") { alarm { id } } }',
    { s: siteId },
  );
  return raiseAlarm.alarm.id;
}

async function isReady(network: DemonstrationNetwork): Promise<boolean> {
  return (await fetch(new URL('/readyz', network.ready.console))).ok;
}

/** How much of each site's log the central has. */
async function logsOf(network: DemonstrationNetwork): Promise<ReadonlyMap<string, number>> {
  const { sites } = await network.query<{
    sites: { edges: readonly { node: { id: string; log: { size: number } } }[] };
  }>('{ sites(first: 10) { edges { node { id log { size } } } } }');
  return new Map(sites.edges.map(({ node }) => [node.id, node.log.size]));
}

async function listening(): Promise<AsyncDisposable & { readonly port: number }> {
  const server = createServer();
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    [Symbol.asyncDispose]: () => new Promise(resolve => server.close(() => resolve())),
  };
}

test.run();
