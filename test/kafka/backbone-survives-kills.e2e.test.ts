import { LOG_START, placeOf } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventually } from '../network/demonstration-network.js';
import { BackboneNetwork, type LoadedSite, nodeNames, storedToTheEnd } from './backbone-network.js';
import { KafkaBroker, kafkaClassPath } from './kafka-broker.js';
import { skipByName } from './skip-by-name.js';

const test = suite('a central of several processes around Kafka');
const found = await kafkaClassPath();
let broker: KafkaBroker;
let network: BackboneNetwork;

test.before(async () => {
  if (!('classPath' in found)) return;
  broker = await KafkaBroker.start(found.classPath);
  network = await BackboneNetwork.create({ broker: broker.address, sites: 4 });
});
test.after(async () => {
  await network?.[Symbol.asyncDispose]();
  await broker?.[Symbol.asyncDispose]();
});

/** Every site appends with small pauses until told otherwise. */
function load(sites: readonly LoadedSite[]) {
  let isStopped = false;
  const running = sites.map(async site => {
    while (!isStopped) {
      await site.append(10);
      await new Promise(resolve => setTimeout(resolve, 60));
    }
  });
  return {
    stop: async () => {
      isStopped = true;
      await Promise.all(running);
    },
  };
}

/** That facts go on arriving while somebody is missing. */
async function goesOn(what: string): Promise<void> {
  const before = await network.storedCount();
  await eventually(
    `facts go on arriving: ${what}`,
    async () => (await network.storedCount()) > before + 300,
    60_000,
  );
}

test('the kill of any process, and of the broker, loses nothing, doubles nothing and reorders nothing', async () => {
  network.replicate();
  const appending = load(network.sites);
  await goesOn('everyone is there');
  for (const name of nodeNames) {
    await network.kill(name);
    await goesOn(`without ${name}`);
    await network.start(name);
  }
  await broker.kill();
  await broker.restart();
  await goesOn('the broker was killed and is back');
  await appending.stop();
  await storedToTheEnd(network);
  for (const { site, log } of network.sites) {
    const stored = await network.database.sql<{ header: Buffer; data: Buffer }[]>`
      select header, data from replica_event where site = ${site} order by seq`;
    const { size } = log.head();
    assert.is(stored.length, size);
    let index = 0;
    for (let after = LOG_START; index < size; ) {
      for (const event of await log.read({ after, limit: 2_000 })) {
        const row = stored[index]!;
        if (!row.header.equals(event.header) || !row.data.equals(event.data)) {
          assert.unreachable(`event ${event.position} of ${site} is another one at its place in the feed`);
        }
        after = placeOf(event);
        index += 1;
      }
    }
  }
});

test('the process with the own log knows the links of all intake nodes', async () => {
  await eventually('every link is up', async () => {
    const rows = await network.database.sql<{ state: string }[]>`select state from link where state = 'UP'`;
    return rows.length === network.sites.length;
  });
  const losses = await network.database.sql<{ cause: string }[]>`
    select distinct convert_from(data, 'UTF8')::jsonb ->> 'cause' as cause from replica_event where type = 'LinkLost'`;
  assert.ok(losses.length > 0, 'the kills of intake nodes were facts');
});

test('a wish goes to its site by way of an intake node, and its answer comes back to whoever waits for it', async () => {
  await network.start('branch');
  const { site, recordingServer } = network.branch;
  await eventually('the link of the branch is up', async () => {
    const { site: seen } = await network.query<{ site: { link: { state: string } | null } | null }>(
      'query ($id: ID!) { site(id: $id) { link { state } } }',
      { id: site },
    );
    return seen?.link?.state === 'UP';
  });
  const { addHardware } = await network.query<{ addHardware: { command: { state: string } } }>(
    `mutation ($site: ID!, $server: ID!) {
      addHardware(siteId: $site, recordingServerId: $server, camera: { name: "Door", address: "rtsp://127.0.0.1:9/door" }) {
        command { state }
      }
    }`,
    { site, server: recordingServer },
  );
  assert.is(addHardware.command.state, 'APPLIED');
});

if ('missing' in found) skipByName(`a central of several processes around Kafka: ${found.missing}`);
else test.run();
