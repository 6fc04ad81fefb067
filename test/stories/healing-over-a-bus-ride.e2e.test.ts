import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DemonstrationNetwork, eventually } from '../network/demonstration-network.js';
import { camerasOf, millisecondsIn, retrievalsOf, timelineOf } from '../network/site-view.js';

const test = suite('healing over a bus ride');

const rideFile = path.resolve(import.meta.dirname, '../../links/bus_1.csv');
/** The ride is joined here: two seconds before its first hole, six before one of four seconds (test/links/README.md). */
const JOINED_AT_SECONDS = 38;
/** Alarms are raised until the bus is through both. */
const ALARM_COUNT = 6;
const ALARM_EVERY_MS = 2000;

test('over the link of a bus a retrieval completes, alarms arrive, and everything is proven', async () => {
  await using network = await DemonstrationNetwork.create({ sites: 1 });
  const { id: siteId } = network.ready.sites[0]!;
  const cameras = await eventually('two cameras of the site record', async () => {
    const known = await camerasOf(network, siteId);
    return known.length === 2 && known.every(({ hardware }) => hardware.connection === 'CONNECTED') && known;
  });
  const since = Date.now();
  const recorded = await eventually('both have sealed twenty seconds', async () => {
    const spans = await Promise.all(cameras.map(({ id }) => sealedSpan(network, id, since)));
    return spans.every(span => span !== null && span.to - span.from >= 20_000) && spans[0]!;
  });

  const ride = path.join(network.dataDirectory, 'ride.csv');
  await writeFile(ride, joinedLate(await readFile(rideFile, 'utf8')));
  const shape = ['link', 'shape', siteId, '--trace', ride, '--data', network.dataDirectory];
  const shaped = await network.command(...shape);
  assert.is(shaped.code, 0, shaped.errors);
  const { requestRetrieval } = await network.query<{ requestRetrieval: readonly { id: string }[] }>(
    `mutation ($devices: [ID!]!, $from: DateTime!, $to: DateTime!) {
      requestRetrieval(deviceIds: $devices, from: $from, to: $to) { id }
    }`,
    {
      devices: cameras.map(({ id }) => id),
      from: new Date(recorded.from).toISOString(),
      to: new Date(recorded.to).toISOString(),
    },
  );
  assert.is(requestRetrieval.length, cameras.length);
  const raised: string[] = [];
  for (let index = 0; index < ALARM_COUNT; index += 1) {
    raised.push(await raiseAlarm(network, cameras[index % 2]!.id, `Stop ${index + 1} requested`));
    await new Promise(resolve => setTimeout(resolve, ALARM_EVERY_MS));
  }

  await eventually('every retrieval is complete', async () => {
    const retrievals = await retrievalsOf(network, siteId);
    return requestRetrieval.every(({ id }) =>
      retrievals.some(retrieval => retrieval.id === id && retrieval.state === 'COMPLETED'),
    );
  });
  for (const { id } of cameras) {
    const spans = await timelineOf(network, id, recorded);
    assert.is(millisecondsIn(spans, 'HELD'), recorded.to - recorded.from, 'nothing is missing');
  }
  await eventually('every alarm has been raised at the site and is known here', async () => {
    const { alarms } = await network.query<{ alarms: { edges: readonly { node: { name: string } }[] } }>(
      'query ($s: ID!) { alarms(filter: { siteId: $s }, first: 50) { edges { node { name } } } }',
      { s: siteId },
    );
    const names = alarms.edges.map(({ node }) => node.name);
    return raised.every(name => names.includes(name)) && names.length === raised.length;
  });
  const verified = await network.command('verify', network.dataDirectory);
  assert.is(verified.code, 0, verified.output + verified.errors);
});

/** A wish: in a hole of the ride it waits at the central, and the site raises the alarm when it comes. */
async function raiseAlarm(network: DemonstrationNetwork, deviceId: string, name: string): Promise<string> {
  await network.query(
    'mutation ($d: ID!, $n: String!) { raiseAlarm(deviceId: $d, name: $n, priority: 2) { command { id } } }',
    {
      d: deviceId,
      n: name,
    },
  );
  return name;
}

function joinedLate(csv: string): string {
  const [header, ...rows] = csv.trim().split('\n');
  return [header, ...rows.filter(row => Number(row.split(',')[0]) >= JOINED_AT_SECONDS)].join('\n');
}

/** What the site says is sealed of the device since a while before the moment; null when nothing is. */
async function sealedSpan(
  network: DemonstrationNetwork,
  deviceId: string,
  since: number,
): Promise<{ readonly from: number; readonly to: number } | null> {
  const spans = await timelineOf(network, deviceId, { from: since - 30_000, to: Date.now() });
  const sealed = spans.find(({ state, cause }) => state === 'REMOTE' && cause !== 'RECORDING_NOW');
  return sealed ? { from: Date.parse(sealed.from), to: Date.parse(sealed.to) } : null;
}

test.run();
