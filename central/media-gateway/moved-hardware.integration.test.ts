import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { Fragment, MediaSource } from '@holdfast/core';
import type {
  DeviceId,
  HardwareId,
  RecordingServerId,
  SealedSegment,
  SegmentId,
  SiteId,
} from '@holdfast/schema';
import {
  MEDIA_DATABASE_LIMITS,
  type MediaDatabase,
  openMediaDatabase,
  type RecordingServer,
  SnapshotMaker,
} from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CentralFixture, openCentralFixture } from '../http/central-http.fixture.js';
import type { FeedFixture } from '../intake/feed-fixture.js';
import { createCentralMediaDirectory } from './central-media-directory.js';
import type { MediaDirectory } from './media-directory.js';
import { type MediaNetwork, openMediaNetwork } from './media-network.fixture.js';

const test = suite('hardware that was moved');

const GROUP_MS = 2000;
const epochMs = Date.UTC(2026, 10, 20, 10);
const box = (type: string, content: string) => {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + content.length);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, Buffer.from(content)]);
};
const init = { bytes: Buffer.concat([box('ftyp', 'isom'), box('moov', 'init')]), codecs: 'avc1.640028' };
const at = (seconds: number) => new Date(epochMs + seconds * 1000).toISOString();

/** Which server recorded which groups, each 2 s long. */
interface Turn {
  readonly server: 0 | 1;
  readonly from: number;
  readonly to: number;
}

/** Recorded at `first`, moved to `second`, and back. */
const thereAndBack: readonly Turn[] = [
  { server: 0, from: 0, to: 10 },
  { server: 1, from: 10, to: 20 },
  { server: 0, from: 20, to: 30 },
];
const thereOnly = thereAndBack.slice(0, 2);

class Camera {
  readonly deviceId = randomUUID() as DeviceId;
  readonly hardwareId = randomUUID() as HardwareId;
  readonly servers = [randomUUID() as RecordingServerId, randomUUID() as RecordingServerId] as const;
  readonly databases: MediaDatabase[] = [];
  readonly #turns: readonly Turn[];

  constructor(turns: readonly Turn[]) {
    this.#turns = turns;
  }

  async record(directory: string): Promise<void> {
    for (const recordingServerId of this.servers)
      this.databases.push(
        await openMediaDatabase({
          ...{ dir: path.join(directory, recordingServerId), recordingServerId, now: () => epochMs },
          newSegmentId: () => randomUUID() as SegmentId,
          limits: { ...MEDIA_DATABASE_LIMITS, segmentMsMax: 10_000 },
          observer: { fragmentsDropped() {}, writeFailed() {}, damageFound() {} },
        }),
      );
    for (const { server, from, to } of this.#turns) {
      const database = this.databases[server]!;
      database.beginRun({ deviceId: this.deviceId, init, cause: 'HARDWARE_MOVED' });
      for (let index = from; index < to; index += 1) database.append(this.deviceId, groupOf(index));
      await database.endRun({ deviceId: this.deviceId, cause: 'HARDWARE_MOVED' });
    }
  }

  /** What the log of its site says when all is sealed, and the hardware is back. */
  facts(feed: FeedFixture) {
    return [
      ...[this.#added(feed), this.#moved(feed, 0, 1), this.#moved(feed, 1, 0)],
      ...[this.#sealed(feed, 0, this.#segments(0)), this.#sealed(feed, 1, this.#segments(1))],
    ];
  }

  /**
   * What it says soon after the hardware was moved once: of the first server's recording half is sealed, and reduced since;
   * at the second it goes on.
   */
  factsBeforeSeals(feed: FeedFixture) {
    const [first] = this.#segments(0);
    const { segmentId, fragmentCount, byteLength, digest, fromMs, toMs } = first!;
    const reduced = { segmentId, fragmentCount, byteLength, digest: 'cd'.repeat(32), previousDigest: digest };
    const of = (server: 0 | 1) => ({ deviceId: this.deviceId, recordingServerId: this.servers[server] });
    const run = (type: 'RecordingStarted' | 'RecordingStopped', server: 0 | 1, seconds: number) =>
      feed.event(`recording-${this.deviceId}`, {
        type,
        data: { ...of(server), atMs: epochMs + seconds * 1000, cause: 'HARDWARE_MOVED' },
      });
    const reduction = { ...of(0), fromMs, toMs, segments: [reduced] };
    return [
      ...[this.#added(feed), run('RecordingStarted', 0, 0), this.#sealed(feed, 0, [first!])],
      ...[run('RecordingStopped', 0, 20), this.#moved(feed, 0, 1), run('RecordingStarted', 1, 20)],
      feed.event(`recording-${this.deviceId}`, { type: 'RecordingReduced', data: reduction }),
    ];
  }

  #segments(server: number): SealedSegment[] {
    const all = { deviceId: this.deviceId, fromMs: 0, toMs: 2 ** 52, after: null, limit: 100 };
    return this.databases[server]!.segments(all).map(({ segment }) => segment);
  }

  #added(feed: FeedFixture) {
    const { deviceId, hardwareId } = this;
    return feed.event(`hardware-${hardwareId}`, {
      type: 'HardwareAdded',
      data: {
        ...{ hardwareId, name: 'Gate', driver: 'rtsp', transport: 'AUTO', address: 'rtsp://10.0.0.9/1' },
        ...{ sealedCredentials: null, recordingServerId: this.servers[0] },
        devices: [{ deviceId, type: 'CAMERA', name: 'Gate' }],
      },
    });
  }

  #moved(feed: FeedFixture, from: 0 | 1, to: 0 | 1) {
    const { hardwareId, servers } = this;
    const data = { hardwareId, fromRecordingServerId: servers[from], toRecordingServerId: servers[to] };
    return feed.event(`hardware-${hardwareId}`, { type: 'HardwareMoved', data });
  }

  #sealed(feed: FeedFixture, server: 0 | 1, segments: SealedSegment[]) {
    const data = { deviceId: this.deviceId, recordingServerId: this.servers[server], segments, gaps: [] };
    return feed.event(`recording-${this.deviceId}`, { type: 'RecordingSealed', data });
  }
}

function groupOf(index: number): Fragment {
  return {
    ...{ fromMs: epochMs + index * GROUP_MS, toMs: epochMs + (index + 1) * GROUP_MS },
    ...{ arrivalMs: epochMs + index * GROUP_MS, timeSource: 'SENDER_REPORT', beginsWithKeyFrame: true },
    bytes: Buffer.concat([box('moof', ''), box('mdat', `<${index}>`)]),
  };
}

const [remote, own] = [new Camera(thereAndBack), new Camera(thereAndBack)];
const justMoved = new Camera(thereOnly);
let directory = '';
let central: CentralFixture;
let network: MediaNetwork;
let detachAll: () => Promise<void>;
/** The directory needs the database that the fixture opens. */
let media: MediaDirectory;

const sourceOf = (camera: Camera, server: 0 | 1): MediaSource => ({
  open(request, { signal }) {
    if (request.kind !== 'PLAYBACK') throw new RangeError(request.kind);
    return camera.databases[server]!.read({ ...request, signal });
  },
});

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-moved-'));
  await remote.record(directory);
  await own.record(directory);
  await justMoved.record(directory);
  central = await openCentralFixture({
    liveSource: deviceId => media.liveSource(deviceId),
    recordingSources: deviceId => media.recordingSources(deviceId),
    snapshot: (...asked) => media.snapshot(...asked),
  });
  network = await openMediaNetwork(central.child.site as SiteId);
  const retrieved = { database: own.databases[0] } as unknown as RecordingServer;
  const { sql } = central.database;
  media = createCentralMediaDirectory({
    ...{ sql, ownSite: central.own.site, channels: network.channels, now: Date.now },
    recordingServers: new Map(
      own.servers.map((id, index) => [id, { database: own.databases[index] } as unknown as RecordingServer]),
    ),
    retrieved,
    snapshots: read => new SnapshotMaker({ read, ffmpeg: [] }),
  });
  await central.takeIn(...remote.facts(central.child));
  await central.takeIn(...own.facts(central.own));
  await central.takeIn(...justMoved.factsBeforeSeals(central.child));
  await shown(own);
  await shown(remote);
  await shown(justMoved, 1);
});
test.after(async () => {
  await network[Symbol.asyncDispose]();
  await central[Symbol.asyncDispose]();
  for (const { databases } of [remote, own, justMoved])
    for (const database of databases) await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** Until the read models show all of a camera's recordings. */
async function shown({ deviceId }: Camera, expected = 2 * thereAndBack.length): Promise<void> {
  for (;;) {
    const [row] = await central.database.sql<{ count: string }[]>`
      select count(*) from recording_segment where device_id = ${deviceId}`;
    if (Number(row!.count) >= expected) return;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
}

async function play({ deviceId }: Camera, fromSeconds: number, toSeconds: number) {
  const query = new URLSearchParams({ from: at(fromSeconds), to: at(toSeconds) });
  const response = await fetch(`http://${central.origin}/media/${deviceId}/recording?${query}`, {
    headers: { authorization: `Bearer ${central.token}` },
  });
  const body = await response.text();
  return { response, body, groups: [...body.matchAll(/<(\d+)>/g)].map(([, index]) => Number(index)) };
}

const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

test('at the central itself, all of it plays as one recording', async () => {
  const { response, groups, body } = await play(own, 0, 60);
  assert.is(response.status, 200);
  assert.equal(groups, range(0, 30));
  assert.is(body.match(/init/g)!.length, 1, 'the format is the same everywhere');
  assert.equal((await play(own, 18, 22)).groups, [9, 10]);
  // Of one server alone: of known length.
  assert.is((await play(own, 22, 36)).response.headers.get('accept-ranges'), 'bytes');
});

test('without anything that decodes it there is no picture of it, by name, and it plays as before', async () => {
  const asked = `http://${central.origin}/media/${own.deviceId}/snapshot?at=${at(5)}`;
  const response = await fetch(asked, { headers: { authorization: `Bearer ${central.token}` } });
  const { code } = (await response.json()) as { readonly code: string };
  assert.equal([response.status, code], [501, 'NO_DECODER']);
  assert.equal((await play(own, 18, 22)).groups, [9, 10]);
});

test('at a remote site, each recording server is asked for its part, in order of time', async () => {
  const detachFirst = await network.attach(remote.servers[0], sourceOf(remote, 0));
  const detachSecond = await network.attach(remote.servers[1], sourceOf(remote, 1));
  assert.equal((await play(remote, 0, 60)).groups, range(0, 30));
  assert.equal((await play(remote, 18, 22)).groups, [9, 10]);

  await detachSecond();
  const partial = await play(remote, 0, 60);
  assert.equal(partial.groups, [...range(0, 10), ...range(20, 30)]);
  const missing = (from: number, to: number) => `NOT_CONNECTED ${remote.servers[1]} ${at(from)}/${at(to)}`;
  assert.is(partial.response.headers.get('x-holdfast-missing'), missing(20, 40));
  assert.is((await play(remote, 0, 16)).response.headers.get('x-holdfast-missing'), null);
  const refused = await play(remote, 22, 36);
  assert.is(refused.response.status, 503);
  assert.match(refused.body, 'NOT_CONNECTED');
  assert.match(refused.body, remote.servers[1]);

  // The one that has the hardware now is away; the other still has what it recorded.
  detachAll = await network.attach(remote.servers[1], sourceOf(remote, 1));
  await detachFirst();
  assert.equal((await play(remote, 22, 36)).groups, range(11, 18));
});

test('nothing that is recorded is left out in silence while the link is down', async () => {
  const detached = [...network.channels.attached()];
  assert.is(detached.length, 1);
  await detachAll();
  const refused = await play(remote, 0, 60);
  assert.is(refused.response.status, 503);
  assert.match(refused.body, 'NOT_CONNECTED');
});

test('what is reduced or not sealed yet is asked for where it lies, and named while that is away', async () => {
  const { servers } = justMoved;
  const parts = async () => {
    const { response, groups } = await play(justMoved, 0, 40);
    return { groups, missing: response.headers.get('x-holdfast-missing') };
  };
  const missing = (server: 0 | 1, from: number, to: number) =>
    `NOT_CONNECTED ${servers[server]} ${at(from)}/${at(to)}`;
  const detachFirst = await network.attach(servers[0], sourceOf(justMoved, 0));
  assert.equal(await parts(), { groups: range(0, 10), missing: missing(1, 20, 40) });
  const detachSecond = await network.attach(servers[1], sourceOf(justMoved, 1));
  assert.equal(await parts(), { groups: range(0, 20), missing: null });
  await detachFirst();
  assert.equal(await parts(), { groups: range(10, 20), missing: missing(0, 0, 20) });
  await detachSecond();
});

test('the timeline shows one recording over all turns', async () => {
  const response = await fetch(`http://${central.origin}/graphql`, {
    method: 'POST',
    headers: { authorization: `Bearer ${central.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({
      query: `query ($devices: [ID!]!, $from: DateTime!, $to: DateTime!) {
        timeline(deviceIds: $devices, from: $from, to: $to) { spans { from to state } } }`,
      variables: { devices: [remote.deviceId, own.deviceId], from: at(0), to: at(60) },
    }),
  });
  const { data } = (await response.json()) as {
    data: { timeline: { spans: { from: string; to: string; state: string }[] }[] };
  };
  assert.equal(data.timeline[0]!.spans, [{ from: at(0), to: at(60), state: 'REMOTE' }]);
  assert.is(data.timeline[1]!.spans.length, 1);
});

test('nothing of all this was a fault of the server', () => {
  assert.equal(central.faults, []);
});

test.run();
