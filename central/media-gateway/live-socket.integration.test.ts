import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Fragment, InitSegment, MediaItem, MediaSource } from '@holdfast/core';
import type { DeviceId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { LiveHub } from './live-hub.js';
import { LiveSocket } from './live-socket.js';
import { VIEWER_WINDOW_BYTES_MAX } from './viewer-window.js';

const test = suite('slow viewers');

const PICTURE_MS = 20;
const GROUP = 10;
const init: InitSegment = { bytes: Buffer.from('init'), codecs: 'avc1.640028' };

/** A camera with a key frame each 200 ms. The first four bytes are the number of the picture. */
const cameraOf = (pictureBytes: number): MediaSource => ({
  async *open(_request, { signal }): AsyncGenerator<MediaItem> {
    yield { kind: 'init', init };
    for (let index = 0; !signal.aborted; index += 1) {
      const bytes = Buffer.alloc(pictureBytes);
      bytes.writeUInt32BE(index);
      const fragment: Fragment = {
        ...{
          fromMs: index * PICTURE_MS,
          toMs: (index + 1) * PICTURE_MS,
          arrivalMs: 0,
          timeSource: 'ARRIVAL',
        },
        ...{ beginsWithKeyFrame: index % GROUP === 0, bytes },
      };
      yield { kind: 'fragment', fragment };
      await delay(PICTURE_MS, undefined, { signal }).catch(() => undefined);
    }
  },
});

async function serve({ pictureBytes, stallMsMax }: { pictureBytes: number; stallMsMax: number }) {
  const hub = new LiveHub();
  const faults: unknown[] = [];
  const live = new LiveSocket({
    hub,
    limits: { stallMsMax },
    onFault: error => faults.push(error),
    directory: {
      liveSource: async () => cameraOf(pictureBytes),
      recordingSources: () => Promise.reject(new Error('nothing is recorded')),
      snapshot: () => Promise.reject(new Error('nothing is recorded')),
    },
  });
  const server = createServer();
  const deviceId = randomUUID() as DeviceId;
  server.on('upgrade', (request, socket, head) => live.accept({ deviceId }, request, socket, head));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    hub,
    faults,
    view: () => new Viewer(port),
    async [Symbol.asyncDispose]() {
      live.dispose();
      server.closeAllConnections();
      server.close();
      await hub[Symbol.asyncDispose]();
    },
  };
}

/** A browser: what it saw, and a tap on its connection. */
class Viewer {
  readonly pictures: number[] = [];
  readonly told: string[] = [];
  readonly socket: WebSocket;
  readonly closed: Promise<[number, Buffer]>;

  constructor(port: number) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/`, 'holdfast.media.v1');
    this.closed = once(this.socket, 'close') as Promise<[number, Buffer]>;
    this.socket.on('message', (data: Buffer, isBinary: boolean) => {
      if (!isBinary) this.told.push(data.toString());
      else if (data.length > init.bytes.length) this.pictures.push(data.readUInt32BE());
    });
  }

  get connection(): Socket {
    return (this.socket as unknown as { _socket: Socket })._socket;
  }

  get newest(): number {
    return this.pictures.at(-1) ?? -1;
  }

  /** Reads as much as the network would bring. */
  throttle(bytesPerSecond: number): () => void {
    const { connection } = this;
    let budget = 0;
    const onData = (chunk: Buffer) => {
      budget -= chunk.length;
      if (budget <= 0) this.socket.pause();
    };
    connection.prependListener('data', onData);
    const timer = setInterval(() => {
      budget = Math.min(budget + bytesPerSecond / 50, bytesPerSecond / 10);
      if (budget > 0) this.socket.resume();
    }, 20);
    return () => {
      clearInterval(timer);
      connection.off('data', onData);
      this.socket.resume();
    };
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + 30_000; !condition(); await delay(20))
    if (Date.now() > end) throw new Error(`not within 30 s: ${condition}`);
}

test('a viewer whose network carries a fifth of it is reduced to key frames, told so, and stays close to the present', async () => {
  await using server = await serve({ pictureBytes: 40_000, stallMsMax: 10_000 });
  const [slow, quick] = [server.view(), server.view()];
  await until(() => slow.newest > 5 && quick.newest > 5);
  const release = slow.throttle(400_000);
  await until(() => slow.told.some(text => text.includes('SLOW_VIEWER')));
  assert.is(slow.told.at(-1), '{"type":"pace","reducedBecause":"SLOW_VIEWER"}');
  const from = slow.pictures.length + 2;
  await until(() => slow.pictures.length > from + 10);
  release();
  assert.ok(slow.pictures.slice(from).every(index => index % GROUP === 0));
  // Two seconds at most: what was under way when it became slow has been taken.
  assert.ok(
    (quick.newest - slow.newest) * PICTURE_MS < 2_000,
    `${quick.newest - slow.newest} pictures behind`,
  );
  assert.equal(
    quick.pictures,
    quick.pictures.map((_, index) => quick.pictures[0]! + index),
  );
  assert.equal(server.hub.viewers.counts().reductionCount, 1);
  assert.equal(server.faults, []);
});

test('many viewers who take nothing cost no more than their windows, and are closed with the reason', async () => {
  await using server = await serve({ pictureBytes: 10_000, stallMsMax: 3_000 });
  const stuck = Array.from({ length: 60 }, () => server.view());
  const quick = server.view();
  await until(() => quick.newest > 5 && stuck.every(viewer => viewer.newest > 5));
  global.gc?.();
  const before = process.memoryUsage().arrayBuffers;
  for (const { socket } of stuck) socket.pause();
  await until(() => server.hub.viewers.counts().closedCount === stuck.length);
  const grown = process.memoryUsage().arrayBuffers - before;
  // 60 × 1 MB at most; what the operating system holds is not counted, and pictures are shared.
  assert.ok(grown < 60 * VIEWER_WINDOW_BYTES_MAX, `${Math.round(grown / 1e6)} MB`);
  for (const { socket } of stuck) socket.resume();
  const [code, reason] = await stuck[0]!.closed;
  assert.equal([code, reason.toString()], [1013, 'TOO_SLOW: your connection took no picture for too long']);
  await until(() => server.hub.viewers.counts().viewerCount === 1);
  const from = quick.newest;
  await until(() => quick.newest > from + GROUP);
  assert.equal(
    quick.pictures,
    quick.pictures.map((_, index) => quick.pictures[0]! + index),
  );
  assert.equal(server.faults, []);
});

test.run();
