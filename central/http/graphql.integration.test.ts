import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';
import type { AlarmId, RecordingServerId, StorageId } from '@holdfast/schema';
import { type Client, createClient } from 'graphql-ws';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { type CentralFixture, newDeviceId, openCentralFixture, siteFacts } from './central-http.fixture.js';

const test = suite('GraphQL');
let central: CentralFixture;
const cameras = Array.from({ length: 7 }, (_, index) => ({ id: newDeviceId(), name: `Camera ${index + 1}` }));
const ownCamera = { id: newDeviceId(), name: 'Lobby' };

// biome-ignore lint/suspicious/noExplicitAny: answers of a test are looked at, not typed.
type Answer = { data: any; errors?: { message: string; extensions: { code: string } }[] };

async function ask(
  query: string,
  variables: object = {},
  token: string | null = central.token,
): Promise<Answer> {
  const response = await fetch(`http://${central.origin}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: JSON.stringify({ query, variables }),
  });
  return (await response.json()) as Answer;
}

const codeOf = (answer: Answer) => answer.errors?.[0]?.extensions.code;

test.before(async () => {
  central = await openCentralFixture();
  const { own, child } = central;
  await central.takeIn(
    ...siteFacts(own, 'Centre', [ownCamera]).events,
    own.event(`child-site-${child.site}`, {
      type: 'ChildSiteEnrolled',
      data: { siteId: child.site, name: 'Bus', certificateSha256: 'ab'.repeat(32) },
    }),
    own.event(`link-${child.site}`, {
      type: 'LinkEstablished',
      data: { siteId: child.site, atMs: Date.now() - 60_000, session: 1 },
    }),
  );
  await central.takeIn(...siteFacts(child, 'Bus 7', cameras).events);
  await central.projections.projector.catchUp();
});
test.after(async () => {
  await central[Symbol.asyncDispose]();
});

test('the example of the contract works as written', async () => {
  const query = `query ($site: ID!, $devices: [ID!]!, $from: DateTime!, $to: DateTime!) {
    site(id: $site) { name link { state since lastPosition headPosition } }
    devices(siteId: $site, type: CAMERA, first: 10) { edges { node { id name } } pageInfo { hasNextPage endCursor } }
    timeline(deviceIds: $devices, from: $from, to: $to) { deviceId spans { from to state cause retrievableUntil } }
  }`;
  const to = new Date();
  const from = new Date(to.getTime() - 3600_000);
  const { data, errors } = await ask(query, {
    site: central.child.site,
    devices: [cameras[0]!.id],
    from,
    to,
  });
  assert.is(errors, undefined);
  assert.is(data.site.name, 'Bus 7');
  assert.is(data.site.link.state, 'UP');
  assert.is(data.site.link.lastPosition, central.child.position);
  assert.is(data.devices.edges.length, 7);
  assert.is(data.timeline[0].spans[0].state, 'GAP');
  assert.is(data.timeline[0].spans[0].from, from.toISOString());
});

test('a timeline claims nothing of a time whose facts are not folded yet, although the link is up', async () => {
  const knownMs = Date.now() - 60_000;
  const measured = { headPosition: central.child.position + 5, roundTripMs: 9, clockOffsetMs: 0 };
  const facts = { state: 'CONNECTING', sinceMs: knownMs } as const;
  central.site.links.set(central.child.site, { state: 'UP', sinceMs: knownMs + 30_000, ...measured, facts });
  const { data } = await ask(
    `query ($site: ID!, $devices: [ID!]!, $from: DateTime!, $to: DateTime!) {
      site(id: $site) { link { state lastPosition headPosition } }
      timeline(deviceIds: $devices, from: $from, to: $to) { spans { from to state } }
    }`,
    {
      ...{ site: central.child.site, devices: [cameras[0]!.id] },
      ...{ from: new Date(knownMs - 10_000), to: new Date(knownMs + 40_000) },
    },
  );
  central.site.links.delete(central.child.site);
  const { state, lastPosition, headPosition } = data.site.link;
  assert.equal([state, headPosition - lastPosition], ['UP', 5]);
  assert.equal(data.timeline[0].spans.at(-1), {
    ...{ from: new Date(knownMs).toISOString(), to: new Date(knownMs + 40_000).toISOString() },
    state: 'UNKNOWN',
  });
});

test('what proves a log is told: what the site has signed, and how often it was reset', async () => {
  const { child, database } = central;
  const opened = (epoch: number) => ({
    ...{ epoch, previousEpoch: epoch === 1 ? null : epoch - 1, previousSize: epoch === 1 ? null : 7 },
    ...{ previousRoot: epoch === 1 ? null : 'ab'.repeat(32), reason: epoch === 1 ? 'created' : 'restored' },
  });
  await central.takeIn(child.event('log', { type: 'LogEpochOpened', data: opened(1) }));
  await central.takeIn(child.event('log', { type: 'LogEpochOpened', data: opened(2) }));
  await database.sql`
    insert into replica_checkpoint (site, epoch, size, root, note) values (${child.site}, 1, 5, '', '')`;
  // The intake of the fixture keeps no tree: of its edge there is one hash for each bit of the position.
  const edgeOf = (position: number) =>
    database.sql`update replica_cursor set tree_edge = decode(repeat('00', ${32 * position.toString(2).replaceAll('0', '').length}::int), 'hex') where site = ${child.site}`;
  await edgeOf(child.position);
  const { data, errors } = await ask(
    `query ($site: ID!) { site(id: $site) { log {
      size checkpoint { epoch size at } receipt { size } epochs { epoch reason previousSize openedAt }
    } } }`,
    { site: child.site },
  );
  await edgeOf(0);
  assert.is(errors, undefined);
  const { checkpoint, receipt, epochs } = data.site.log;
  assert.equal([checkpoint.epoch, checkpoint.size, receipt], [1, 5, null]);
  assert.ok(Math.abs(Date.parse(checkpoint.at) - Date.now()) < 60_000);
  assert.equal(
    epochs.map(({ epoch, reason, previousSize }: Record<string, unknown>) => [epoch, reason, previousSize]),
    [
      [2, 'restored', 7],
      [1, 'created', null],
    ],
  );
});

test('read models are built anew, quarantines released and sites written off by administrators only', async () => {
  const other = await central.tokens.issue('bert');
  for (const mutation of [
    'rebuildProjections(names: ["alarms"]) { name }',
    'releaseQuarantine(projection: "alarms") { leftCount }',
    `writeOffSite(siteId: "${central.child.site}")`,
  ]) {
    assert.is(codeOf(await ask(`mutation { ${mutation} }`, {}, other)), 'FORBIDDEN');
  }
  const [asked] = await central.database.sql`select 1 from projection_build`;
  assert.is(asked, undefined);
});

test('pages forward and backward see every device once, in order', async () => {
  const query = `query ($first: Int, $after: Cursor, $last: Int, $before: Cursor) {
    devices(first: $first, after: $after, last: $last, before: $before) {
      totalCount edges { cursor node { name site { name } hardware { recordingServer { name } } } }
      pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    } }`;
  const forward: string[] = [];
  for (let after: string | null = null, more = true; more; ) {
    const { data } = await ask(query, { first: 3, after });
    assert.is(data.devices.totalCount, 8);
    forward.push(...data.devices.edges.map((edge: { node: { name: string } }) => edge.node.name));
    after = data.devices.pageInfo.endCursor;
    more = data.devices.pageInfo.hasNextPage;
  }
  const backward: string[] = [];
  for (let before: string | null = null, more = true; more; ) {
    const { data } = await ask(query, { last: 3, before });
    backward.unshift(...data.devices.edges.map((edge: { node: { name: string } }) => edge.node.name));
    before = data.devices.pageInfo.startCursor;
    more = data.devices.pageInfo.hasPreviousPage;
  }
  assert.equal(forward, [...cameras.map(camera => camera.name), 'Lobby']);
  assert.equal(backward, forward);
});

test('bad pages, cursors, ids and times are named', async () => {
  assert.is(
    codeOf(await ask('{ devices(first: 501) { totalCount edges { cursor } } }')),
    'PAGE_SIZE_OUT_OF_RANGE',
  );
  assert.is(
    codeOf(await ask('{ devices(first: 1, last: 1) { edges { cursor } } }')),
    'PAGE_SIZE_OUT_OF_RANGE',
  );
  assert.is(codeOf(await ask('{ devices(after: "W10") { edges { cursor } } }')), 'CURSOR_INVALID');
  assert.is(codeOf(await ask('{ devices(siteId: "x") { edges { cursor } } }')), 'BAD_USER_INPUT');
  assert.is(
    codeOf(await ask('{ alarms(filter: { from: "yesterday" }) { totalCount } }')),
    'GRAPHQL_VALIDATION_FAILED',
  );
  assert.equal((await ask('{ site(id: "nonsense") { id } }')).data, { site: null });
  assert.is(codeOf(await ask('{ nothing }')), 'GRAPHQL_VALIDATION_FAILED');
  assert.is(codeOf(await ask('{')), 'GRAPHQL_PARSE_FAILED');
});

test('a request that is none, and an operation that is not there, are named', async () => {
  const post = async (body: object): Promise<Answer> => {
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${central.token}` };
    const request = { method: 'POST', headers, body: JSON.stringify(body) };
    return (await (await fetch(`http://${central.origin}/graphql`, request)).json()) as Answer;
  };
  assert.is(codeOf(await post({})), 'BAD_REQUEST');
  const named = { query: 'query A { me { name } }', operationName: 'B' };
  assert.is(codeOf(await post(named)), 'OPERATION_RESOLUTION_FAILURE');
  const persistedQuery = { version: 1, sha256Hash: 'ab'.repeat(32) };
  assert.is(codeOf(await post({ extensions: { persistedQuery } })), 'PERSISTED_QUERY_NOT_SUPPORTED');
});

test('queries that nest too deep or ask for too much are refused before anything is read', async () => {
  const deep = `{ sites { edges { node ${'{ children '.repeat(15)} { id } ${'}'.repeat(15)} } } }`;
  assert.is(codeOf(await ask(deep)), 'QUERY_TOO_DEEP');
  const wide = `{ sites(first: 500) { edges { node { devices(first: 500) { edges { node { id } } } } } } }`;
  assert.is(codeOf(await ask(wide)), 'QUERY_TOO_COMPLEX');
});

test('a mutation shows what it brought about, and events and audit trail tell of it', async () => {
  const { data, errors } = await ask(
    `mutation ($device: ID!) { raiseAlarm(deviceId: $device, name: "Door") {
      command { state } alarm { id state site { name } source { name } history { actor text } } } }`,
    { device: cameras[0]!.id },
  );
  assert.is(errors, undefined);
  const { alarm, command } = data.raiseAlarm;
  assert.is(command.state, 'APPLIED');
  assert.equal([alarm.state, alarm.site.name, alarm.source.name], ['NEW', 'Bus 7', 'Camera 1']);
  assert.equal(alarm.history, [{ actor: 'user:admin', text: 'Raised' }]);
  const after = await ask(
    `query ($filter: EventFilter) { events(filter: $filter, first: 1) { totalCount edges { node { type data site { name } } } }
      auditTrail(first: 2) { edges { node { actor action } } } systemStatus { projectionLag servers { name state } } }`,
    { filter: { deviceId: cameras[0]!.id, types: ['AlarmRaised'] } },
  );
  assert.is(after.errors, undefined);
  assert.is(after.data.events.totalCount, 1);
  assert.is(JSON.parse(after.data.events.edges[0].node.data).name, 'Door');
  assert.is(after.data.auditTrail.edges[0].node.action, 'AlarmRaised');
  assert.is(after.data.systemStatus.projectionLag, 0);
});

test('a refusal of a site keeps its code, and a silent site leaves the command pending', async () => {
  const { data } = await ask('mutation { raiseAlarm(name: "Here") { alarm { id site { name } } } }');
  assert.is(data.raiseAlarm.alarm.site.name, 'Centre');
  const refused = await ask('mutation ($id: ID!) { updateAlarm(id: $id) { command { state } } }', {
    id: data.raiseAlarm.alarm.id,
  });
  assert.is(codeOf(refused), 'NOTHING_ASKED');
  assert.is(
    codeOf(await ask(`mutation { updateAlarm(id: "${randomUUID()}") { command { id } } }`)),
    'ALARM_NOT_FOUND',
  );
  central.site.silent = true;
  const pending = await ask(
    `mutation ($site: ID!) { raiseAlarm(siteId: $site, name: "Far") { command { id state } alarm { id } } }`,
    {
      site: central.child.site,
    },
  );
  central.site.silent = false;
  const { id: commandId, state } = pending.data.raiseAlarm.command;
  assert.equal([state, pending.data.raiseAlarm.alarm], ['PENDING', null]);
  const becomeOf = async (id: string) =>
    (await ask(`{ command(id: "${id}") { state code message } }`)).data.command;
  await central.projections.projector.catchUp();
  assert.equal(await becomeOf(commandId), { state: 'PENDING', code: null, message: null });
  assert.is(await becomeOf('nothing'), null);
  const { own, child, ports } = central;
  const ann = ports.personal.seal(ports.personal.subjectOfUser('ann'), 'ann');
  const answer = { commandId, parentSiteId: own.site, wishRevision: 0, code: 'ALARM_HANDLED_MEANWHILE' };
  await central.takeIn(
    child.event(`answers-${own.site}`, {
      type: 'CommandRejected',
      data: { ...answer, message: `closed by user:${ann}` },
    }),
  );
  await central.projections.projector.catchUp();
  assert.equal(await becomeOf(commandId), {
    ...{ state: 'REJECTED', code: 'ALARM_HANDLED_MEANWHILE', message: 'closed by user:ann' },
  });
  central.site.late = true;
  const late = await ask('mutation { raiseAlarm(name: "Late") { command { state } } }');
  central.site.late = false;
  assert.is(codeOf(late), 'COMMAND_EXPIRED');
});

test('what is not known here, and what cannot be done from here, is named', async () => {
  const site = central.child.site;
  const cut = await ask('mutation ($site: ID!) { cutLink(siteId: $site) { id } }', { site });
  assert.is(codeOf(cut), 'LINK_NOT_EMULATED');
  const writeOff = () => ask('mutation ($site: ID!) { writeOffSite(siteId: $site) }', { site });
  assert.is(codeOf(await writeOff()), 'SITE_NOT_AWAITED', 'all that it said is known');
  const link = central.site.links.get(site);
  const isAwaited = async () => {
    const { data } = await ask('query ($site: ID!) { site(id: $site) { awaited } }', { site });
    return data.site.awaited;
  };
  assert.is(await isAwaited(), false);
  central.site.awaited = new Set([site]);
  assert.is(await isAwaited(), true);
  central.site.links.set(site, { ...link, state: 'UP' } as never);
  assert.is(codeOf(await writeOff()), 'SITE_NOT_AWAITED', 'it is connected');
  central.site.awaited = new Set();
  if (link === undefined) central.site.links.delete(site);
  else central.site.links.set(site, link);
  const cancelled = await ask('mutation ($id: ID!) { cancelRetrieval(id: $id) { id } }', {
    id: randomUUID(),
  });
  assert.is(codeOf(cancelled), 'RETRIEVAL_NOT_FOUND');
  const camera = { name: 'Yard', address: 'rtsp://192.0.2.1/', userName: 'a', password: 'b' };
  const add = `mutation ($camera: CameraInput!, $server: ID!, $site: ID!) {
    addHardware(camera: $camera, recordingServerId: $server, siteId: $site) { command { state } } }`;
  central.site.keyUnknown = true;
  const added = await ask(add, { camera, site, server: randomUUID() });
  central.site.keyUnknown = false;
  assert.is(codeOf(added), 'SITE_KEY_UNKNOWN');
});

test('a lock over devices of two sites is refused, naming them', async () => {
  const answer = await ask(
    `mutation ($ids: [ID!]!) { createEvidenceLock(deviceIds: $ids, from: "2026-11-20T12:00:00Z", to: "2026-11-20T13:00:00Z", headline: "Theft") { evidenceLock { id } } }`,
    { ids: [cameras[0]!.id, ownCamera.id] },
  );
  assert.is(codeOf(answer), 'SITES_DIFFER');
  assert.match(answer.errors![0]!.message, 'Camera 1 at Bus 7');
  const { data } = await ask(
    `mutation ($ids: [ID!]!) { createEvidenceLock(deviceIds: $ids, from: "2026-11-20T12:00:00Z", to: "2026-11-20T13:00:00Z", headline: "Theft") {
      evidenceLock { id state outcome devices { name } expiresAt } } }`,
    { ids: [cameras[1]!.id, cameras[0]!.id] },
  );
  const { id, ...lock } = data.createEvidenceLock.evidenceLock;
  assert.equal(lock, {
    ...{ state: 'ACTIVE', outcome: 'PENDING' },
    devices: [{ name: 'Camera 2' }, { name: 'Camera 1' }],
    expiresAt: null,
  });
  const [fromMs, toMs] = [Date.UTC(2026, 10, 20, 12), Date.UTC(2026, 10, 20, 13)];
  const recordingServerId = randomUUID() as RecordingServerId;
  const missing = [{ fromMs, toMs: fromMs + 60_000 }];
  await central.takeIn(
    central.child.event(`lock-reports-${recordingServerId}`, {
      type: 'EvidenceLockApplied',
      data: {
        ...{ evidenceLockId: id, recordingServerId, atMs: toMs, fromMs, toMs, judgedToMs: toMs },
        devices: [{ deviceId: cameras[1]!.id, outcome: 'PARTLY', heldMs: 1, byteLength: 5e9, missing }],
      },
    }),
  );
  await central.projections.projector.catchUp();
  const applied = await ask(`{ evidenceLocks(first: 1) { edges { node {
    outcome deviceResults { device { name } outcome byteLength judgedTo missing { from to } } } } } }`);
  assert.equal(applied.data.evidenceLocks.edges[0].node, {
    outcome: 'PENDING',
    deviceResults: [
      {
        ...{ device: { name: 'Camera 2' }, outcome: 'PARTLY', byteLength: 5e9 },
        judgedTo: '2026-11-20T13:00:00.000Z',
        missing: [{ from: '2026-11-20T12:00:00.000Z', to: '2026-11-20T12:01:00.000Z' }],
      },
      { device: { name: 'Camera 1' }, outcome: 'PENDING', byteLength: null, judgedTo: null, missing: [] },
    ],
  });
});

test('the storages of a recording server say what is in them, whose they are, and which of them is halted', async () => {
  const { child } = central;
  const found = await ask(
    'query ($site: ID!) { recordingServers(siteId: $site) { edges { node { id storages { id } } } } }',
    {
      site: child.site,
    },
  );
  const [{ node: server }] = found.data.recordingServers.edges;
  assert.equal(server.storages, []);
  const recordingServerId = server.id as RecordingServerId;
  const [vault, park] = [randomUUID() as StorageId, randomUUID() as StorageId];
  const stream = `recording-server-${recordingServerId}`;
  const stage = { retentionDays: 7, byteLengthMax: null, freeBytesLow: 5e9 };
  const configured = (storageId: StorageId, name: string, path: string | null) =>
    child.event(stream, {
      type: 'StorageConfigured',
      data: {
        ...{ recordingServerId, storageId, name, isDefault: path === null, encryption: 'STRONG' },
        live: { ...stage, path },
        archives: [
          {
            ...{ ...stage, retentionDays: 90, path: `https://s3.example.com/${name}` },
            ...{ schedule: { kind: 'EVERY', minutes: 1 }, keyFramesOnly: true },
            objectStore: {
              ...{ bucketUrl: `https://s3.example.com/${name}`, prefix: '', region: 'us-east-1' },
              sealedCredentials: 'c2VhbGVk',
            },
          },
        ],
      },
    });
  const measured = {
    usageBytes: 6e12,
    freeBytes: 1e12,
    oldestMs: Date.UTC(2026, 10, 1),
    unavailableBecause: null,
    ...{ lockedBytes: 2e12, fullAtMs: Date.UTC(2026, 10, 27) },
  };
  await central.takeIn(
    configured(vault, 'Vault', null),
    configured(park, 'Park', '/mnt/park'),
    child.event(stream, {
      type: 'DeviceStorageAssigned',
      data: { recordingServerId, deviceId: cameras[2]!.id, storageId: park },
    }),
    child.event(stream, {
      type: 'RecordingHalted',
      data: { recordingServerId, storageId: park, atMs: 1, cause: 'DISK_UNAVAILABLE', detail: 'it is gone' },
    }),
    child.event(`storage-measures-${recordingServerId}`, {
      type: 'StorageMeasured',
      data: {
        ...{ recordingServerId, atMs: Date.UTC(2026, 10, 20) },
        stages: [
          { storageId: vault, path: null, ...measured },
          {
            storageId: park,
            path: '/mnt/park',
            ...measured,
            freeBytes: null,
            unavailableBecause: 'it is gone',
          },
        ],
      },
    }),
  );
  await central.projections.projector.catchUp();
  const fields = `id name default encrypted haltedBecause measuredAt devices { id }
    stages { path objectStore keyFramesOnly retentionDays usageBytes freeBytes lockedBytes fullAt oldest unavailableBecause }`;
  const { data, errors } = await ask(
    `query ($site: ID!) { recordingServers(siteId: $site) { edges { node { recording storages { ${fields} } } } } }`,
    { site: child.site },
  );
  assert.is(errors, undefined);
  const [first, second] = data.recordingServers.edges[0].node.storages;
  assert.equal(
    [first.name, first.default, first.encrypted, first.haltedBecause],
    ['Vault', true, true, null],
  );
  assert.is(first.devices.length, cameras.length - 1);
  assert.equal(first.stages, [
    {
      ...{
        path: null,
        objectStore: false,
        keyFramesOnly: false,
        retentionDays: 7,
        usageBytes: 6e12,
        freeBytes: 1e12,
      },
      ...{ lockedBytes: 2e12, fullAt: '2026-11-27T00:00:00.000Z' },
      ...{ oldest: '2026-11-01T00:00:00.000Z', unavailableBecause: null },
    },
    {
      ...{ path: 'https://s3.example.com/Vault', objectStore: true, keyFramesOnly: true, retentionDays: 90 },
      ...{ usageBytes: null, freeBytes: null, lockedBytes: null, fullAt: null },
      ...{ oldest: null, unavailableBecause: null },
    },
  ]);
  assert.equal(
    [second.haltedBecause, second.devices],
    ['DISK_UNAVAILABLE: it is gone', [{ id: cameras[2]!.id }]],
  );
  assert.is(second.stages[0].unavailableBecause, 'it is gone');
  await central.takeIn(
    child.event(stream, { type: 'RecordingUnhalted', data: { recordingServerId, storageId: park, atMs: 2 } }),
  );
  await central.projections.projector.catchUp();
  const again = await ask(
    'query ($site: ID!) { recordingServers(siteId: $site) { edges { node { haltedBecause storages { haltedBecause } } } } }',
    { site: child.site },
  );
  const nothing = { haltedBecause: null };
  assert.equal(again.data.recordingServers.edges[0].node, { ...nothing, storages: [nothing, nothing] });
});

test('a device is given a recording policy, recorded by hand and bookmarked', async () => {
  const id = cameras[0]!.id;
  const policy = { mode: 'MOTION', preBufferMs: 5000, postMs: 2000, keyFramesOnly: false, recordRelated: [] };
  const set = `mutation ($id: ID!, $policy: RecordingPolicyInput) { updateDevice(id: $id, recordingPolicy: $policy) {
    device { recordingPolicy { mode preBufferMs postMs keyFramesOnly recordRelated } motionDetection { gridSide } } } }`;
  const { data, errors } = await ask(set, { id, policy });
  assert.is(errors, undefined);
  assert.equal(data.updateDevice.device, { recordingPolicy: policy, motionDetection: { gridSide: 16 } });
  const longest = { ...policy, preBufferMs: 10_000_000 };
  const lengthened = await ask(set, { id, policy: longest });
  assert.equal(lengthened.data.updateDevice.device.recordingPolicy, longest);
  const refused = await ask(set, { id, policy: { ...policy, preBufferMs: 10_000_001 } });
  assert.is(codeOf(refused), 'BAD_USER_INPUT');
  assert.match(refused.errors![0]!.message, 'recordingPolicy.preBufferMs');

  const recorded = await ask(
    'mutation ($id: ID!) { startRecording(deviceId: $id) { command { state } device { id } } }',
    { id },
  );
  assert.equal(recorded.data.startRecording, { command: { state: 'APPLIED' }, device: { id } });

  const made = await ask(
    `mutation ($id: ID!) { createBookmark(deviceId: $id, header: "Fence", description: "a red coat", at: "2026-11-20T12:00:00Z") {
      bookmark { id from to reference description createdBy device { name } } } }`,
    { id },
  );
  assert.is(made.errors, undefined);
  const { bookmark } = made.data.createBookmark;
  assert.is(bookmark.from, '2026-11-20T11:59:57.000Z');
  assert.is(bookmark.to, '2026-11-20T12:00:30.000Z');
  assert.match(bookmark.reference, /^B-[0-9A-F]{8}$/);
  assert.is(bookmark.description, 'a red coat');
  const listed = await ask(
    `query ($id: ID!) { bookmarks(filter: { deviceId: $id, from: "2026-11-20T12:00:10Z", to: "2026-11-20T13:00:00Z", text: "fen" }) { edges { node { id } } } }`,
    { id },
  );
  assert.equal(listed.errors, undefined);
  assert.equal(listed.data.bookmarks.edges, [{ node: { id: bookmark.id } }]);
});

test('a camera has a stream, and is given more; its hardware says how it is spoken to', async () => {
  const id = cameras[0]!.id;
  const fields = 'streams { streams { name address } recorded live motion }';
  const address = 'rtsp://10.0.0.1/';
  const before = await ask(
    `query ($id: ID!) { device(id: $id) { ${fields} hardware { driver transport capabilities { ptz } } } }`,
    { id },
  );
  assert.equal(before.data.device, {
    streams: { streams: [{ name: 'main', address }], recorded: 'main', live: 'main', motion: null },
    hardware: { driver: 'RTSP', transport: 'AUTO', capabilities: null },
  });
  const set = `mutation ($id: ID!, $streams: DeviceStreamsInput) { updateDevice(id: $id, streams: $streams) { device { ${fields} } } }`;
  const both = [
    { name: 'main', address },
    { name: 'sub', address: 'rtsp://10.0.0.1/sub' },
  ];
  const streams = { streams: both, recorded: 'main', live: 'sub', motion: null };
  const { data, errors } = await ask(set, { id, streams });
  assert.is(errors, undefined);
  assert.equal(data.updateDevice.device, { streams });
  const refused = await ask(set, { id, streams: { ...streams, live: 'third' } });
  assert.is(codeOf(refused), 'BAD_USER_INPUT');
  assert.match(refused.errors![0]!.message, 'expected recorded, live and motion to be names of streams');
});

test('a camera is told what to do at once, or it is said why not', async () => {
  const { id } = cameras[0]!;
  const { asked } = central.site;
  const moved = await ask('mutation ($id: ID!) { movePtz(deviceId: $id, pan: 0.5) { device { id } } }', {
    id,
  });
  assert.equal(moved.data, { movePtz: { device: { id } } });
  assert.equal(asked.at(-1)!.request, { kind: 'MOVE', pan: 0.5, tilt: 0, zoom: 0, priority: 5000 });
  assert.is(asked.at(-1)!.deviceId, id);
  assert.match(asked.at(-1)!.askedBy, /^user:sealed:/);
  const presets = await ask('query ($id: ID!) { ptzPresets(deviceId: $id) { id name } }', { id });
  assert.equal(presets.data.ptzPresets, [{ id: '1', name: 'Gate' }]);
  const tooFast = await ask('mutation ($id: ID!) { movePtz(deviceId: $id, pan: 2) { device { id } } }', {
    id,
  });
  assert.is(codeOf(tooFast), 'BAD_USER_INPUT');
  const patrol = 'mutation ($id: ID!) { movePtz(deviceId: $id, zoom: 1, priority: 1000) { device { id } } }';
  await ask(patrol, { id });
  assert.equal(asked.at(-1)!.request, { kind: 'MOVE', pan: 0, tilt: 0, zoom: 1, priority: 1000 });
  assert.is(codeOf(await ask(patrol.replace('1000', '5001'), { id })), 'BAD_USER_INPUT');
  const reserve =
    'mutation ($id: ID!) { reservePtz(deviceId: $id, seconds: 60) { heldBy priority reserved mine until } }';
  const reserved = (await ask(reserve, { id })).data.reservePtz;
  assert.equal([reserved.heldBy, reserved.priority, reserved.mine], ['user:admin', 5000, true]);
  const session = await ask('query ($id: ID!) { ptzSession(deviceId: $id) { heldBy } }', { id });
  assert.equal(session.data, { ptzSession: null });
  const save = 'mutation ($id: ID!) { savePtzPreset(deviceId: $id, name: "Gate") { id name } }';
  assert.equal((await ask(save, { id })).data.savePtzPreset, { id: '1', name: 'Gate' });
  const output =
    'mutation ($id: ID!) { setCameraOutput(deviceId: $id, output: "1", active: true) { device { id } } }';
  assert.is(codeOf(await ask(output, { id })), 'CAMERA_CANNOT');
  central.site.silent = true;
  const away = await ask('mutation ($id: ID!) { stopPtz(deviceId: $id) { device { id } } }', { id });
  central.site.silent = false;
  assert.is(codeOf(away), 'SITE_NOT_CONNECTED');
});

test('a device and its recording server say how they are', async () => {
  const { child } = central;
  const [camera, recordingServerId] = [cameras[0]!.id, randomUUID() as RecordingServerId];
  const ofDevice = { deviceId: camera, recordingServerId };
  const sinceMs = Date.UTC(2026, 10, 20, 12);
  const query = `query ($id: ID!) { device(id: $id) { health {
    recording recordingChangedAt recordingCause motionSince overflowSince overflowCause } } }`;
  assert.is((await ask(query, { id: camera })).data.device.health, null);
  await central.takeIn(
    child.event(`recording-server-${recordingServerId}`, {
      type: 'RecordingServerRegistered',
      data: { recordingServerId, name: 'Third recorder' },
    }),
    child.event(`recording-server-health-${recordingServerId}`, {
      type: 'DiskSlowed',
      data: { recordingServerId, atMs: sinceMs, writeMs: 700 },
    }),
    child.event(`recording-${camera}`, {
      type: 'RecordingStarted',
      data: { ...ofDevice, atMs: sinceMs, cause: 'MOTION' },
    }),
    child.event(`device-health-${camera}`, {
      type: 'DeviceOverflowBegan',
      data: { ...ofDevice, atMs: sinceMs, cause: 'CAMERA_FLOODS' },
    }),
  );
  await central.projections.projector.catchUp();
  const since = new Date(sinceMs).toISOString();
  assert.equal((await ask(query, { id: camera })).data.device.health, {
    ...{ recording: true, recordingChangedAt: since, recordingCause: 'MOTION', motionSince: null },
    ...{ overflowSince: since, overflowCause: 'CAMERA_FLOODS' },
  });
  const { data } = await ask(
    '{ recordingServers(first: 50) { edges { node { name health { diskSlowSince diskWriteMs overloadedSince } } } } }',
  );
  const third = data.recordingServers.edges.find(
    (edge: { node: { name: string } }) => edge.node.name === 'Third recorder',
  );
  assert.equal(third.node.health, { diskSlowSince: since, diskWriteMs: 700, overloadedSince: null });
});

test('motion is searched at this site, and at no other', async () => {
  const query = `query ($id: ID!, $mask: String!) { smartSearch(deviceId: $id, mask: $mask, from: "2026-11-20T12:00:00Z", to: "2026-11-20T13:00:00Z") { moments complete } }`;
  const { data, errors } = await ask(query, { id: ownCamera.id, mask: '1'.repeat(64) });
  assert.is(errors, undefined);
  assert.equal(data.smartSearch, {
    moments: ['2026-11-20T12:00:01.000Z', '2026-11-20T12:00:05.000Z'],
    complete: true,
  });
  for (const mask of ['1'.repeat(63), '1'.repeat(49), '0'.repeat(64), '2'.repeat(64)]) {
    assert.is(codeOf(await ask(query, { id: ownCamera.id, mask })), 'BAD_USER_INPUT', mask);
  }
  const elsewhere = await ask(query, { id: cameras[0]!.id, mask: '1'.repeat(64) });
  assert.is(codeOf(elsewhere), 'NOT_SEARCHABLE_HERE');
  assert.match(elsewhere.errors![0]!.message, 'Bus 7');
});

test('a retrieval is requested, listed and cancelled', async () => {
  const { data, errors } = await ask(
    `mutation ($ids: [ID!]!) { requestRetrieval(deviceIds: $ids, from: "2026-11-20T12:00:00Z", to: "2026-11-20T13:00:00Z") { id state progress requestedBy device { name } } }`,
    { ids: [cameras[0]!.id] },
  );
  assert.is(errors, undefined);
  const [retrieval] = data.requestRetrieval;
  assert.equal([retrieval.state, retrieval.progress, retrieval.requestedBy], ['PENDING', 0, 'user:admin']);
  const cancelled = await ask('mutation ($id: ID!) { cancelRetrieval(id: $id) { state } }', {
    id: retrieval.id,
  });
  assert.is(cancelled.data.cancelRetrieval.state, 'CANCELLED');
});

function connect(token: string | null): Client {
  return createClient({
    url: `ws://${central.origin}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
    ...(token && { connectionParams: { authorization: `Bearer ${token}` } }),
  });
}

/** Takes so many items, then leaves. */
async function take(client: Client, query: string, variables: Record<string, unknown>, count: number) {
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  const taken: any[] = [];
  for await (const { data, errors } of client.iterate({ query, variables })) {
    assert.is(errors, undefined, JSON.stringify(errors));
    taken.push(data);
    if (taken.length === count) break;
  }
  return taken;
}

test('a subscription that resumes gets every change once, whatever happened in between', async () => {
  const { own } = central;
  const query = `subscription ($since: Cursor) { alarmChanged(since: $since) { cursor alarm { id state } } }`;
  const alarmId = randomUUID() as AlarmId;
  const raise = { alarmId, localNumber: 1, name: 'A', message: '', priority: 1, sourceDeviceId: null };
  const first = connect(central.token);
  const [start] = await Promise.all([
    take(first, `subscription { eventAppended { cursor event { type } } }`, {}, 1),
    (async () => {
      // The subscription has begun when its socket has its operation; facts until then are simply older.
      for (let n = 0; n < 40; n++) {
        await central.takeIn(
          own.event('sign-ins', { type: 'UserSignedIn', data: { userName: 'a', address: 'b' } }),
        );
        await new Promise(resolve => setTimeout(resolve, 25));
      }
    })(),
  ]);
  const since = start[0].eventAppended.cursor;
  await central.takeIn(
    own.event(`alarm-${alarmId}`, { type: 'AlarmRaised', data: { ...raise, sourceName: '', raisedAtMs: 1 } }),
    own.event(`alarm-${alarmId}`, { type: 'AlarmAcknowledged', data: { alarmId } }),
  );
  const before = await take(first, query, { since }, 1);
  assert.equal(before[0].alarmChanged.alarm, { id: alarmId, state: 'NEW' });
  await first.dispose();
  await central.takeIn(own.event(`alarm-${alarmId}`, { type: 'AlarmPutOnHold', data: { alarmId } }));
  const second = connect(central.token);
  const resumed = await take(second, query, { since: before[0].alarmChanged.cursor }, 2);
  assert.equal(
    resumed.map(item => item.alarmChanged.alarm.state),
    ['IN_PROGRESS', 'ON_HOLD'],
  );
  await second.dispose();
});

test('a subscription from a cursor that is no longer kept is told to read anew', async () => {
  const { sql } = central.database;
  const [{ kept } = { kept: 0 }] = await sql<{ kept: number }[]>`
    select changes_after_seq as kept from read_model_checkpoint`;
  await sql`update read_model_checkpoint set changes_after_seq = ${kept + 5}`;
  const client = connect(central.token);
  const since = Buffer.from(JSON.stringify([kept + 1])).toString('base64url');
  const query = 'subscription ($since: Cursor) { alarmChanged(since: $since) { cursor } }';
  const refused = await take(client, query, { since }, 1).catch((errors: unknown) => errors);
  await sql`update read_model_checkpoint set changes_after_seq = ${kept}`;
  await client.dispose();
  assert.match(JSON.stringify(refused), 'CURSOR_EXPIRED');
});

test('a socket without a token is closed', async () => {
  const client = connect(null);
  const closed = await take(client, '{ me { name } }', {}, 1).catch((event: { code?: number }) => event);
  assert.is((closed as { code?: number }).code, 4403);
});

test('an administrator sees what projections lack, has them built anew and releases what is put aside', async () => {
  await central.takeIn(central.child.raw('x', 'FlyingSaucerSighted', 1, {}));
  await central.projections.projector.catchUp();
  await central.database.sql`
    insert into projection_difference (projection, scope, description, found_at_ms)
    values ('alarms', ${central.child.site}, 'alarm lacks: 1 rows', ${Date.now()})`;
  const before = await ask(`{
    quarantinedEvents(projection: "audit-trail") { totalCount edges { node { projection stream status reason site { name } event { type } } } }
    systemStatus { projections { name quarantinedCount differenceCount differences { description site { name } } } } }`);
  assert.is(before.errors, undefined);
  const { totalCount, edges } = before.data.quarantinedEvents;
  const { reason, ...event } = edges[0].node;
  assert.is(totalCount, 1);
  assert.match(reason, 'FlyingSaucerSighted');
  assert.equal(event, {
    ...{ projection: 'audit-trail', stream: 'x', status: 'UNTIL_UPGRADE', site: { name: 'Bus 7' } },
    event: { type: 'FlyingSaucerSighted' },
  });
  const statusOf = (answer: Answer, name: string) =>
    answer.data.systemStatus.projections.find((status: { name: string }) => status.name === name);
  assert.equal(statusOf(before, 'alarms').differences, [
    { description: 'alarm lacks: 1 rows', site: { name: 'Bus 7' } },
  ]);
  const done = await ask(`mutation {
    releaseQuarantine(projection: "audit-trail") { foldedCount leftCount projection { name quarantinedCount } }
    rebuildProjections(names: ["alarms"]) { name buildProgress } }`);
  assert.is(done.errors, undefined);
  assert.equal(done.data.releaseQuarantine, {
    ...{ foldedCount: 0, leftCount: 1, projection: { name: 'audit-trail', quarantinedCount: 1 } },
  });
  assert.equal(done.data.rebuildProjections, [{ name: 'alarms', buildProgress: 0 }]);
  for (;;) {
    const now = await ask('{ systemStatus { projections { name buildProgress differenceCount } } }');
    if (statusOf(now, 'alarms').buildProgress === null) {
      assert.is(statusOf(now, 'alarms').differenceCount, 0);
      break;
    }
  }
  for (const mutation of [
    'rebuildProjections(names: ["fables"])',
    'releaseQuarantine(projection: "fables")',
  ]) {
    const refused = await ask(`mutation { ${mutation} { __typename } }`);
    assert.is(codeOf(refused), 'PROJECTION_NOT_FOUND');
    assert.match(refused.errors![0]!.message, 'audit-trail');
  }
  const unknown = await ask('{ quarantinedEvents(projection: "fables") { totalCount } }');
  assert.is(codeOf(unknown), 'PROJECTION_NOT_FOUND');
  // The fixture takes everything that is put aside for a fault.
  assert.is(central.faults.splice(0).length, 2);
});

test('without a token nothing is answered over HTTP', async () => {
  const response = await fetch(`http://${central.origin}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ me { name } }' }),
  });
  assert.is(response.status, 401);
  assert.is(codeOf((await response.json()) as Answer), 'UNAUTHENTICATED');
  assert.is((await fetch(`http://${central.origin}/media/${cameras[0]!.id}/snapshot`)).status, 401);
  assert.is((await fetch(`http://${central.origin}/media/${cameras[0]!.id}/recording`)).status, 401);
});

test('operations endpoints answer', async () => {
  assert.is((await fetch(`http://${central.origin}/healthz`)).status, 200);
  assert.is((await fetch(`http://${central.origin}/readyz`)).status, 200);
  const metrics = await (await fetch(`http://${central.origin}/metrics`)).text();
  assert.match(metrics, /holdfast_intake_events \d+/);
  assert.match(metrics, 'holdfast_links{state="UP"} 1');
});

test('an upgrade to nonsense is refused and harms nobody', async () => {
  for (const target of ['//', '/media/x/live', '/media/%E0%A4%A/live', '*', 'http://[', '/graphql?%']) {
    const socket = net.connect(Number(central.origin.split(':')[1]), '127.0.0.1');
    socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.match(answer.toString(), /^HTTP\/1\.1 4\d\d /);
    socket.destroy();
  }
  assert.is((await fetch(`http://${central.origin}/healthz`)).status, 200);
});

test('nothing of all this was a fault of the server', () => {
  assert.equal(central.faults, []);
});

test.run();
