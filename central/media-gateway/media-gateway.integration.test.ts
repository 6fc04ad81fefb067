import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  type AccessUnit,
  AUDIO_TRACK_ID,
  type Fragment,
  type FragmentFacts,
  type InitSegment,
  METADATA_TRACK_ID,
  type MediaItem,
  MediaRefusedError,
  type MediaSource,
  readFragment,
  readInitSegment,
  readSamples,
  type Track,
  VIDEO_TRACK_ID,
  writeFragment,
  writeInitSegment,
} from '@holdfast/core';
import type { DeviceId, RecordingServerId, SegmentId } from '@holdfast/schema';
import { MEDIA_DATABASE_LIMITS, type MediaDatabase, openMediaDatabase } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { type CentralFixture, openCentralFixture } from '../http/central-http.fixture.js';
import { heldInMediaDatabases, type MediaDirectory } from './media-directory.js';

const test = suite('media gateway');
const camera = randomUUID() as DeviceId;
const talking = randomUUID() as DeviceId;
const stranger = randomUUID() as DeviceId;
const epochMs = Date.UTC(2026, 0, 1);
let central: CentralFixture;
let database: MediaDatabase;
let directory = '';
let remote: MediaSource | null = null;
const live = new EventTarget();
let upstreamCount = 0;

const box = (type: string, seed: string, byteLength: number) => {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + byteLength);
  head.write(type, 4, 'latin1');
  const noise = Buffer.alloc(byteLength, createHash('sha256').update(seed).digest());
  return Buffer.concat([head, noise]);
};
const initOf = (name: string): InitSegment => ({
  bytes: Buffer.concat([box('ftyp', 'f', 12), box('moov', name, 200)]),
  codecs: 'avc1.640028',
});
const fragmentOf = (index: number): Fragment => ({
  ...{
    fromMs: epochMs + index * 2000,
    toMs: epochMs + (index + 1) * 2000,
    arrivalMs: epochMs + index * 2000,
  },
  ...{ timeSource: 'SENDER_REPORT', beginsWithKeyFrame: true },
  bytes: Buffer.concat([box('moof', `o${index}`, 60), box('mdat', `d${index}`, 500 + index)]),
});
/** Two seconds of a camera with sound: a key frame and a picture after it. */
const groupInit = writeInitSegment({
  video: { codec: 'MJPEG', width: 320, height: 180 },
  audio: { codec: 'PCMU', sampleRate: 8000, channels: 1 },
});
function groupOf(index: number): Fragment {
  const { bytes: _, ...facts } = fragmentOf(index);
  const unit = (track: AccessUnit['track'], ticks: number, byte: number): AccessUnit => ({
    ...{ track, ticks, keyFrame: true, parts: [Uint8Array.of(byte)], byteLength: 1 },
    ...{ arrivalMs: facts.arrivalMs, timeSource: facts.timeSource },
  });
  const [videoTicks, audioTicks] = [facts.fromMs * 90, facts.fromMs * 8];
  const pictures = [unit('VIDEO', videoTicks, index), unit('VIDEO', videoTicks + 90_000, 100 + index)];
  const bytes = writeFragment(index + 1, facts, [
    { trackId: VIDEO_TRACK_ID, units: pictures, endTicks: videoTicks + 180_000 },
    { trackId: AUDIO_TRACK_ID, units: [unit('AUDIO', audioTicks, 7)], endTicks: audioTicks + 16_000 },
  ]);
  return { ...facts, bytes };
}
const at = (seconds: number) => new Date(epochMs + seconds * 1000).toISOString();

/** Frames as they come from a camera that is pushed by the test. */
const liveSource: MediaSource = {
  async *open(_request, { signal }): AsyncGenerator<MediaItem> {
    upstreamCount += 1;
    yield { kind: 'init', init: initOf('live') };
    yield { kind: 'fragment', fragment: fragmentOf(0) };
    while (!signal.aborted) {
      const [event] = (await once(live, 'frame', { signal }).catch(() => [null])) as [
        CustomEvent<number> | null,
      ];
      if (event === null) return;
      if (event.detail < 0) throw new MediaRefusedError('NO_LIVE_STREAM', 'the camera went away');
      yield { kind: 'fragment', fragment: fragmentOf(event.detail) };
    }
  },
};

const media: MediaDirectory = {
  async liveSource(deviceId) {
    if (deviceId === camera) return liveSource;
    return { refused: 'NO_SUCH_DEVICE', message: `no device ${deviceId}` };
  },
  async recordingSources(deviceId) {
    if (deviceId === camera)
      return { held: heldInMediaDatabases([database], camera), remote, away: async () => [] };
    if (deviceId === talking) {
      return { held: heldInMediaDatabases([database], talking), remote: null, away: async () => [] };
    }
    return { refused: 'NO_SUCH_DEVICE', message: `no device ${deviceId}` };
  },
  async snapshot(_deviceId, atMs) {
    return { jpeg: Buffer.from([0xff, 0xd8]), atMs };
  },
};

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-gateway-'));
  database = await openMediaDatabase({
    ...{ dir: directory, recordingServerId: randomUUID() as RecordingServerId, now: () => epochMs },
    newSegmentId: () => randomUUID() as SegmentId,
    limits: { ...MEDIA_DATABASE_LIMITS, segmentMsMax: 10_000 },
    observer: {
      fragmentsDropped: () => undefined,
      writeFailed: () => undefined,
      damageFound: () => undefined,
    },
  });
  // 0..40 s in one format, then 40..60 s in another.
  for (const [format, first, last] of [
    ['a', 0, 20],
    ['b', 20, 30],
  ] as const) {
    database.beginRun({ deviceId: camera, init: initOf(format), cause: 'CAMERA_CONNECTED' });
    for (let index = first; index < last; index++) database.append(camera, fragmentOf(index));
    await database.endRun({ deviceId: camera, cause: 'CAMERA_DISCONNECTED' });
  }
  database.beginRun({ deviceId: talking, init: groupInit, cause: 'CAMERA_CONNECTED' });
  for (let index = 0; index < 3; index++) database.append(talking, groupOf(index));
  await database.endRun({ deviceId: talking, cause: 'CAMERA_DISCONNECTED' });
  central = await openCentralFixture(media);
});
test.after(async () => {
  await central[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function fetchRecording(fromSeconds: number, toSeconds: number, headers: Record<string, string> = {}) {
  const query = new URLSearchParams({ from: at(fromSeconds), to: at(toSeconds) });
  const response = await fetch(`http://${central.origin}/media/${camera}/recording?${query}`, {
    headers: { authorization: `Bearer ${central.token}`, ...headers },
  });
  return { response, body: Buffer.from(await response.arrayBuffer()) };
}

const expected = (indexes: readonly number[], inits: Readonly<Record<number, string>>) =>
  Buffer.concat(
    indexes.flatMap(index => [
      ...(inits[index] ? [initOf(inits[index]).bytes] : []),
      fragmentOf(index).bytes,
    ]),
  );
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);

test('a recording is its init and every fragment that touches the span, of known length', async () => {
  const { response, body } = await fetchRecording(5, 47);
  assert.is(response.status, 200);
  assert.is(response.headers.get('content-type'), 'video/mp4; codecs="avc1.640028"');
  assert.is(response.headers.get('accept-ranges'), 'bytes');
  assert.ok(body.equals(expected(range(2, 24), { 2: 'a', 20: 'b' })));
  assert.is(response.headers.get('content-length'), String(body.length));
  assert.match(response.headers.get('x-holdfast-parts')!, /^HELD /);
});

test('any range of bytes is exactly that part of the whole', async () => {
  const { body: whole } = await fetchRecording(5, 47);
  const ranges = [
    [0, 0],
    [0, 99],
    [230, 240],
    [whole.length - 1, whole.length - 1],
  ];
  for (let from = 0; from < whole.length; from += 1777)
    ranges.push([from, Math.min(from + 3333, whole.length - 1)]);
  for (const [from, to] of ranges as [number, number][]) {
    const { response, body } = await fetchRecording(5, 47, { range: `bytes=${from}-${to}` });
    assert.is(response.status, 206);
    assert.is(response.headers.get('content-range'), `bytes ${from}-${to}/${whole.length}`);
    assert.ok(body.equals(whole.subarray(from, to + 1)), `${from}-${to}`);
  }
  const { response, body } = await fetchRecording(5, 47, { range: `bytes=${whole.length}-` });
  assert.equal([response.status, JSON.parse(String(body)).code], [416, 'RANGE_NOT_SATISFIABLE']);
});

test('for fast playback there are key frames alone, each until the next, and no sound', async () => {
  const fetchOf = async (pictures: string) => {
    const query = new URLSearchParams({ from: at(0), to: at(6), pictures });
    const headers = { authorization: `Bearer ${central.token}` };
    return fetch(`http://${central.origin}/media/${talking}/recording?${query}`, { headers });
  };
  assert.is((await fetchOf('some')).status, 400);
  const response = await fetchOf('key');
  assert.is(response.headers.get('content-type'), 'video/mp4; codecs="mp4v.6C"');
  assert.is(response.headers.get('x-holdfast-withheld'), 'ulaw');
  const body = new Uint8Array(await response.arrayBuffer());
  assert.is(readInitSegment(body)?.codecs, 'mp4v.6C');
  const shown: number[][] = [];
  for (let offset = groupInit.bytes.length; offset < body.length; ) {
    const read = readFragment(body, offset)!;
    assert.equal(readSamples(body, read, AUDIO_TRACK_ID), []);
    for (const { start, durationTicks } of readSamples(body, read, VIDEO_TRACK_ID))
      shown.push([body[start]!, durationTicks]);
    offset = read.end;
  }
  assert.equal(
    shown,
    [0, 1, 2].map(index => [index, 180_000]),
  );
});

test('what is not held here comes from the remote site, nothing twice, and the answer says so', async () => {
  const asked: unknown[] = [];
  remote = {
    async *open(request) {
      asked.push(request);
      yield { kind: 'init', init: initOf('b') };
      for (const index of range(29, 35)) yield { kind: 'fragment', fragment: fragmentOf(index) };
    },
  };
  const { response, body } = await fetchRecording(50, 70);
  remote = null;
  assert.is(response.headers.get('accept-ranges'), 'none');
  assert.is(response.headers.get('x-holdfast-parts'), `HELD ${at(50)}/${at(60)}, REMOTE ${at(60)}/${at(70)}`);
  assert.equal(asked, [
    { kind: 'PLAYBACK', deviceId: camera, fromMs: epochMs + 60_000, toMs: epochMs + 70_000 },
  ]);
  assert.ok(body.equals(expected(range(25, 35), { 25: 'b' })));
});

test('a time without footage, a device that is not there, and nonsense are told apart', async () => {
  const nothing = await fetchRecording(1000, 1010);
  assert.equal(
    [nothing.response.status, JSON.parse(nothing.body.toString()).code],
    [404, 'NOTHING_RECORDED'],
  );
  assert.is((await fetchRecording(10, 5)).response.status, 400);
  assert.is((await fetchRecording(0, 25 * 3600)).response.status, 400);
  const headers = { authorization: `Bearer ${central.token}` };
  const gone = await fetch(`http://${central.origin}/media/${stranger}/recording?from=${at(0)}&to=${at(1)}`, {
    headers,
  });
  assert.is(gone.status, 404);
  const snapshot = await fetch(`http://${central.origin}/media/${camera}/snapshot?at=${at(3)}`, { headers });
  assert.equal([snapshot.status, snapshot.headers.get('content-type')], [200, 'image/jpeg']);
  assert.is(snapshot.headers.get('x-holdfast-at'), at(3));
});

/** Messages of a viewer, and how it was closed. */
function view(deviceId: DeviceId, protocols = ['holdfast.media.v1', `bearer.${central.token}`]) {
  const socket = new WebSocket(`ws://${central.origin}/media/${deviceId}/live`, protocols);
  const messages: (string | Buffer)[] = [];
  const waiting = new Set<() => void>();
  socket.on('message', (data: Buffer, isBinary: boolean) => {
    messages.push(isBinary ? data : data.toString());
    for (const look of waiting) look();
  });
  const closed = once(socket, 'close') as Promise<[number, Buffer]>;
  const until = (count: number) =>
    new Promise<void>(resolve => {
      const look = () => {
        if (messages.length < count) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return { socket, messages, closed, until };
}

test('viewers of one device share one stream, each beginning with init and the newest group of pictures', async () => {
  upstreamCount = 0;
  const first = view(camera);
  await first.until(3);
  live.dispatchEvent(new CustomEvent('frame', { detail: 1 }));
  await first.until(4);
  const second = view(camera);
  await second.until(3);
  assert.is(upstreamCount, 1);
  assert.is(first.messages[0], JSON.stringify({ type: 'init', codecs: 'avc1.640028' }));
  assert.ok((first.messages[1] as Buffer).equals(initOf('live').bytes));
  assert.ok((second.messages[2] as Buffer).equals(fragmentOf(1).bytes));
  live.dispatchEvent(new CustomEvent('frame', { detail: -1 }));
  const [code, reason] = await second.closed;
  assert.equal([code, reason.toString()], [1013, 'NO_LIVE_STREAM: the camera went away']);
  await first.closed;
});

test('the last viewer to leave ends the stream, and the next begins a new one', async () => {
  upstreamCount = 0;
  const first = view(camera);
  await first.until(3);
  first.socket.close();
  await first.closed;
  const next = view(camera);
  await next.until(3);
  assert.is(upstreamCount, 2);
  next.socket.close();
  await next.closed;
});

test('a viewer of nothing learns why, and one without a token is not let in', async () => {
  const [code, reason] = await view(stranger).closed;
  assert.equal([code, reason.toString()], [1008, `NO_SUCH_DEVICE: no device ${stranger}`]);
  for (const protocols of [['holdfast.media.v1'], ['holdfast.media.v1', 'bearer.nonsense']]) {
    const refusal = await view(camera, protocols).closed.catch((error: unknown) => error);
    assert.match(String(refusal), '401');
  }
});

test('nothing of all this was a fault of the server', () => {
  assert.equal(central.faults, []);
});

test('what the camera said of the scene is read back, one document in a line', async () => {
  const facts: FragmentFacts = {
    ...{ fromMs: epochMs + 60_000, toMs: epochMs + 62_000, arrivalMs: epochMs + 60_000 },
    ...{ timeSource: 'SENDER_REPORT', beginsWithKeyFrame: true },
  };
  const unit = (track: Track, afterMs: number, text: string): AccessUnit => {
    const bytes = Buffer.from(text);
    const ticks = (facts.fromMs + afterMs) * 90;
    return { ...facts, track, ticks, keyFrame: true, parts: [bytes], byteLength: bytes.length };
  };
  const endTicks = facts.toMs * 90;
  const documents = [unit('METADATA', 0, '<a/>'), unit('METADATA', 1000, '<é/>')];
  const bytes = writeFragment(1, facts, [
    { trackId: VIDEO_TRACK_ID, units: [unit('VIDEO', 0, 'picture')], endTicks },
    { trackId: METADATA_TRACK_ID, units: documents, endTicks },
  ]);
  remote = {
    async *open() {
      yield { kind: 'init', init: initOf('remote') };
      yield { kind: 'fragment', fragment: { ...facts, bytes } };
    },
  };
  const ask = (from: number, to: number, token = central.token) =>
    fetch(`http://${central.origin}/media/${camera}/metadata?from=${at(from)}&to=${at(to)}`, {
      headers: { authorization: `Bearer ${token}` },
    });
  const answer = await ask(58, 70);
  assert.is(answer.headers.get('content-type'), 'application/x-ndjson; charset=utf-8');
  const lines = (await answer.text()).trimEnd().split('\n');
  assert.equal(
    lines.map(line => JSON.parse(line)),
    [
      { at: at(60), xml: '<a/>' },
      { at: at(61), xml: '<é/>' },
    ],
  );
  assert.is(await (await ask(61.5, 70)).text(), '', 'only what lies in the span');
  assert.is((await ask(58, 70, 'nobody')).status, 401);
  remote = null;
});

test.run();
