import { setTimeout as delay } from 'node:timers/promises';
import type { Fragment, MediaItem, MediaSource } from '@holdfast/core';
import {
  createCertificateAuthority,
  createGrpcServer,
  createMediaChannelService,
  EmulatedLink,
  issuePeerCredentials,
  runMediaChannel,
  serverNameOfRole,
} from '@holdfast/interconnect';
import { DeviceId, RecordingServerId, SiteId } from '@holdfast/schema';
import { LiveFanOut } from '@holdfast/sites';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LiveHub } from './live-hub.js';

const test = suite('live over a slow link');

const logger = pino({ level: 'silent' });
const PICTURE_MS = 20;
const PICTURE_BYTES = 5_000;
const GROUP = 10;

/** A recording server with one camera of 2 Mbit/s, a key frame each 200 ms, that dials the central over a link. */
async function openNetwork(deviceId: DeviceId) {
  await using stack = new AsyncDisposableStack();
  const monotonicMs = () => performance.now();
  const [parentId, siteId] = [SiteId.parse(v7()), SiteId.parse(v7())];
  const recordingServerId = RecordingServerId.parse(v7());
  const authority = await createCertificateAuthority({ name: 'Test', nowMs: Date.now() });
  const issue = (site: SiteId, role: string) =>
    issuePeerCredentials(authority, { site, role, nowMs: Date.now() });
  const grpcServer = stack.use(createGrpcServer({ credentials: await issue(parentId, 'central'), logger }));
  const channels = stack.use(
    createMediaChannelService({ siteId: parentId, software: 'test', monotonicMs, logger }),
  );
  grpcServer.addService(channels.definition, channels.implementation);
  const target = { host: '127.0.0.1', ...(await grpcServer.listen({ host: '127.0.0.1', port: 0 })) };
  const link = stack.use(await EmulatedLink.open({ listenPort: 0, target, now: monotonicMs }));
  const fanOut = stack.use(new LiveFanOut());
  const source: MediaSource = { open: (_request, { signal }) => fanOut.open(signal) };
  const stop = new AbortController();
  const parent = { host: '127.0.0.1', port: link.port, serverName: serverNameOfRole('central') };
  const running = runMediaChannel(
    {
      ...{ parent, credentials: await issue(siteId, 'recording-server'), siteId, recordingServerId, source },
      ...{ software: 'test', monotonicMs, random: () => 0.02, logger },
    },
    stop.signal,
  );
  stack.defer(() => running);
  stack.defer(() => stop.abort());
  while (channels.attached().length === 0) await delay(10);
  const opened = stack.move();
  const watched = channels.mediaSourceOf({ siteId, recordingServerId });
  return { link, fanOut, watched, deviceId, [Symbol.asyncDispose]: () => opened.disposeAsync() };
}

test('a link that carries half of a camera brings key frames, and all viewers learn why', async () => {
  const deviceId = DeviceId.parse(v7());
  await using network = await openNetwork(deviceId);
  await using hub = new LiveHub();
  const stop = new AbortController();
  network.link.shape({ bandwidthBitsPerSecond: 1_000_000, delayMs: 10 });
  network.fanOut.format({ bytes: Buffer.from('init'), codecs: 'avc1.640028' });
  let sent = 0;
  const camera = setInterval(() => {
    const fragment: Fragment = {
      ...{ fromMs: sent * PICTURE_MS, toMs: (sent + 1) * PICTURE_MS, arrivalMs: 0, timeSource: 'ARRIVAL' },
      ...{ beginsWithKeyFrame: sent % GROUP === 0, bytes: Buffer.alloc(PICTURE_BYTES) },
    };
    network.fanOut.push(fragment);
    sent += 1;
  }, PICTURE_MS);
  const seen: MediaItem[][] = [[], []];
  const viewers = seen.map(async items => {
    for await (const item of hub.watch({ deviceId }, network.watched, stop.signal)) items.push(item);
  });
  const reduced = (items: readonly MediaItem[]) =>
    items.filter(item => item.kind === 'fragment' && item.reducedBecause === 'SLOW_LINK');
  while (!seen.every(items => reduced(items).length >= GROUP)) await delay(20);
  const newest = seen[0]!.at(-1)!;
  const behind = sent - (newest.kind === 'fragment' ? newest.fragment.fromMs / PICTURE_MS : 0);
  clearInterval(camera);
  stop.abort();
  await Promise.all(viewers);
  assert.ok(reduced(seen[0]!).every(item => item.kind === 'fragment' && item.fragment.beginsWithKeyFrame));
  // A link's queue and one group; unreduced it would be half of all the time, and growing.
  assert.ok(behind * PICTURE_MS < 3_000, `${behind * PICTURE_MS} ms behind`);
  while (network.fanOut.consumerCount > 0) await delay(20);
});

test.run();
