import { randomUUID } from 'node:crypto';
import type { RecordedEvent } from '@holdfast/core';
import type { DeviceId, HardwareId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type CentralFixture,
  newDeviceId,
  openCentralFixture,
  siteFacts,
} from '../http/central-http.fixture.js';
import { ConfigurationHistory } from './configuration-history.js';

const test = suite('configuration history');
let central: CentralFixture;
const camera = { id: newDeviceId(), name: 'Door' };
let hardwareId: HardwareId;
let establishedAt: string;
let renamed: RecordedEvent;
let renamedAt: string;

const instant = (event: RecordedEvent) => new Date(Number(event.recordedAt >> 16n)).toISOString();

function rename(name: string, deviceId: DeviceId = camera.id, actor = 'user:ann'): RecordedEvent {
  const data = { hardwareId, deviceId, name };
  return central.child.event(`hardware-${hardwareId}`, { type: 'DeviceRenamed', data }, { actor });
}

// biome-ignore lint/suspicious/noExplicitAny: answers of a test are looked at, not typed.
async function ask(query: string, variables: object = {}): Promise<any> {
  const response = await fetch(`http://${central.origin}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${central.token}` },
    body: JSON.stringify({ query, variables: { site: central.child.site, ...variables } }),
  });
  return response.json();
}

test.before(async () => {
  central = await openCentralFixture();
  const { child } = central;
  const { events } = siteFacts(child, 'Bus 7', [camera]);
  hardwareId = events.at(-1)!.stream.slice('hardware-'.length) as HardwareId;
  establishedAt = instant(events.at(-1)!);
  await central.takeIn(...events);
  renamed = rename('Hall');
  renamedAt = instant(renamed);
  await central.takeIn(renamed);
  await central.projections.projector.catchUp();
});
test.after(async () => {
  await central[Symbol.asyncDispose]();
});

const CONFIGURATION = `query ($site: ID!, $asOf: DateTime, $at: LogPlaceInput) {
  configuration(siteId: $site, asOf: $asOf, at: $at) {
    site { name } name epoch position unchangedSince knownUntil unreadableStreamCount
    children { id } recordingServers { name retentionDays } hardware { id name devices { id name type enabled } }
  } }`;

const deviceNameOf = async (variables: object) =>
  (await ask(CONFIGURATION, variables)).data.configuration.hardware[0]?.devices[0]?.name;

test('a configuration is what it was at the time, and at the place, that is asked for', async () => {
  const { data, errors } = await ask(CONFIGURATION);
  assert.is(errors, undefined);
  const { configuration } = data;
  assert.equal([configuration.site.name, configuration.name], ['Bus 7', 'Bus 7']);
  assert.equal([configuration.epoch, configuration.position], [1, renamed.position]);
  assert.equal([configuration.unchangedSince, configuration.knownUntil], [renamedAt, renamedAt]);
  assert.is(configuration.hardware[0].devices[0].name, 'Hall');
  assert.is(await deviceNameOf({ asOf: establishedAt }), 'Door');
  assert.is(await deviceNameOf({ asOf: renamedAt }), 'Hall');
  assert.is(await deviceNameOf({ at: { epoch: 1, position: renamed.position - 1 } }), 'Door');
  assert.is(await deviceNameOf({ at: { epoch: 1, position: renamed.position } }), 'Hall');
  assert.is(await deviceNameOf({ asOf: '9999-12-31T23:59:59.999Z' }), 'Hall');
  assert.is(await deviceNameOf({ asOf: '1970-01-01T00:00:00.000Z' }), undefined);
});

test('both a time and a place, and a site that is not known, are refused by name', async () => {
  const both = await ask(CONFIGURATION, { asOf: renamedAt, at: { epoch: 1, position: 1 } });
  assert.is(both.errors[0].extensions.code, 'BAD_USER_INPUT');
  const noPlace = await ask(CONFIGURATION, { at: { epoch: 1, position: -3 } });
  assert.match(noPlace.errors[0].message, 'got 1/-3');
  const unknown = await ask(CONFIGURATION, { site: randomUUID() });
  assert.is(unknown.errors[0].extensions.code, 'SITE_NOT_FOUND');
});

test('a diff says what was altered, by which event and whom', async () => {
  const query = `query ($site: ID!, $from: DateTime!, $to: DateTime!) {
    configurationDiff(siteId: $site, from: $from, to: $to) {
      knownUntil changes { change kind id name setting before after event { type actor recordedAt site { name } } }
    } }`;
  const { data, errors } = await ask(query, { from: establishedAt, to: renamedAt });
  assert.is(errors, undefined);
  assert.equal(data.configurationDiff.changes, [
    {
      ...{ change: 'ALTERED', kind: 'DEVICE', id: camera.id, name: 'Hall' },
      ...{ setting: 'name', before: 'Door', after: 'Hall' },
      event: { type: 'DeviceRenamed', actor: 'user:ann', recordedAt: renamedAt, site: { name: 'Bus 7' } },
    },
  ]);
  const wholeLife = await ask(query, { from: '1970-01-01T00:00:00.000Z', to: renamedAt });
  assert.equal(
    // biome-ignore lint/suspicious/noExplicitAny: see above.
    wholeLife.data.configurationDiff.changes.map((change: any) => `${change.change} ${change.kind}`),
    ['ADDED SITE', 'ADDED RECORDING_SERVER', 'ADDED HARDWARE', 'ADDED DEVICE'],
  );
});

test('a long history is folded from the last snapshot before, and the same without any', async () => {
  const { sql } = central.database;
  const { site } = central.child;
  for (let batch = 0; batch < 6; batch += 1) {
    await central.takeIn(...Array.from({ length: 500 }, (_, n) => rename(`Door ${batch * 500 + n}`)));
  }
  const last = central.child.position;
  const history = new ConfigurationHistory(sql, 'code of today');
  const folded = await history.asOf(site, { kind: 'NOW' });
  const kept = await sql<{ position: number }[]>`select position from site_state_snapshot order by position`;
  assert.is(kept.length, 3);
  assert.equal((await history.asOf(site, { kind: 'NOW' })).state, folded.state);
  for (const position of [renamed.position, last - 1700, last - 1, last]) {
    const moment = { kind: 'PLACE', place: { epoch: 1, position } } as const;
    const fresh = await new ConfigurationHistory(sql, `unkept ${position}`).asOf(site, moment);
    const again = await new ConfigurationHistory(sql, 'code of today').asOf(site, moment);
    assert.equal([again.state, again.place], [fresh.state, fresh.place]);
  }
  // What other code kept is not used, nor what was kept of another history.
  await sql`update site_state_snapshot set state = '{"damaged":true}', leaf_hash = 'x'`;
  assert.equal((await history.asOf(site, { kind: 'NOW' })).state, folded.state);
});

test('what this software cannot read is counted, and shown as it was before', async () => {
  await central.takeIn(central.child.raw(`hardware-${hardwareId}`, 'HardwareRelocated', 1, { to: 'roof' }));
  const { data } = await ask(CONFIGURATION);
  assert.is(data.configuration.unreadableStreamCount, 1);
  assert.is(data.configuration.hardware[0].devices[0].name, 'Door 2999');
});

test.run();
