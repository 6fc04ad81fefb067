import type {
  DeviceId,
  EventId,
  HardwareId,
  HoldfastEvent,
  RecordingServerId,
  SiteId,
} from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { newEvent } from '../log/event-data.js';
import { LOG_START } from '../log/log-place.js';
import { createMemorySiteLog } from '../log/memory-site-log.js';
import { referenceSha256 } from '../log/sha256.reference.js';
import type { RecordedEvent } from '../log/site-log.js';
import { SiteState } from '../site/site-state.js';
import { ConfigurationDiff } from './configuration-diff.js';

const test = suite('configuration diff');
const idOf = <Id>(n: number) => `018f0000-0000-7000-8000-${String(n).padStart(12, '0')}` as Id;
const [siteId, serverA, serverB] = [idOf<SiteId>(1), idOf<RecordingServerId>(2), idOf<RecordingServerId>(3)];
const [door, gate] = [idOf<HardwareId>(4), idOf<HardwareId>(5)];
const [doorCamera, gateCamera] = [idOf<DeviceId>(6), idOf<DeviceId>(7)];

function added(hardwareId: HardwareId, deviceId: DeviceId, name: string): [string, HoldfastEvent] {
  const data = {
    ...{
      hardwareId,
      name,
      driver: 'rtsp' as const,
      transport: 'AUTO' as const,
      address: 'rtsp://10.0.0.1/1',
      sealedCredentials: null,
    },
    ...{ recordingServerId: serverA, devices: [{ deviceId, type: 'CAMERA' as const, name }] },
  };
  return [`hardware-${hardwareId}`, { type: 'HardwareAdded', data }];
}

async function recorded(
  facts: readonly (readonly [string, HoldfastEvent])[],
): Promise<readonly RecordedEvent[]> {
  const log = createMemorySiteLog({ site: siteId, now: () => 1, sha256: referenceSha256 });
  for (const [index, [stream, event]] of facts.entries()) {
    const envelope = { id: idOf<EventId>(100 + index), actor: `user:${index}`, occurredAtMs: 1 };
    const events = [newEvent(event, { ...envelope, clockQuality: 'UNKNOWN' })];
    await log.append([{ stream, expected: 'any', events }]);
  }
  return log.read({ after: LOG_START, limit: 1000 });
}

const established: [string, HoldfastEvent] = [
  'site',
  { type: 'SiteEstablished', data: { siteId, name: 'Bus', sealingPublicKey: 'AAAA' } },
];
const registered = (recordingServerId: RecordingServerId): [string, HoldfastEvent] => [
  `recording-server-${recordingServerId}`,
  { type: 'RecordingServerRegistered', data: { recordingServerId, name: 'RS' } },
];
const before = [established, registered(serverA), registered(serverB), added(door, doorCamera, 'Door')];

async function changesAfter(...facts: readonly (readonly [string, HoldfastEvent])[]) {
  const events = await recorded([...before, ...facts]);
  const state = new SiteState();
  for (const event of events.slice(0, before.length + 1)) state.read(event);
  const diff = new ConfigurationDiff(state);
  for (const event of events.slice(before.length + 1)) diff.read(event);
  return diff.changes().map(({ event, ...change }) => ({ ...change, by: event.actor, type: event.type }));
}

const move = (toRecordingServerId: RecordingServerId): [string, HoldfastEvent] => [
  `hardware-${door}`,
  {
    type: 'HardwareMoved',
    data: { hardwareId: door, fromRecordingServerId: serverA, toRecordingServerId },
  },
];
const rename = (name: string): [string, HoldfastEvent] => [
  `hardware-${door}`,
  { type: 'DeviceRenamed', data: { hardwareId: door, deviceId: doorCamera, name } },
];

test('what was altered is told as it was and as it is, with the event that did it last', async () => {
  assert.equal(await changesAfter(rename('Hall'), rename('Foyer'), move(serverB)), [
    {
      ...{ change: 'ALTERED', kind: 'HARDWARE', id: door, name: 'Door', setting: 'recordingServerId' },
      ...{ before: serverA, after: serverB, by: 'user:6', type: 'HardwareMoved' },
    },
    {
      ...{ change: 'ALTERED', kind: 'DEVICE', id: doorCamera, name: 'Foyer', setting: 'name' },
      ...{ before: 'Door', after: 'Foyer', by: 'user:5', type: 'DeviceRenamed' },
    },
  ]);
});

test('what was altered and altered back, or came and went, is no change', async () => {
  const removed: HoldfastEvent = { type: 'HardwareRemoved', data: { hardwareId: gate } };
  assert.equal(
    await changesAfter(...[rename('Hall'), rename('Door'), added(gate, gateCamera, 'Gate')], [
      `hardware-${gate}`,
      removed,
    ]),
    [],
  );
});

test('what was added or removed is told as a whole, hardware and its devices', async () => {
  const removed: HoldfastEvent = { type: 'HardwareRemoved', data: { hardwareId: door } };
  const changes = await changesAfter(added(gate, gateCamera, 'Gate'), [`hardware-${door}`, removed]);
  assert.equal(
    changes.map(({ change, kind, name, by }) => `${change} ${kind} ${name} ${by}`),
    [
      'ADDED HARDWARE Gate user:4',
      'ADDED DEVICE Gate user:4',
      'REMOVED HARDWARE Door user:5',
      'REMOVED DEVICE Door user:5',
    ],
  );
});

test('a retention that was set has its numbers before and after', async () => {
  const set = (retentionDays: number): [string, HoldfastEvent] => [
    `recording-server-${serverA}`,
    {
      type: 'RecordingServerRetentionSet',
      data: { recordingServerId: serverA, retentionDays, byteLengthMax: null },
    },
  ];
  const [change] = await changesAfter(set(30), set(7));
  assert.equal(
    [change?.setting, change?.before, change?.after, change?.by],
    ['retentionDays', null, '7', 'user:5'],
  );
});

test.run();
