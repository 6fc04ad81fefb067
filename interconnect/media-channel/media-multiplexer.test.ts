import { setImmediate as turn } from 'node:timers/promises';
import {
  type CameraControl,
  CameraRefusedError,
  type MediaItem,
  MediaRefusedError,
  type MediaRequest,
  type MediaSource,
} from '@holdfast/core';
import { DeviceId, RecordingServerId, SegmentId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { FrameListener, FrameStream } from './frame-stream.js';
import { ITEM_BYTES_MAX, type MediaFrame } from './media-frame.js';
import { fromWire, toWire } from './media-frame.wire.js';
import { MediaMultiplexer } from './media-multiplexer.js';
import { CREDIT_BYTES } from './receiving-channel.js';
import { recordSegments, sourceOfSegments } from './recorded-media.fixture.js';

const test = suite('media multiplexer');

const logger = pino({ level: 'silent' });
const siteId = SiteId.parse(v7());
const parentId = SiteId.parse(v7());
const recordingServerId = RecordingServerId.parse(v7());
const deviceId = DeviceId.parse(v7());
const segmentIds = Array.from({ length: 3 }, () => SegmentId.parse(v7()));
const retrieve: MediaRequest = { kind: 'RETRIEVE', deviceId, segmentIds, resumeAtFragment: 0 };

/** Two ends of a stream in this process. Frames take the way over their wire form, and arrive on a later turn. */
function streamPair(): readonly [FrameStream & { lose(): void }, FrameStream & { lose(): void }] {
  const listeners: (FrameListener | null)[] = [null, null];
  const queues: MediaFrame[][] = [[], []];
  let isOpen = true;
  const deliver = (to: number) => {
    const listener = listeners[to];
    if (listener) for (const frame of queues[to]!.splice(0)) listener.onFrame(frame);
  };
  const end = (self: number) => ({
    write: (frame: MediaFrame) => {
      if (!isOpen) return true;
      queues[1 - self]!.push(fromWire(toWire(frame)));
      setImmediate(() => deliver(1 - self));
      return true;
    },
    listen: (listener: FrameListener) => {
      listeners[self] = listener;
      deliver(self);
    },
    close: () => {
      isOpen = false;
      setImmediate(() => listeners[1 - self]?.onLost('closed by the other end'));
    },
    lose: () => {
      isOpen = false;
      for (const listener of listeners) listener?.onLost('cut');
    },
  });
  return [end(0), end(1)];
}

interface Pair extends AsyncDisposable {
  readonly child: MediaMultiplexer;
  readonly parent: MediaMultiplexer;
  readonly cut: () => void;
}

async function connect(source: MediaSource | null, control?: CameraControl): Promise<Pair> {
  const [childEnd, parentEnd] = streamPair();
  const common = { refusePeer: () => null, monotonicMs: () => performance.now(), logger };
  const parent = new MediaMultiplexer({
    ...common,
    stream: parentEnd,
    role: 'ANSWERED',
    hello: { siteId: parentId, recordingServerId: null, software: 'parent' },
    source: null,
  });
  const child = new MediaMultiplexer({
    ...common,
    stream: childEnd,
    role: 'DIALLED',
    hello: { siteId, recordingServerId, software: 'child' },
    source,
    control,
  });
  assert.is((await parent.ready)?.recordingServerId, recordingServerId);
  assert.is((await child.ready)?.siteId, parentId);
  return {
    child,
    parent,
    cut: childEnd.lose,
    [Symbol.asyncDispose]: async () => {
      parent.close();
      child.close();
      await Promise.all([parent.ended, child.ended]);
    },
  };
}

const options = () => ({ signal: new AbortController().signal, priority: 'REQUEST' as const });

async function collect(items: AsyncIterable<MediaItem>): Promise<MediaItem[]> {
  const all: MediaItem[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn();
}

const record = (fragmentBytes: number, fragmentCount = 4) =>
  recordSegments({ deviceId, segmentIds, fromMs: 1_000_000, fragmentCount, fragmentBytes, seed: 'a' });

test('items arrive as they were given, each kind of them', async () => {
  const segments = record(100_000).slice(0, 2);
  await using pair = await connect(sourceOfSegments(segments));
  const items = await collect(pair.parent.open(retrieve, options()));
  const expected: MediaItem[] = segments.flatMap(segment => [
    { kind: 'manifest' as const, manifest: segment.manifest },
    { kind: 'init' as const, init: segment.init },
    ...segment.fragments.map(fragment => ({ kind: 'fragment' as const, fragment })),
  ]);
  expected.push({ kind: 'missing', segmentId: segmentIds[2]!, cause: 'DELETED' });
  assert.is(items.length, expected.length);
  for (const [index, item] of items.entries()) {
    const want = expected[index]!;
    if (item.kind === 'fragment' && want.kind === 'fragment') {
      assert.ok(Buffer.from(item.fragment.bytes).equals(want.fragment.bytes), `fragment ${index}`);
      assert.equal({ ...item.fragment, bytes: null }, { ...want.fragment, bytes: null });
    } else if (item.kind === 'manifest' && want.kind === 'manifest') {
      assert.equal(
        { ...item.manifest, initDigest: null, fragments: item.manifest.fragments.map(one => one.fromMs) },
        { ...want.manifest, initDigest: null, fragments: want.manifest.fragments.map(one => one.fromMs) },
      );
    } else {
      assert.is(item.kind, want.kind);
    }
  }
});

test('an item larger than the credit of its channel passes', async () => {
  const segments = record(CREDIT_BYTES.RETRIEVE * 2, 1);
  await using pair = await connect(sourceOfSegments(segments));
  const items = await collect(pair.parent.open(retrieve, options()));
  assert.is(items.filter(item => item.kind === 'fragment').length, 3);
});

test('a consumer that does not pull holds the source back', async () => {
  const segments = record(512 * 1024, 40);
  const source = sourceOfSegments(segments);
  await using pair = await connect(source);
  const items = pair.parent.open(retrieve, options())[Symbol.asyncIterator]();
  await items.next();
  let before = -1;
  while (source.givenBytes() !== before) {
    before = source.givenBytes();
    for (let round = 0; round < 50; round += 1) await turn();
  }
  assert.ok(before <= CREDIT_BYTES.RETRIEVE + 1024 * 1024, `${before}`);
  await items.return?.();
});

test('closing the iterator while it waits releases the source', async () => {
  let released = false;
  async function* silent(signal: AbortSignal): AsyncIterable<MediaItem> {
    await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }));
    released = true;
  }
  const source = sourceOfSegments([], { live: silent });
  await using pair = await connect(source);
  const items = pair.parent.open({ kind: 'LIVE', deviceId }, options())[Symbol.asyncIterator]();
  const pending = items.next();
  await until(() => source.openCount() === 1);
  await items.return?.();
  assert.equal(await pending, { done: true, value: undefined });
  await until(() => released && source.openCount() === 0);
});

test('aborting the signal ends the iteration and releases the source', async () => {
  const source = sourceOfSegments(record(1024 * 1024, 40));
  await using pair = await connect(source);
  const stop = new AbortController();
  let taken = 0;
  for await (const _ of pair.parent.open(retrieve, { signal: stop.signal, priority: 'REQUEST' })) {
    taken += 1;
    if (taken === 3) stop.abort();
  }
  assert.is(taken, 3);
  await until(() => source.openCount() === 0);
});

test('a refusal of the source is the same refusal at the other end', async () => {
  await using pair = await connect(sourceOfSegments([]));
  try {
    await collect(pair.parent.open({ kind: 'LIVE', deviceId }, options()));
    assert.unreachable();
  } catch (error) {
    assert.instance(error, MediaRefusedError);
    assert.is((error as MediaRefusedError).code, 'NO_LIVE_STREAM');
    assert.match((error as MediaRefusedError).message, 'the camera is off');
  }
});

const mute = () => Promise.reject(new CameraRefusedError('CAMERA_CANNOT', 'it has no loudspeaker'));
const asking = () => ({ askedBy: 'user:ann', signal: new AbortController().signal });

test('a camera is told something at the other end, and its answer or refusal comes back', async () => {
  const told: unknown[] = [];
  await using pair = await connect(null, {
    async control(device, request, { askedBy }) {
      told.push([device, request, askedBy]);
      if (request.kind === 'STOP') throw new CameraRefusedError('CAMERA_CANNOT', 'it stands still');
      if (request.kind === 'GO_TO_PRESET') throw new Error('the index is gone');
      return { presets: [{ token: '1', name: 'Gate' }] };
    },
    speak: mute,
  });
  const presets = { kind: 'LIST_PRESETS' } as const;
  assert.equal(await pair.parent.control(deviceId, presets, asking()), {
    presets: [{ token: '1', name: 'Gate' }],
  });
  assert.equal(told, [[deviceId, presets, 'user:ann']]);
  const refusalOf = (asked: Promise<unknown>) =>
    asked.catch((error: CameraRefusedError) => [error.code, error.message]);
  assert.equal(await refusalOf(pair.parent.control(deviceId, { kind: 'STOP' }, asking())), [
    'CAMERA_CANNOT',
    'it stands still',
  ]);
  const broken = { kind: 'GO_TO_PRESET', preset: '1' } as const;
  assert.equal(await refusalOf(pair.parent.control(deviceId, broken, asking())), [
    'CAMERA_FAILED',
    'the index is gone',
  ]);
  const [code] = (await refusalOf(pair.child.control(deviceId, presets, asking()))) as [string];
  assert.is(code, 'CAMERA_CANNOT', 'the parent takes no requests to cameras');
});

test('what is spoken reaches the camera at the other end until either side ends it, or the link is lost', async () => {
  const heard: string[] = [];
  const ends: ((because: string) => void)[] = [];
  await using pair = await connect(null, {
    control: () => new Promise(() => undefined),
    async speak(_, { askedBy }) {
      heard.push(askedBy);
      const { promise: over, resolve } = Promise.withResolvers<string>();
      ends.push(resolve);
      return {
        over,
        say: sound => void heard.push(`${sound.length}`),
        [Symbol.asyncDispose]: async () => resolve('closed'),
      };
    },
  });
  const first = await pair.parent.speak(deviceId, asking());
  first.say(new Uint8Array(160));
  await until(() => heard.length === 2);
  await first[Symbol.asyncDispose]();
  first.say(new Uint8Array(1));
  assert.is(await first.over, 'closed');
  const second = await pair.parent.speak(deviceId, asking());
  ends[1]!('the camera hung up');
  assert.is(await second.over, 'the camera hung up');
  const third = await pair.parent.speak(deviceId, asking());
  pair.cut();
  assert.is(await third.over, 'cut');
  assert.equal(heard, ['user:ann', '160', 'user:ann', 'user:ann']);
});

test('a request to a camera that is under way when the link is lost was not answered', async () => {
  await using pair = await connect(null, { control: () => new Promise(() => undefined), speak: mute });
  const asked = pair.parent.control(deviceId, { kind: 'STOP' }, asking());
  setTimeout(pair.cut, 5);
  const code = await asked.catch((error: CameraRefusedError) => error.code);
  assert.is(code, 'NOT_CONNECTED');
  const after = await pair.parent
    .control(deviceId, { kind: 'STOP' }, asking())
    .catch((error: CameraRefusedError) => error.code);
  assert.is(after, 'NOT_CONNECTED');
});

test('a fault of the source is named at the other end, and other channels go on', async () => {
  const broken: MediaSource = {
    open: request => {
      if (request.kind === 'RETRIEVE') return sourceOfSegments(record(10)).open(request, options());
      throw new Error('the index is gone');
    },
  };
  await using pair = await connect(broken);
  try {
    await collect(pair.parent.open({ kind: 'LIVE', deviceId }, options()));
    assert.unreachable();
  } catch (error) {
    assert.is((error as { code: string }).code, 'MEDIA_CHANNEL_FAULT');
    assert.match((error as Error).message, 'the index is gone');
  }
  assert.is((await collect(pair.parent.open(retrieve, options()))).length, 18);
});

test('when the stream is lost, what had arrived is given out, then NOT_CONNECTED is thrown', async () => {
  const source = sourceOfSegments(record(512 * 1024, 40));
  await using pair = await connect(source);
  const items = pair.parent.open(retrieve, options())[Symbol.asyncIterator]();
  await items.next();
  await until(() => source.givenBytes() > 2 * 1024 * 1024);
  pair.cut();
  let more = 0;
  try {
    while (!(await items.next()).done) more += 1;
    assert.unreachable();
  } catch (error) {
    assert.is((error as MediaRefusedError).code, 'NOT_CONNECTED');
  }
  assert.ok(more > 0, 'nothing that had arrived was given out');
  await until(() => source.openCount() === 0);
});

test('a side without a source allows nothing', async () => {
  await using pair = await connect(sourceOfSegments([]));
  try {
    await collect(pair.child.open(retrieve, options()));
    assert.unreachable();
  } catch (error) {
    assert.is((error as MediaRefusedError).code, 'NOT_ALLOWED');
  }
});

const hello: MediaFrame = {
  kind: 'hello',
  protocolVersion: 1,
  siteId,
  recordingServerId,
  software: 'test',
  takesControl: false,
};
const piece = (rest: object): MediaFrame => ({
  kind: 'piece',
  channel: 1,
  head: { kind: 'manifest' },
  itemByteLength: 100,
  data: new Uint8Array(10),
  last: false,
  ...rest,
});

for (const [violation, frames] of [
  ['anything before hello', [{ kind: 'heartbeat' }]],
  ['hello said twice', [hello, hello]],
  ['another protocol version', [{ ...hello, protocolVersion: 7 }]],
  ['receipts for what was never sent', [hello, { kind: 'received', byteCount: 1 }]],
  [
    "one of this side's own channel numbers",
    [hello, { kind: 'open', channel: 3, request: retrieve, priority: 'LIVE', creditBytes: 1 }],
  ],
] as const) {
  test(`a peer that sends ${violation} is let go, without harm`, async () => {
    const [ours, theirs] = streamPair();
    const session = new MediaMultiplexer({
      stream: ours,
      role: 'ANSWERED',
      hello: { siteId: parentId, recordingServerId: null, software: 'parent' },
      refusePeer: () => null,
      source: null,
      monotonicMs: () => performance.now(),
      logger,
    });
    for (const frame of frames) theirs.write(frame as MediaFrame);
    const end = await session.ended;
    assert.ok(end.cause === 'PROTOCOL' || end.cause === 'PEER_REFUSED', end.cause);
  });
}

for (const [violation, frames] of [
  ['begins an item within another', [piece({}), piece({})]],
  ['continues what never began', [piece({ head: null })]],
  ['ends an item too early', [piece({ last: true })]],
  ['sends more than the item has', [piece({ itemByteLength: 5 })]],
  ['announces an endless item', [piece({ itemByteLength: ITEM_BYTES_MAX + 1 })]],
  ['sends no manifest where one is announced', [piece({ itemByteLength: 10, last: true })]],
] as const) {
  test(`a sender that ${violation} fails its channel and nothing else`, async () => {
    const [ours, theirs] = streamPair();
    const session = new MediaMultiplexer({
      stream: ours,
      role: 'ANSWERED',
      hello: { siteId: parentId, recordingServerId: null, software: 'parent' },
      refusePeer: () => null,
      source: null,
      monotonicMs: () => performance.now(),
      logger,
    });
    theirs.write(hello);
    await session.ready;
    const consuming = collect(session.open(retrieve, options()));
    for (const frame of frames) theirs.write(frame);
    try {
      await consuming;
      assert.unreachable();
    } catch (error) {
      assert.match((error as Error).message, /piece|manifest/);
    }
    const again = session.open(retrieve, options())[Symbol.asyncIterator]();
    const missing = { kind: 'missing', segmentId: segmentIds[0]!, cause: 'DELETED' };
    const next = again.next();
    theirs.write(
      piece({ channel: 3, head: missing, itemByteLength: 0, data: new Uint8Array(0), last: true }),
    );
    assert.equal(await next, { done: false, value: missing });
    session.close();
    await session.ended;
  });
}

test.run();
