import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DemonstrationNetwork, eventually } from '../network/demonstration-network.js';
import { camerasOf, linkOf, retrievalsOf, timelineOf } from '../network/site-view.js';

const test = suite('facts outlive kills');

let network: DemonstrationNetwork;

test.before(async () => {
  network = await DemonstrationNetwork.create({ sites: 1 });
});
test.after(() => network?.[Symbol.asyncDispose]());

interface CommandView {
  readonly command: { readonly id: string; readonly state: string };
}

async function raiseAlarm(network: DemonstrationNetwork, deviceId: string): Promise<string> {
  const { raiseAlarm } = await network.query<{ raiseAlarm: CommandView & { alarm: { id: string } } }>(
    'mutation ($d: ID!) { raiseAlarm(deviceId: $d, name: "Door forced", priority: 1) { command { id state } alarm { id state } } }',
    { d: deviceId },
  );
  assert.is(raiseAlarm.command.state, 'APPLIED');
  return raiseAlarm.alarm.id;
}

async function firstCamera(network: DemonstrationNetwork, siteId: string) {
  const [camera] = await eventually('cameras are known and connected', async () => {
    const cameras = await camerasOf(network, siteId);
    return (
      cameras.length > 0 && cameras.every(({ hardware }) => hardware.connection === 'CONNECTED') && cameras
    );
  });
  return camera!;
}

test('an alarm, an evidence lock and a hardware move are facts of the site, also after kill -9 of everything', async () => {
  const siteId = network.ready.sites[0]!.id;
  const camera = await firstCamera(network, siteId);

  const alarmId = await raiseAlarm(network, camera.id);
  await network.query(
    'mutation ($id: ID!) { updateAlarm(id: $id, state: IN_PROGRESS, assignedTo: "admin", comment: "on my way") { command { state } } }',
    { id: alarmId },
  );
  const { createEvidenceLock } = await network.query<{
    createEvidenceLock: { evidenceLock: { id: string } };
  }>(
    `mutation ($d: [ID!]!, $from: DateTime!, $to: DateTime!) {
      createEvidenceLock(deviceIds: $d, from: $from, to: $to, headline: "Theft") { evidenceLock { id state } }
    }`,
    { d: [camera.id], from: new Date(Date.now() - 5000).toISOString(), to: new Date().toISOString() },
  );
  const { recordingServers } = await network.query<{
    recordingServers: { edges: readonly { node: { id: string } }[] };
  }>('query ($s: ID!) { recordingServers(siteId: $s, first: 10) { edges { node { id } } } }', { s: siteId });
  const target = recordingServers.edges.find(({ node }) => node.id !== camera.recordingServer.id)!.node.id;
  const { moveHardware } = await network.query<{ moveHardware: CommandView }>(
    'mutation ($id: ID!, $to: ID!) { moveHardware(id: $id, toRecordingServerId: $to) { command { id state } } }',
    { id: camera.hardware.id, to: target },
  );
  assert.is(moveHardware.command.state, 'APPLIED');

  await network.killEverything();
  await network.start();

  const after = await eventually('the central knows it all again', async () => {
    const state = await network.query<{
      alarm: { state: string; assignedTo: string; history: readonly { text: string }[] };
      evidenceLocks: { edges: readonly { node: { id: string; state: string; headline: string } }[] };
      events: { edges: readonly { node: { type: string } }[] };
    }>(
      `query ($alarm: ID!, $site: ID!) {
        alarm(id: $alarm) { state assignedTo history { text } }
        evidenceLocks(filter: { siteId: $site }, first: 10) { edges { node { id state headline } } }
        events(filter: { siteId: $site, types: ["HardwareMoved", "AlarmRaised", "EvidenceLockCreated"] }, first: 10) {
          edges { node { type } }
        }
      }`,
      { alarm: alarmId, site: siteId },
    );
    return state.alarm?.state === 'IN_PROGRESS' && state;
  });
  assert.is(after.alarm.assignedTo, 'admin');
  assert.equal(
    after.evidenceLocks.edges.map(({ node }) => [node.id, node.state, node.headline]),
    [[createEvidenceLock.evidenceLock.id, 'ACTIVE', 'Theft']],
  );
  assert.equal(after.events.edges.map(({ node }) => node.type).sort(), [
    'AlarmRaised',
    'EvidenceLockCreated',
    'HardwareMoved',
  ]);
  const moved = await eventually('the camera records on the other server', async () => {
    const now = (await camerasOf(network, siteId)).find(({ id }) => id === camera.id)!;
    return now.hardware.connection === 'CONNECTED' && now;
  });
  assert.is(moved.recordingServer.id, target);
  const verified = await network.command('verify', network.dataDirectory, '--json');
  assert.is(verified.code, 0, verified.output + verified.errors);
});

test('a wish for a site whose link is down is pending, and is decided by the site when the link is back', async () => {
  const siteId = network.ready.sites[0]!.id;
  const camera = await firstCamera(network, siteId);
  await network.query('mutation ($s: ID!) { cutLink(siteId: $s) { id } }', { s: siteId });
  await eventually('the link is down', async () => (await linkOf(network, siteId)).state === 'DOWN');
  const { updateDevice } = await network.query<{ updateDevice: CommandView }>(
    'mutation ($d: ID!) { updateDevice(id: $d, name: "Renamed in the dark") { command { id state } } }',
    { d: camera.id },
  );
  assert.is(updateDevice.command.state, 'PENDING');
  assert.is((await camerasOf(network, siteId)).find(({ id }) => id === camera.id)!.name, camera.name);
  await network.query('mutation ($s: ID!) { restoreLink(siteId: $s) { id } }', { s: siteId });
  await eventually('the site has decided', async () =>
    (await camerasOf(network, siteId)).some(({ name }) => name === 'Renamed in the dark'),
  );
});

test('kill -9 of the central and of the site in the middle of replication and retrieval loses nothing', async () => {
  const siteId = network.ready.sites[0]!.id;
  const camera = await firstCamera(network, siteId);
  const alarmId = await raiseAlarm(network, camera.id);
  const since = Date.now();
  const remote = await eventually('six seconds are recorded and sealed', async () => {
    const spans = await timelineOf(network, camera.id, { from: since, to: Date.now() });
    const span = spans.find(({ state, cause }) => state === 'REMOTE' && cause !== 'RECORDING_NOW');
    return span && Date.parse(span.to) - Date.parse(span.from) >= 6_000 && span;
  });
  // So slow that the kills come in the middle of the retrieval.
  const shaped = await network.command(
    ...['link', 'shape', siteId, '--megabits', '0.4', '--data', network.dataDirectory],
  );
  assert.is(shaped.code, 0, shaped.errors);
  await network.query(
    'mutation ($d: [ID!]!, $f: DateTime!, $t: DateTime!) { requestRetrieval(deviceIds: $d, from: $f, to: $t) { id } }',
    { d: [camera.id], f: remote.from, t: remote.to },
  );
  await network.killProcess('site-1/site.yaml');
  await eventually('the site is back', async () => (await linkOf(network, siteId)).state === 'UP');
  await network.killProcess('central/central.yaml');
  await eventually('the central is back', async () => (await linkOf(network, siteId)).state === 'UP');
  await eventually(
    'the retrieval is complete all the same',
    async () => (await retrievalsOf(network, siteId)).some(({ state }) => state === 'COMPLETED'),
    120_000,
  );
  const { alarm } = await network.query<{ alarm: { state: string } }>(
    'query ($id: ID!) { alarm(id: $id) { state } }',
    {
      id: alarmId,
    },
  );
  assert.is(alarm.state, 'NEW');
  const verified = await network.command('verify', network.dataDirectory);
  assert.is(verified.code, 0, verified.output + verified.errors);
});

test.run();
