import { once } from 'node:events';
import net from 'node:net';
import { type MediaItem, MediaRefusedError, type MediaRequest, type MediaSource } from '@holdfast/core';
import { DeviceId, RecordingServerId, SegmentId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  createCertificateAuthority,
  issuePeerCredentials,
  type PeerCredentials,
  serverNameOfRole,
} from '../certificates/certificate-authority.js';
import { createGrpcServer } from '../transport/grpc-server.js';
import { createMediaChannelService, type MediaChannelService } from './media-channel-service.js';
import { recordSegments, sourceOfSegments } from './recorded-media.fixture.js';
import { runMediaChannel } from './run-media-channel.js';

const test = suite('media channel over mutual TLS');

const logger = pino({ level: 'silent' });
const nowMs = Date.now();
const parentId = SiteId.parse(v7());
const siteId = SiteId.parse(v7());
const recordingServerId = RecordingServerId.parse(v7());
const deviceId = DeviceId.parse(v7());
const segmentIds = [SegmentId.parse(v7()), SegmentId.parse(v7())];
const server = { siteId, recordingServerId };
const retrieve: MediaRequest = { kind: 'RETRIEVE', deviceId, segmentIds, resumeAtFragment: 0 };
const segments = recordSegments({
  deviceId,
  segmentIds,
  fromMs: 5_000_000,
  fragmentCount: 8,
  fragmentBytes: 200_000,
  seed: 'tls',
});

const authority = await createCertificateAuthority({ name: 'Test', nowMs });
const parentCredentials = await issuePeerCredentials(authority, { site: parentId, role: 'central', nowMs });
const siteCredentials = await issuePeerCredentials(authority, {
  site: siteId,
  role: 'recording-server',
  nowMs,
});

interface Parent extends AsyncDisposable {
  readonly service: MediaChannelService;
  readonly port: number;
}

async function startParent(port = 0): Promise<Parent> {
  const service = createMediaChannelService({
    siteId: parentId,
    software: 'test',
    monotonicMs: () => performance.now(),
    logger,
  });
  const grpcServer = createGrpcServer({ credentials: parentCredentials, logger });
  grpcServer.addService(service.definition, service.implementation);
  const listening = await grpcServer.listen({ host: '127.0.0.1', port });
  return {
    service,
    port: listening.port,
    [Symbol.asyncDispose]: async () => {
      await service[Symbol.asyncDispose]();
      await grpcServer[Symbol.asyncDispose]();
    },
  };
}

function startChild(options: {
  readonly port: number;
  readonly source: MediaSource;
  readonly credentials?: PeerCredentials;
}): AsyncDisposable {
  const stop = new AbortController();
  const running = runMediaChannel(
    {
      parent: { host: '127.0.0.1', port: options.port, serverName: serverNameOfRole('central') },
      credentials: options.credentials ?? siteCredentials,
      siteId,
      recordingServerId,
      source: options.source,
      software: 'test',
      monotonicMs: () => performance.now(),
      // The shortest waits there can be, so that the test is quick.
      random: () => 0.02,
      logger,
    },
    stop.signal,
  );
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

function attached(service: MediaChannelService): Promise<void> {
  return new Promise(resolve => {
    if (service.attached().length > 0) return resolve();
    const stop = service.onAttached(() => {
      stop();
      resolve();
    });
  });
}

const options = () => ({ signal: new AbortController().signal, priority: 'REQUEST' as const });

async function collect(items: AsyncIterable<MediaItem>): Promise<MediaItem[]> {
  const all: MediaItem[] = [];
  for await (const item of items) all.push(item);
  return all;
}

test('a recording server that dialled out is asked for recordings, and they arrive byte for byte', async () => {
  await using parent = await startParent();
  await using _child = startChild({ port: parent.port, source: sourceOfSegments(segments) });
  await attached(parent.service);
  assert.equal(parent.service.attached(), [server]);
  const items = await collect(parent.service.mediaSourceOf(server).open(retrieve, options()));
  const received = items.flatMap(item => (item.kind === 'fragment' ? [item.fragment.bytes] : []));
  const sent = segments.flatMap(segment => segment.fragments.map(fragment => fragment.bytes));
  assert.ok(Buffer.concat(received).equals(Buffer.concat(sent)));
});

test('a recording server that is not attached refuses with NOT_CONNECTED', async () => {
  await using parent = await startParent();
  try {
    await collect(parent.service.mediaSourceOf(server).open(retrieve, options()));
    assert.unreachable();
  } catch (error) {
    assert.is((error as MediaRefusedError).code, 'NOT_CONNECTED');
  }
});

test("a site cannot attach under another site's name", async () => {
  await using parent = await startParent();
  const credentials = await issuePeerCredentials(authority, {
    site: SiteId.parse(v7()),
    role: 'recording-server',
    nowMs,
  });
  const refusals: string[] = [];
  const stop = new AbortController();
  const noting = pino(
    { level: 'info' },
    {
      write: (line: string) => {
        const { end } = JSON.parse(line) as { end?: { detail: string } };
        if (end) refusals.push(end.detail);
        stop.abort();
      },
    },
  );
  await runMediaChannel(
    {
      parent: { host: '127.0.0.1', port: parent.port, serverName: serverNameOfRole('central') },
      credentials,
      siteId,
      recordingServerId,
      source: sourceOfSegments(segments),
      software: 'test',
      monotonicMs: () => performance.now(),
      random: () => 0,
      logger: noting,
    },
    stop.signal,
  );
  assert.match(refusals[0]!, /the certificate is of site/);
  assert.equal(parent.service.attached(), []);
});

test('a parent that restarts is dialled again by itself', async () => {
  const first = await startParent();
  await using _child = startChild({ port: first.port, source: sourceOfSegments(segments) });
  await attached(first.service);
  await first[Symbol.asyncDispose]();
  await using second = await startParent(first.port);
  await attached(second.service);
  const items = await collect(second.service.mediaSourceOf(server).open(retrieve, options()));
  assert.is(items.length, 2 * (2 + 8));
});

test('a recording server that dials again takes the place of its dead self', async () => {
  await using parent = await startParent();
  const older = startChild({ port: parent.port, source: sourceOfSegments([]) });
  await attached(parent.service);
  const again = new Promise<void>(resolve => parent.service.onAttached(() => resolve()));
  await using _newer = startChild({ port: parent.port, source: sourceOfSegments(segments) });
  await again;
  await older[Symbol.asyncDispose]();
  await attached(parent.service);
  const items = await collect(parent.service.mediaSourceOf(server).open(retrieve, options()));
  assert.is(items.filter(item => item.kind === 'fragment').length, 16);
});

test('when the connection is cut in the middle, the consumer is told and the source is released', async () => {
  await using parent = await startParent();
  const sockets: net.Socket[] = [];
  const proxy = net.createServer(socket => {
    const onward = net.connect(parent.port, '127.0.0.1');
    sockets.push(socket, onward);
    for (const one of [socket, onward]) one.on('error', () => undefined);
    socket.pipe(onward).pipe(socket);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const source = sourceOfSegments(segments);
  await using _child = startChild({ port: (proxy.address() as net.AddressInfo).port, source });
  await attached(parent.service);
  const detached = new Promise<void>(resolve => parent.service.onDetached(() => resolve()));
  let items = 0;
  try {
    for await (const _ of parent.service.mediaSourceOf(server).open(retrieve, options())) {
      items += 1;
      if (items !== 4) continue;
      // Nobody gets through any more: a child that dialled again at once would take the place of its dead self instead.
      proxy.close();
      for (const socket of sockets.splice(0)) socket.destroy();
    }
    assert.unreachable();
  } catch (error) {
    assert.instance(error, MediaRefusedError);
    assert.is((error as MediaRefusedError).code, 'NOT_CONNECTED');
  }
  await detached;
  for (const socket of sockets) socket.destroy();
});

test.run();
