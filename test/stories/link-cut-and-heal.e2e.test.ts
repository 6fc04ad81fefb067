import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DemonstrationNetwork, eventually } from '../network/demonstration-network.js';
import { camerasOf, linkOf, millisecondsIn, retrievalsOf, timelineOf } from '../network/site-view.js';

const test = suite('a link is cut and heals by itself');

/** Of three segments of the demonstration and more, so that the middle of it is sealed when the link is back. */
const OUTAGE_MS = 20_000;

let network: DemonstrationNetwork;

test.before(async () => {
  network = await DemonstrationNetwork.create({ sites: 2 });
});
test.after(() => network?.[Symbol.asyncDispose]());

test('facts arrive first, then the missing recordings, and everything is proven', async () => {
  const [site, other] = network.ready.sites;
  const siteId = site!.id;
  const camera = (
    await eventually('two cameras of the site record', async () => {
      const cameras = await camerasOf(network, siteId);
      return (
        cameras.length === 2 &&
        cameras.every(({ hardware }) => hardware.connection === 'CONNECTED') &&
        cameras
      );
    })
  )[0]!;
  await eventually('the central knows of a recording at the site', async () => {
    const spans = await timelineOf(network, camera.id, { from: Date.now() - 60_000, to: Date.now() });
    // The site keeps it for thirty days, and has said so.
    return spans.some(span => Date.parse(span.retrievableUntil ?? '') > Date.now() + 29 * 24 * 3600_000);
  });

  const cut = await network.command('link', 'cut', site!.name, '--data', network.dataDirectory);
  assert.is(cut.code, 0, cut.errors);
  const down = await eventually('the link is down', async () => {
    const link = await linkOf(network, siteId);
    return link.state === 'DOWN' && link;
  });
  assert.is(down.cut, true);
  const cutAt = Date.parse(down.since);
  assert.is((await linkOf(network, other!.id)).state, 'UP', 'the other site is untouched');

  await new Promise(resolve => setTimeout(resolve, OUTAGE_MS));
  const during = { from: cutAt + 2000, to: cutAt + OUTAGE_MS - 2000 };
  const unknown = await timelineOf(network, camera.id, during);
  assert.is(millisecondsIn(unknown, 'UNKNOWN'), during.to - during.from, 'nothing is claimed of the outage');
  const known = (await linkOf(network, siteId)).lastPosition;

  const restored = await network.command('link', 'restore', siteId, '--data', network.dataDirectory);
  assert.is(restored.code, 0, restored.errors);
  await eventually(
    'the facts of the outage are here',
    async () => {
      const link = await linkOf(network, siteId);
      return link.state === 'UP' && link.lastPosition > known && link.lastPosition === link.headPosition;
    },
    15_000,
  );
  const middle = { from: cutAt + 3_000, to: cutAt + 13_000 };
  const facts = await timelineOf(network, camera.id, middle);
  assert.is(
    millisecondsIn(facts, 'REMOTE', 'HELD'),
    middle.to - middle.from,
    'the timeline says what exists',
  );

  await eventually(
    'the recordings of the outage are held here',
    async () => {
      const spans = await timelineOf(network, camera.id, middle);
      return millisecondsIn(spans, 'HELD') === middle.to - middle.from;
    },
    90_000,
  );
  const retrieved = (await retrievalsOf(network, siteId)).filter(({ trigger }) => trigger === 'LINK_RESTORE');
  assert.ok(
    retrieved.some(({ device }) => device.id === camera.id),
    'they came by themselves',
  );

  const span = `recording?from=${iso(middle.from)}&to=${iso(middle.to)}`;
  const recording = await network.media(camera.id, span);
  assert.is(recording.status, 200);
  const bytes = new Uint8Array(await recording.arrayBuffer());
  assert.is(Buffer.from(bytes.subarray(4, 8)).toString(), 'ftyp');
  assert.ok(bytes.length > 100_000, 'ten seconds of video');

  const verified = await network.command('verify', network.dataDirectory);
  assert.is(verified.code, 0, verified.output + verified.errors);
});

test('a span that is asked for comes here', async () => {
  const siteId = network.ready.sites[1]!.id;
  const [camera] = await eventually('cameras are known', async () => {
    const cameras = await camerasOf(network, siteId);
    return cameras.length > 0 && cameras;
  });
  const since = Date.now();
  const remote = await eventually('ten seconds are recorded and sealed', async () => {
    const spans = await timelineOf(network, camera!.id, { from: since - 30_000, to: Date.now() });
    const span = spans.find(({ state, cause }) => state === 'REMOTE' && cause !== 'RECORDING_NOW');
    return span && Date.parse(span.to) - Date.parse(span.from) >= 10_000 && span;
  });
  const { requestRetrieval } = await network.query<{ requestRetrieval: readonly { id: string }[] }>(
    `mutation ($devices: [ID!]!, $from: DateTime!, $to: DateTime!) {
      requestRetrieval(deviceIds: $devices, from: $from, to: $to) { id }
    }`,
    { devices: [camera!.id], from: remote.from, to: remote.to },
  );
  assert.is(requestRetrieval.length, 1);
  await eventually('the retrieval is complete', async () =>
    (await retrievalsOf(network, siteId)).some(
      ({ id, state }) => id === requestRetrieval[0]!.id && state === 'COMPLETED',
    ),
  );
  const spans = await timelineOf(network, camera!.id, {
    from: Date.parse(remote.from),
    to: Date.parse(remote.to),
  });
  assert.equal([...new Set(spans.map(({ state }) => state))], ['HELD']);
});

function iso(ms: number): string {
  return encodeURIComponent(new Date(ms).toISOString());
}

test.run();
